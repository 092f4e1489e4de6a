from importlib import import_module, util

from django.apps import AppConfig


class ExplanationConfig(AppConfig):
    name = "apps.explanation"
    label = "explanation"

    def ready(self) -> None:
        # What this app answers by name: facts, content, checks, acts, jobs.
        for shelf in ("facts", "content", "checks", "acts", "work"):
            if util.find_spec(f"{self.name}.{shelf}"):
                import_module(f"{self.name}.{shelf}")
