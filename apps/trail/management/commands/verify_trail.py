"""`manage.py verify_trail [--json] [--files] [--since SIZE]`: 0 nothing found, 1 findings, 2 bad input."""

from __future__ import annotations

import json
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.trail import verifier


class Command(BaseCommand):
    help = (
        "Checks the whole trail: entries, leaves, checkpoints, witness copy, histories, records, signatures."
    )
    requires_system_checks = []  # the verifier tells of missing triggers itself, with everything else it finds

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="one JSON object instead of lines")
        parser.add_argument(
            "--files", action="store_true", help="read every stored file and compare its SHA-256"
        )
        parser.add_argument(
            "--since", type=int, default=0, metavar="SIZE", help="size of an earlier checkpoint"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            result = verifier.verify(since=options["since"], read_files=options["files"])
        except verifier.UnknownCheckpoint as error:
            raise CommandError(str(error), returncode=2) from error
        if options["json"]:
            self.stdout.write(json.dumps(result.as_json(), ensure_ascii=False))
        else:
            for finding in result.findings:
                self.stdout.write(finding.line())
            counted = ", ".join(f"{number} {what}" for what, number in result.checked.items())
            found = len(result.findings)
            verdict = "Nothing found" if result.ok else f"{found} finding{'s' if found > 1 else ''}"
            self.stdout.write(f"{verdict}. Checked: {counted}.")
        if not result.ok:
            sys.exit(1)
