from importlib import import_module, util

from django.apps import AppConfig


class ValidationsConfig(AppConfig):
    name = "apps.validations"
    label = "validations"

    def ready(self) -> None:
        # What this app answers by name: facts, checks, acts, jobs.
        for shelf in ("facts", "kinship", "content", "checks", "acts", "work"):
            if util.find_spec(f"{self.name}.{shelf}"):
                import_module(f"{self.name}.{shelf}")
