from django.apps import AppConfig


class TrailConfig(AppConfig):
    name = "apps.trail"
    label = "trail"

    def ready(self) -> None:
        from apps.trail import history

        history.connect()
