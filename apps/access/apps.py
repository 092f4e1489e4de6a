from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "apps.access"
    label = "access"

    def ready(self) -> None:
        from apps.access import acts, registered, work  # noqa: F401  (registers acts, jobs, facts, visibility)
