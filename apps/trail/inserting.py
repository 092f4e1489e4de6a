"""INSERT of one new row by a statement that is made once for each model: every act writes such rows.

What Django's `save` does besides (signals, a savepoint, compiling the statement anew) costs more than the row itself.
Of what is left, Django's and the driver's preparing of each value costs most: text is taken as it is, and what is empty
(half of an entry) stands in the statement itself, which is kept for each pattern of empty columns.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.db import DEFAULT_DB_ALIAS, connection, models

PATTERNS = 256  # of one model; the statement of a pattern beyond these is made anew each time
# Text as it is, when the field does nothing of its own with it.
_TEXT = (models.CharField, models.TextField)


@dataclass
class Made:
    """What is known of one model: its columns, and whether a field takes text as it is."""

    table: str
    key: str
    columns: tuple[str, ...]
    fields: tuple[tuple[models.Field, str, bool], ...]  # field, attribute, text as it is
    statements: dict[int, str] = field(default_factory=dict)  # by the empty columns, two bits each

    def statement(self, marks: list[str]) -> str:
        names = ", ".join(self.columns)
        return f"INSERT INTO {self.table} ({names}) VALUES ({', '.join(marks)}) RETURNING {self.key}"


# model -> the fields it had and what was made of them; a column that comes later makes the statement anew.
_made: dict[type[models.Model], tuple[object, Made | None]] = {}


def _known(model: type[models.Model]) -> Made | None:
    """What is made of the model; None where a field asks for a placeholder of its own."""
    known = _made.get(model)
    if known is None or known[0] is not model._meta.concrete_fields:
        known = _made[model] = model._meta.concrete_fields, _make(model)
    return known[1]


def _make(model: type[models.Model]) -> Made | None:
    meta = model._meta
    fields = [each for each in meta.concrete_fields if each is not meta.pk]
    if any(hasattr(each, "get_placeholder") for each in fields):
        return None
    quote = connection.ops.quote_name
    return Made(
        quote(meta.db_table),
        quote(str(meta.pk.column)),
        tuple(quote(str(each.column)) for each in fields),
        tuple((each, each.attname, _takes_text(each)) for each in fields),
    )


def _takes_text(each: models.Field) -> bool:
    kind = type(each)
    return any(
        isinstance(each, text)
        and kind.to_python is text.to_python
        and kind.get_prep_value is text.get_prep_value
        and kind.get_db_prep_value is text.get_db_prep_value
        and kind.get_db_prep_save is text.get_db_prep_save
        for text in _TEXT
    )


def insert(row: models.Model) -> None:
    """Write `row`, whose key the database draws, in the transaction under way. No signal is sent."""
    made = _known(type(row))
    if made is None:
        row.save(force_insert=True)
        return
    values: list[Any] = []
    marks: list[str] = []  # what stands for each value in the statement
    empty, bit = 0, 1
    for each, name, text in made.fields:
        value = getattr(row, name)
        if not text or type(value) is not str:
            value = each.get_db_prep_save(value, connection)
        if value is None or (type(value) is str and not value):
            empty |= bit << (value is None)
            marks.append("NULL" if value is None else "''")
        else:
            values.append(value)
            marks.append("%s")
        bit <<= 2
    sql = made.statements.get(empty)
    if sql is None:
        sql = made.statement(marks)
        if len(made.statements) < PATTERNS:
            made.statements[empty] = sql
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row.pk = cursor.fetchone()[0]
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS
