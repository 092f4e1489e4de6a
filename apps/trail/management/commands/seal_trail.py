"""`manage.py seal_trail [--watch]`: seal what is pending, once or until it is stopped. 0 sealed, 1 it could not be."""

from __future__ import annotations

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError

from apps.trail import sealer, sealing
from apps.trail.keys import KeyMissing


class Command(BaseCommand):
    help = "Gives waiting entries of the trail their place in the log and signs a checkpoint over them."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--watch", action="store_true", help="go on sealing, every half second, until stopped"
        )

    def handle(self, *args: Any, watch: bool, **options: Any) -> None:
        if watch:
            stop = threading.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            sealing.watch(stop, self._say)
            return
        try:
            sealed = sealer.seal()
        except (DatabaseError, OSError, sealer.ForkRefused, KeyMissing) as error:
            raise CommandError(f"Nothing is sealed: {error} What waits is kept.", returncode=1) from error
        self._say(f"Sealed {sealed} entr{'y' if sealed == 1 else 'ies'}.")

    def _say(self, sentence: str) -> None:
        self.stdout.write(sentence)
        self.stdout.flush()
