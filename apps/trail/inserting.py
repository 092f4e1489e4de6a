"""INSERT of one new row by a statement that is made once for each model: every act writes such rows.

What Django's `save` does besides (signals, a savepoint, compiling the statement anew) costs more than the row itself.
"""

from __future__ import annotations

from django.db import DEFAULT_DB_ALIAS, connection, models

Made = tuple[str, tuple[models.Field, ...]]
# model -> the fields it had and what was made of them; a column that comes later makes the statement anew.
_made: dict[type[models.Model], tuple[object, Made | None]] = {}


def _statement(model: type[models.Model]) -> Made | None:
    """The statement and its fields; None where a field asks for a placeholder of its own."""
    known = _made.get(model)
    if known is None or known[0] is not model._meta.concrete_fields:
        known = _made[model] = model._meta.concrete_fields, _make(model)
    return known[1]


def _make(model: type[models.Model]) -> Made | None:
    meta = model._meta
    fields = tuple(field for field in meta.concrete_fields if field is not meta.pk)
    if any(hasattr(field, "get_placeholder") for field in fields):
        return None
    quote = connection.ops.quote_name
    names = ", ".join(quote(str(field.column)) for field in fields)
    marks = ", ".join(["%s"] * len(fields))
    key = quote(str(meta.pk.column))
    return f"INSERT INTO {quote(meta.db_table)} ({names}) VALUES ({marks}) RETURNING {key}", fields


def insert(row: models.Model) -> None:
    """Write `row`, whose key the database draws, in the transaction under way. No signal is sent."""
    made = _statement(type(row))
    if made is None:
        row.save(force_insert=True)
        return
    sql, fields = made
    values = [field.get_db_prep_save(getattr(row, field.attname), connection) for field in fields]
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row.pk = cursor.fetchone()[0]
    row._state.adding = False
    row._state.db = DEFAULT_DB_ALIAS
