from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "apps.access"
    label = "access"

    def ready(self) -> None:
        # They register acts, jobs, facts and visibility.
        from apps.access import (  # noqa: F401
            acts,
            ask_queues,
            queues,
            receipts,
            registered,
            registered_areas,
            registered_erasures,
            registered_factors,
            registered_inspections,
            service_facts,
            work,
        )
