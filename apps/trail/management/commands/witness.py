"""`manage.py witness …`: run the witness here, or write it as one file for another host.

manage.py witness run --listen HOST:PORT --state DIR --name NAME --log log.pub
manage.py witness write witness.pyz      then, there: python3 witness.pyz --listen … --state … --name … --log …
"""

from __future__ import annotations

import sys
import tempfile
import zipapp
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from apps.trail import witness_server

# What the witness is made of; nothing of it knows Django.
MODULES = ("cosignatures.py", "merkle.py", "notes.py", "witness_server.py")


class Command(BaseCommand):
    help = "A witness of logs: it cosigns a checkpoint only when the log grew from the last one."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        witness_server.arguments(verbs.add_parser("run", help="run it here"))
        written = verbs.add_parser("write", help="write it as one file that runs without the portal")
        written.add_argument("file", type=Path)

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        if verb == "write":
            self._write(options["file"])
            return
        code = witness_server.run(options["listen"], options["state"], options["name"], options["log"])
        if code:
            sys.exit(code)

    def _write(self, file: Path) -> None:
        source = Path(witness_server.__file__).parent
        with tempfile.TemporaryDirectory() as name:
            room = Path(name) / "apps" / "trail"
            room.mkdir(parents=True)
            for folder in (room, room.parent):
                (folder / "__init__.py").touch()
            for module in MODULES:
                (room / module).write_bytes((source / module).read_bytes())
            try:
                zipapp.create_archive(
                    name, file, main="apps.trail.witness_server:program", interpreter="/usr/bin/env python3"
                )
            except OSError as error:
                raise CommandError(f"{file} cannot be written: {error}", returncode=2) from error
        self.stdout.write(f"{file}: needs Python 3.11 and the package cryptography.")
