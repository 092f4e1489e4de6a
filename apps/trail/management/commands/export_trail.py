"""`manage.py export_trail DIR`: the whole log as tiles, or what is new since the last time. 2: it cannot be written."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps.trail import tiles
from apps.trail.export import NothingSealed
from apps.trail.models import Entry, Kind
from apps.trail.writer import Who, record

STEP = 100_000
ACT = "trail.export"


def enter(folder: Path) -> None:
    """Enter the export before its first byte leaves: by whom on this machine, into which folder.

    No account of the portal stands behind a command; the operating system's user is named as a service.
    """
    operator = getpass.getuser()
    body = {"filter": {}, "count": Entry.objects.count(), "form": "tiles", "folder": str(folder.resolve())}
    with transaction.atomic():
        record(
            kind=Kind.EVENT,
            act=ACT,
            actor=Who(name=f"Operating-system user {operator}", username=operator),
            scope="organisation:0",
            body=body | {"operator": operator},
            via="command",
        )


class Command(BaseCommand):
    help = (
        "Writes the whole trail into a folder that verifies without the portal; repeat it to add what is new."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="an empty folder, or one of an earlier export")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        self.next = STEP
        enter(folder)
        try:
            made = tiles.write(folder, self._progress)
        except (tiles.WrongFolder, NothingSealed, OSError) as error:
            raise CommandError(f"The trail is not exported: {error}", returncode=2) from error
        self.stdout.write(
            f"{made.size} entries in {folder}, {made.written} bundles of them written now. "
            f"Check them with: python3 {folder}/offline_verifier.py {folder}"
        )

    def _progress(self, done: int, size: int) -> None:
        if done >= self.next:
            self.stderr.write(f"{done} of {size} entries")
            self.next += STEP
