"""`manage.py build_pack MODEL VERSION --out FILE.pdf [--as USERNAME] [--purpose TEXT]`.

Builds the inspection pack in this process, through the same acts and the same job as the page. Exit code 0 built,
1 refused or failed, 2 bad input.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.access.actors import Actor
from apps.access.duties import Duty
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core import jobs
from apps.core.errors import BadInput, NotVisible, Refused
from apps.packs.acts import download_pack, request_pack
from apps.packs.models import Pack
from apps.packs.queries import file_of
from apps.packs.states import State
from apps.registry.models import Version

WAIT_SECONDS = 900


class Command(BaseCommand):
    help = "Build the inspection pack of a model version as of now."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("model", help="short name of the model")
        parser.add_argument("version", help="label of the version")
        parser.add_argument("--out", required=True, metavar="FILE.pdf")
        parser.add_argument("--as", dest="username", default="", metavar="USERNAME",
                            help="who asks; default: the first compliance officer")  # fmt: skip
        parser.add_argument("--purpose", default="Built from the command line", help="printed on the cover")

    def handle(
        self, *_args: Any, model: str, version: str, out: str, username: str, purpose: str, **_: Any
    ) -> None:
        target = Path(out)
        if not target.parent.is_dir():
            raise CommandError(f"There is no folder {target.parent}.", returncode=2)
        found = Version.objects.filter(model__slug=model, label=version).first()
        if found is None:
            raise CommandError(f"There is no version {version} of a model {model}.", returncode=2)
        actor = Actor.of(self._person(username), "command")
        try:
            pack = request_pack(actor, found.pk, purpose=purpose)
            pack = self._built(pack)
            pack = download_pack(actor, pack.pk)
        except (BadInput, NotVisible) as refused:
            raise CommandError(refused.sentence(), returncode=2) from refused
        except Refused as refused:
            raise CommandError(refused.sentence(), returncode=1) from refused
        try:
            self._copy(file_of(pack), target)
        except OSError as error:
            raise CommandError(f"{target} cannot be written: {error.strerror}.", returncode=2) from error
        self.stdout.write(
            f"{pack.ref}: {pack.pages} pages, content {pack.content_digest}, file {pack.pdf_digest}, {target}"
        )

    def _person(self, username: str) -> User:
        if username:
            person = User.objects.filter(username=username, is_service=False).first()
            if person is None:
                raise CommandError(f"There is no person {username}.", returncode=2)
            return person
        held = (
            Assignment.objects.active()
            .filter(duty=Duty.COMPLIANCE)
            .select_related("person")
            .order_by("pk")
            .first()
        )
        if held is None:
            raise CommandError("There is no compliance officer yet; name a person with --as.", returncode=2)
        return held.person

    def _built(self, pack: Pack) -> Pack:
        """Work the job here, or wait for the worker that took it first."""
        jobs.run(pack.job_id)
        deadline = time.monotonic() + WAIT_SECONDS
        while (
            pack := Pack.objects.select_related("job", "version__model").get(pk=pack.pk)
        ).state == State.QUEUED:
            if time.monotonic() > deadline:
                raise CommandError(f"{pack.ref} is still being built by a worker.", returncode=1)
            time.sleep(0.5)
            jobs.run(pack.job_id)  # free again when the worker that had it died
        if pack.state == State.FAILED:
            raise CommandError(f"{pack.ref} failed: {pack.failure}", returncode=1)
        return pack

    def _copy(self, source: Path, target: Path) -> None:
        """The whole file or nothing."""
        with (
            source.open("rb") as file,
            tempfile.NamedTemporaryFile(dir=target.parent, prefix=".pack-", delete=False) as draft,
        ):
            shutil.copyfileobj(file, draft)
        os.chmod(draft.name, 0o644)
        os.replace(draft.name, target)
