from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "apps.access"
    label = "access"

    def ready(self) -> None:
        from apps.access import acts, registered  # noqa: F401  (registers acts, facts and visibility)
