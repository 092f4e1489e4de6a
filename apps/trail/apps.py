from typing import Any

from django.apps import AppConfig, apps
from django.core.checks import Tags, register
from django.db import DEFAULT_DB_ALIAS
from django.db.backends.signals import connection_created
from django.db.models.signals import post_migrate, pre_migrate


class TrailConfig(AppConfig):
    name = "apps.trail"
    label = "trail"

    def ready(self) -> None:
        from apps.trail import changes, history, marks, noticed, queries  # noqa: F401  (register who sees entries, what jobs ask)
        from apps.trail.checks import histories_kept, triggers_stand
        from apps.trail.models import Signature
        from apps.trail.watched import history_models

        history.connect()
        changes.connect()
        noticed.notice(Signature)
        for past in history_models():
            noticed.notice(history.record_of(past))
        connection_created.connect(_teach_sqlite, dispatch_uid="trail.teach_sqlite")
        pre_migrate.connect(_before_migrate, dispatch_uid="trail.before_migrate")
        post_migrate.connect(_after_migrate, dispatch_uid="trail.after_migrate")
        register(histories_kept, Tags.models)
        register(triggers_stand, Tags.database)


def _teach_sqlite(connection: Any, **_: Any) -> None:
    """The triggers of tables without an act column ask which act is under way."""
    if connection.vendor == "sqlite":
        from apps.trail.current import current_act_id

        connection.connection.create_function("countersign_act_id", 0, current_act_id)


def _before_migrate(sender: Any, plan: Any = (), using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """SQLite changes a table by making it anew; triggers that name it would stop that."""
    from django.db import connections

    from apps.trail import triggers

    connection = connections[using]
    if sender.label == "trail" and plan and connection.vendor == "sqlite":
        triggers.drop(connection)


def _after_migrate(sender: Any, using: str = DEFAULT_DB_ALIAS, **_: Any) -> None:
    """Once, after the last app was told: all tables stand now."""
    from django.db import connections

    from apps.trail import identity, triggers

    last = [config for config in apps.get_app_configs() if config.models_module][-1]
    if sender is not last or using != DEFAULT_DB_ALIAS:
        return
    connection = connections[using]
    triggers.install(connection)
    identity.forget()
    if "trail_log" in connection.introspection.table_names():
        identity.establish()
