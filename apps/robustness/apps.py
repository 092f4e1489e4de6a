from importlib import import_module, util

from django.apps import AppConfig


class RobustnessConfig(AppConfig):
    name = "apps.robustness"
    label = "robustness"

    def ready(self) -> None:
        # What this app answers by name: facts, checks, acts, jobs.
        for shelf in ("facts", "content", "checks", "acts", "work"):
            if util.find_spec(f"{self.name}.{shelf}"):
                import_module(f"{self.name}.{shelf}")
