"""`manage.py accept_clock --reason …`: the clock was ahead, and is right now."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.access.actors import Actor
from apps.access.acts import accept_clock
from apps.access.acts.install import WORKER
from apps.core.errors import Refused


class Command(BaseCommand):
    help = "Enters in the trail that the clock of the server was ahead and is right now; restart the portal afterwards."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--reason", required=True, help="how the clock came to be ahead, and what set it right"
        )

    def handle(self, *_: Any, reason: str, **__: Any) -> None:
        try:
            accept_clock(Actor.service(WORKER, via="command"), operator=getpass.getuser(), reason=reason)
        except Refused as refused:
            raise CommandError(refused.sentence(), returncode=2) from refused
        self.stdout.write("The clock is accepted. Restart the portal and its workers.")
