from django.apps import AppConfig


class TrailConfig(AppConfig):
    name = "apps.trail"
    label = "trail"
