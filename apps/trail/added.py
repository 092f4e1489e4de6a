"""What a column that came later holds in history rows written before it: what its migration put there, and no more.

Such a row's MAC and row entry do not know the column. But no act wrote it, and history is never updated, so that its
value is the one of the migration that added it (`AddField`, or `AlterField` where it ended being empty). That is read
from the migrations, which are code and not in the database. Where a migration's value cannot be told again (a time, a
random number), it is still one and the same in all rows of before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from django.db import models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField, AlterField

# Of a value that no second look at the migration gives again.
UNTOLD = object()
Operation = AddField | AlterField


@cache
def _operations() -> dict[tuple[str, str, str], list[Operation]]:
    """(app, model, field) -> its operations, in the order of the app's numbered migrations."""
    found: dict[tuple[str, str, str], list[Operation]] = {}
    migrations = MigrationLoader(None).disk_migrations
    for (app, _), migration in sorted(migrations.items()):
        for operation in migration.operations:
            if isinstance(operation, AddField | AlterField):
                place = (app, operation.model_name_lower, operation.name_lower)
                found.setdefault(place, []).append(operation)
    return found


def _default(field: models.Field) -> Any:
    """What a migration puts into the rows there are, or UNTOLD."""
    effective = BaseDatabaseSchemaEditor._effective_default  # type: ignore[attr-defined]  # not in the stubs
    first, second = effective(field), effective(field)
    return first if first == second else UNTOLD


def put(model: type[models.Model], field: models.Field) -> Any:
    """What the migrations put into this column of a history table, in Python's form; UNTOLD where they do not tell."""
    place = (model._meta.app_label, str(model._meta.model_name), field.name.lower())
    operations = _operations().get(place, [])
    if not any(isinstance(each, AddField) for each in operations):
        return _default(field)  # a release that is under way: its migration is not among the files
    value: Any = None
    for each in operations:
        if isinstance(each, AddField) or (value is None and not each.field.null):
            value = _default(each.field)
    return value


class Added:
    """Judges the columns of one history table that are missing from a set of columns."""

    def __init__(
        self, model: type[models.Model], covered: Iterable[tuple[str, str, Callable[[Any], Any]]]
    ) -> None:
        fields = {field.attname: field for field in model._meta.concrete_fields}
        self._columns = [(column, fields[name], form) for name, column, form in covered]
        self._model = model
        self._put: dict[str, Any] = {}  # column -> its stable value; UNTOLD until a first row was seen

    def faults(self, known: Iterable[str], values: list[Any]) -> Iterator[tuple[str, str]]:
        """(column, what is wrong) for a row written with the columns `known`; its values in the order of `covered`."""
        there = set(known)
        for (column, field, form), value in zip(self._columns, values, strict=True):
            if column in there:
                continue
            now = form(value)
            if column not in self._put:
                told = put(self._model, field)
                self._put[column] = told if told is UNTOLD else form(told)
            if self._put[column] is UNTOLD:
                self._put[column] = now
            elif now != self._put[column]:
                yield (
                    column,
                    f"the column came later and holds {now!r}, where its migration put {self._put[column]!r}",
                )
