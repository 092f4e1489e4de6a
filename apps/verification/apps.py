from importlib import import_module, util

from django.apps import AppConfig


class VerificationConfig(AppConfig):
    name = "apps.verification"
    label = "verification"

    def ready(self) -> None:
        # What this app answers by name: facts, checks, acts, queues.
        for shelf in ("facts", "content", "checks", "acts", "queues"):
            if util.find_spec(f"{self.name}.{shelf}"):
                import_module(f"{self.name}.{shelf}")
