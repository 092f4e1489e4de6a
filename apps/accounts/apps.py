from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_in


class AccountsConfig(AppConfig):
    name = "apps.accounts"
    label = "accounts"

    def ready(self):
        from apps.accounts import breached, detectors  # noqa: F401  (register checks and what verify_trail asks)

        # Signing in is an act with its own entry; the account row is not written for it.
        user_logged_in.disconnect(dispatch_uid="update_last_login")
