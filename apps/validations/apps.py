from django.apps import AppConfig


class ValidationsConfig(AppConfig):
    name = "apps.validations"
    label = "validations"
