"""`manage.py send_trail [--watch | --state]`: tell witnesses, authority and log stores. 1: one was not told."""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.core.clock import iso
from apps.trail import destinations, sending


class Command(BaseCommand):
    help = "Sends checkpoints to witnesses and a time-stamping authority, and the trail to log stores."

    def add_arguments(self, parser: CommandParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--watch", action="store_true", help="go on sending until stopped")
        how.add_argument("--state", action="store_true", help="only say how far each place is")

    def handle(self, *args: Any, watch: bool, state: bool, **options: Any) -> None:
        try:
            if watch:
                stop = threading.Event()
                for number in (signal.SIGINT, signal.SIGTERM):
                    signal.signal(number, lambda *_: stop.set())
                sending.watch(stop, self._say)
            elif state:
                self._state()
            elif sending.once(self._say):
                sys.exit(1)
        except ImproperlyConfigured as error:
            raise CommandError(str(error), returncode=2) from error

    def _state(self) -> None:
        for place in destinations.configured():
            row = destinations.row_of(place)
            last = f"last told {iso(row.done_at)}" if row.done_at else "never told"
            fault = f"; {row.failures} failed since: {row.error}" if row.error else ""
            self._say(f"{place.kind} {place.name}: {row.position} entries, {last}{fault}")

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
