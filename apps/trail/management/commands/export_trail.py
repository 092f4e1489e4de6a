"""`manage.py export_trail DIR`: the whole log as tiles, or what is new since the last time. 2: it cannot be written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.trail import tiles
from apps.trail.export import NothingSealed

STEP = 100_000


class Command(BaseCommand):
    help = (
        "Writes the whole trail into a folder that verifies without the portal; repeat it to add what is new."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("folder", type=Path, help="an empty folder, or one of an earlier export")

    def handle(self, *args: Any, folder: Path, **options: Any) -> None:
        self.next = STEP
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
