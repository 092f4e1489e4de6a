"""`manage.py retire_log ORIGIN --reason …`: the folders of a former log are known and no longer a finding."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.access.actors import Actor
from apps.access.acts import retire_log
from apps.access.acts.install import WORKER
from apps.accounts.models import User
from apps.core.errors import Refused


class Command(BaseCommand):
    help = "Enters in the trail that the keys and witness copy of another log belong to a former database."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("origin", help="name of the log, as verify_trail tells it")
        parser.add_argument("--reason", required=True, help="why that log is here and no longer in use")

    def handle(self, *_: Any, origin: str, reason: str, **__: Any) -> None:
        if not User.objects.filter(username=WORKER).exists():
            raise CommandError("The organisation is not installed yet: no log can be retired.", returncode=2)
        try:
            retire_log(
                Actor.service(WORKER, via="command"),
                origin=origin,
                operator=getpass.getuser(),
                reason=reason,
            )
        except Refused as refused:
            raise CommandError(refused.sentence(), returncode=2) from refused
        self.stdout.write(f"The log {origin} is retired; its folders stay where they are.")
