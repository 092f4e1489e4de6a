from importlib import import_module, util

from django.apps import AppConfig

SHELVES = (
    "facts",
    "board_facts",
    "board_sight",
    "board_grants",
    "content",
    "checks",
    "acts",
    "board_acts",
    "board_seat_acts",
    "board_change_acts",
    "board_queues",
    "board_leaving",
    "suspending",
    "work",
)


class ApprovalsConfig(AppConfig):
    name = "apps.approvals"
    label = "approvals"

    def ready(self):
        # What this app answers by name: facts, checks, acts, jobs.
        for shelf in SHELVES:
            if util.find_spec(f"{self.name}.{shelf}"):
                import_module(f"{self.name}.{shelf}")
