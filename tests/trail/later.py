"""A release that came later: a column more on a record that keeps history, brought by a real migration."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.apps import apps
from django.core.management.sql import emit_post_migrate_signal, emit_pre_migrate_signal
from django.db import connection, migrations, models
from django.db.migrations.state import ProjectState

from apps.accounts.models import User
from apps.trail import history, rowmac

PAST = User.history.model


def _fields() -> tuple[models.Field, models.Field]:
    return tuple(models.CharField(max_length=20, default="none yet") for _ in range(2))  # type: ignore[return-value]


def _migrate(operations: list[Any], *, back: bool = False) -> None:
    """What the command `migrate` does: the signals around it, one migration in its own transaction."""
    step = type("Migration", (migrations.Migration,), {"operations": operations})("9999_later", "accounts")
    plan = [(step, back)]
    emit_pre_migrate_signal(verbosity=0, interactive=False, db="default", plan=plan)
    before = ProjectState.from_apps(apps)
    with connection.schema_editor(atomic=True) as editor:
        (step.unapply if back else step.apply)(before, editor)


def _known(model: type[models.Model], field: models.Field | None) -> None:
    """The class as the later release has it (with the field), or as this one has."""
    if field is not None:
        field.contribute_to_class(model, "badge")
    else:
        model._meta.local_fields[:] = [each for each in model._meta.local_fields if each.name != "badge"]
        del model.badge  # type: ignore[attr-defined]
    model._meta._expire_cache()
    history.covered.cache_clear()
    rowmac.columns_now.cache_clear()


@contextmanager
def a_column_more() -> Iterator[None]:
    """People have a `badge`: the tables, the classes and the triggers know it; all as before afterwards."""
    add = [migrations.AddField(name, "badge", _fields()[0]) for name in ("user", "historicaluser")]
    _migrate(add)
    tracked = PAST.tracked_fields
    try:
        for model, field in zip((User, PAST), _fields(), strict=True):
            _known(model, field)
        PAST.tracked_fields = (*tracked, User._meta.get_field("badge"))
        User.history.model.tracked_fields = PAST.tracked_fields
        emit_post_migrate_signal(verbosity=0, interactive=False, db="default", plan=[(None, False)])
        yield
    finally:
        PAST.tracked_fields = tracked
        remove = [migrations.RemoveField(name, "badge") for name in ("user", "historicaluser")]
        _migrate(remove)
        for model in (User, PAST):
            _known(model, None)
        emit_post_migrate_signal(verbosity=0, interactive=False, db="default")
