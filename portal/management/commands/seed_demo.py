"""`manage.py seed_demo`: the demo's records, once; `--list`: one line for each version, the last word its state."""

from __future__ import annotations

from django.core.management.base import BaseCommand, CommandError

from apps.core.errors import Refused
from apps.registry.models import Version
from portal.demo.seeding import NotADemo, seed


class Command(BaseCommand):
    help = (
        "Makes the demo's people, model, data, evidence and decisions. Run again, it makes what is missing."
    )

    def add_arguments(self, parser):
        parser.add_argument(
            "--list", action="store_true", help="only list the versions: MODEL VERSION TIER STATE"
        )

    def handle(self, *_args, **options):
        if options["list"]:
            for version in Version.objects.select_related("model", "intended_use").order_by(
                "model__slug", "pk"
            ):
                self.stdout.write(
                    f"{version.model.slug} {version.label} {version.intended_use.tier} {version.state}"
                )
            return
        try:
            seed(self.stdout.write)
        except NotADemo as error:
            raise CommandError(str(error), returncode=1) from None
        except Refused as refused:
            raise CommandError(refused.sentence(), returncode=1) from refused
        self.stdout.write("The demo's records stand.")
