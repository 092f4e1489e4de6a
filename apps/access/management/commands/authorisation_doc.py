"""Write docs/security/authorisation.md from the policy table and the separation rules."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from apps.access.documenting import TARGET, authorisation


class Command(BaseCommand):
    help = "Write docs/security/authorisation.md from what the code enforces."

    def handle(self, *args: Any, **options: Any) -> None:
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        TARGET.write_text(authorisation(), encoding="utf-8")
        self.stdout.write(f"{TARGET} is written.")
