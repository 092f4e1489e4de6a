from importlib import import_module, util

from django.apps import AppConfig


class DatasetsConfig(AppConfig):
    name = "apps.datasets"
    label = "datasets"

    def ready(self) -> None:
        # What this app answers by name: facts, checks, acts, jobs.
        for shelf in (
            "facts",
            "sensitive",
            "lineage",
            "content",
            "checks",
            "acts",
            "sensitive_acts",
            "leaving",
            "queues",
            "reviewing",
            "work",
        ):
            if util.find_spec(f"{self.name}.{shelf}"):
                import_module(f"{self.name}.{shelf}")
