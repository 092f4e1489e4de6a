"""Create the first administrator and the first compliance officer, once."""

from __future__ import annotations

import getpass
import os
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from apps.access.acts import install_organisation
from apps.access.acts.install import installer
from apps.core.errors import Refused


class Command(BaseCommand):
    help = (
        "Creates the first administrator and the first compliance officer. Runs once. "
        "Passwords come from COUNTERSIGN_ADMINISTRATOR_PASSWORD and COUNTERSIGN_COMPLIANCE_PASSWORD, or are asked for."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        for who in ("administrator", "compliance"):
            parser.add_argument(f"--{who}", required=True, metavar="USERNAME")
            parser.add_argument(f"--{who}-name", required=True, metavar="PRINTED_NAME")
            parser.add_argument(f"--{who}-email", default="", metavar="EMAIL")

    def handle(self, *args: Any, **options: Any) -> None:
        people = {}
        for who in ("administrator", "compliance"):
            password = os.environ.get(f"COUNTERSIGN_{who.upper()}_PASSWORD") or getpass.getpass(
                f"Password of the {who}: "
            )
            if len(password) < 12:
                raise CommandError(f"The password of the {who} is shorter than 12 characters.", returncode=2)
            people[who] = {
                "username": options[who],
                "printed_name": options[f"{who}_name"],
                "email": options[f"{who}_email"],
                "password": password,
            }
        try:
            install_organisation(installer(), **people)
        except Refused as refused:
            raise CommandError(refused.sentence(), returncode=2 if refused.status == 422 else 1) from None
        self.stdout.write("Installed: " + ", ".join(p["username"] for p in people.values()))
