from importlib import import_module, util

from django.apps import AppConfig


class ApprovalsConfig(AppConfig):
    name = "apps.approvals"
    label = "approvals"

    def ready(self):
        # What this app answers by name: facts, checks, acts, jobs.
        for shelf in (
            "facts",
            "board_facts",
            "content",
            "checks",
            "acts",
            "board_acts",
            "board_leaving",
            "work",
        ):
            if util.find_spec(f"{self.name}.{shelf}"):
                import_module(f"{self.name}.{shelf}")
