"""Every column that came to a history table later is one that `apps.trail.added` can judge in the rows of before it.

An old row's MAC does not know such a column. It counts as honest only where it holds what its migration put, so each
migration has to add it in a way that can be told again, and what is told has to be what a database really gets.
"""

from __future__ import annotations

import pytest
from django.apps.registry import Apps
from django.db import models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import (
    AddField,
    AlterField,
    DeleteModel,
    RemoveField,
    RenameField,
    RenameModel,
    RunSQL,
    SeparateDatabaseAndState,
)
from django.db.utils import ConnectionHandler

from apps.trail import added
from apps.trail.history import is_history
from apps.trail.watched import history_models

# Whole tables that were taken away, each with the reason why no row of it was lost to anybody.
TAKEN_AWAY = {
    (
        "access",
        "0004_rule_changes_come_later",
    ): "made anew, before there was an installation that kept anything",
}


def migrations():
    """(app, name of the migration, operation) of every migration of ours, in order."""
    ours = {model._meta.app_label for model in history_models()}
    for (app, name), migration in sorted(MigrationLoader(None).disk_migrations.items()):
        if app in ours:
            for operation in migration.operations:
                yield app, name, operation


def histories() -> dict[tuple[str, str], type[models.Model]]:
    return {(model._meta.app_label, str(model._meta.model_name)): model for model in history_models()}


def later() -> list[tuple[str, str, str]]:
    """(app, model, field) of each column of today that was added to a history table after it was made."""
    found = []
    for app, _, operation in migrations():
        if isinstance(operation, AddField) and (app, operation.model_name_lower) in histories():
            fields = histories()[app, operation.model_name_lower]._meta.concrete_fields
            if operation.name_lower in {field.name.lower() for field in fields}:
                found.append((app, operation.model_name_lower, operation.name_lower))
    return found


def test_no_migration_takes_a_column_of_a_history_table_away_or_hides_what_it_does():
    there = histories()
    wrong = []
    for app, name, operation in migrations():
        hidden = isinstance(operation, RunSQL | SeparateDatabaseAndState)
        of_model = getattr(operation, "model_name_lower", getattr(operation, "name_lower", ""))
        if isinstance(operation, RenameModel):
            of_model = operation.old_name_lower
        ends = isinstance(operation, RemoveField | RenameField | DeleteModel | RenameModel)
        if (app, name) in TAKEN_AWAY and isinstance(operation, DeleteModel):
            continue
        if hidden or (ends and ((app, of_model) in there or of_model.startswith("historical"))):
            wrong.append((app, name, operation.describe()))
    assert wrong == []


def test_every_later_column_is_told():
    assert len(later()) > 5
    untold = []
    for app, name, field_name in later():
        model = histories()[app, name]
        assert is_history(model)
        field = next(each for each in model._meta.concrete_fields if each.name.lower() == field_name)
        if added.put(model, field) is added.UNTOLD:
            untold.append((app, name, field_name))
    assert untold == [], (
        "give its migration a default that is the same at each look, not a time or a random number"
    )


@pytest.mark.django_db
@pytest.mark.parametrize("place", later(), ids=".".join)
def test_what_is_told_is_what_the_database_got(place):
    """The column's own operations, carried out on a table with one row of before."""
    model = histories()[place[:2]]
    today = next(each for each in model._meta.concrete_fields if each.name.lower() == place[2])
    told = added.put(model, today)
    if isinstance(today, models.ForeignKey):
        assert told is None, "who was nobody's before stays so"
        return
    own = ConnectionHandler({"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}})[
        "default"
    ]
    try:
        record = type("Before", (models.Model,), {"__module__": __name__, "Meta": meta_of(Apps())})
        with own.schema_editor() as editor:
            editor.create_model(record)
        with own.cursor() as cursor:
            cursor.execute("INSERT INTO before (id) VALUES (1)")
        last: models.Field | None = None
        for operation in added._operations()[place]:
            field = operation.field.clone()
            field.set_attributes_from_name(today.name)
            field.model = record
            with own.schema_editor() as editor:
                if isinstance(operation, AddField):
                    editor.add_field(record, field)
                    record._meta.add_field(field)
                elif isinstance(operation, AlterField):
                    assert last is not None
                    editor.alter_field(record, last, field)
            last = field
        with own.cursor() as cursor:
            cursor.execute(f'SELECT "{today.column}" FROM before')
            (held,) = cursor.fetchone()
        assert held == today.get_db_prep_save(told, own)
    finally:
        own.close()


def meta_of(registry: Apps) -> type:
    return type("Meta", (), {"app_label": "before", "db_table": "before", "apps": registry})
