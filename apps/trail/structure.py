"""What an owner of the database can put between the portal and its tables: found by comparing with the models.

Foreign triggers and rules, row level security, switched-off constraints, a table replaced by a view or inherited
from, a uniqueness that is gone. (triggers.py compares the portal's own triggers.)
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.apps import apps
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.trail import triggers
from apps.trail.history import column_of

# (detector, table, field, what is wrong)
Fault = tuple[str, str, str, str]


def tables() -> dict[str, type[models.Model]]:
    """Every table of the model registry."""
    return {
        model._meta.db_table: model
        for model in apps.get_models(include_auto_created=True)
        if model._meta.managed and not model._meta.proxy
    }


def faults(connection: BaseDatabaseWrapper) -> Iterator[Fault]:
    """Everything that stands between the portal and its tables, or is missing there."""
    ours = tables()
    own = {(trigger.table, trigger.name) for trigger in triggers.expected(connection)}
    with connection.cursor() as cursor:
        look = _postgres if connection.vendor == "postgresql" else _sqlite
        yield from look(cursor, ours, own)
        unique = _unique_postgres(cursor) if connection.vendor == "postgresql" else _unique_sqlite(cursor)
    for table, model in ours.items():
        if table in unique:
            yield from _missing_unique(connection, table, model, unique[table])


def _sqlite(cursor: Any, ours: dict, own: set) -> Iterator[Fault]:
    cursor.execute("SELECT type, name, tbl_name FROM sqlite_master")
    there = list(cursor.fetchall())
    kinds = {name: kind for kind, name, _ in there if kind in ("table", "view")}
    for table in ours:
        if kinds.get(table) != "table":
            yield "table", table, "", "is a view, not a table" if table in kinds else "is missing"
    for kind, name, table in there:
        if kind == "trigger" and (table, name) not in own:
            yield "triggers", table, "", f"trigger {name}: not one of the portal's"


def _postgres(cursor: Any, ours: dict, own: set) -> Iterator[Fault]:
    cursor.execute(
        "SELECT c.relname, c.relkind::text, c.relrowsecurity OR c.relforcerowsecurity "
        "FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace "
        "WHERE n.nspname = current_schema() AND c.relname = ANY(%s)",
        [list(ours)],
    )
    there = {name: (kind, secured) for name, kind, secured in cursor.fetchall()}
    for table in ours:
        kind, secured = there.get(table, ("", False))
        if kind != "r":
            yield "table", table, "", "is missing" if not kind else f"is not a plain table (kind {kind})"
        if secured:
            yield "table", table, "", "row level security hides or refuses rows"
    ask = "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema()"
    cursor.execute(
        "SELECT c.relname, t.tgname, t.tgisinternal, t.tgenabled::text FROM pg_trigger t "
        f"JOIN pg_class c ON c.oid = t.tgrelid {ask}"
    )
    for table, name, internal, enabled in cursor.fetchall():
        if table in ours and not internal and (table, name) not in own:
            yield "triggers", table, "", f"trigger {name}: not one of the portal's"
        elif table in ours and internal and enabled not in ("O", "A"):
            yield "triggers", table, "", f"the trigger of a foreign key ({name}) is switched off"
    cursor.execute(
        f"SELECT c.relname, w.rulename FROM pg_rewrite w JOIN pg_class c ON c.oid = w.ev_class {ask} "
        "AND w.rulename <> '_RETURN'"
    )
    for table, name in cursor.fetchall():
        if table in ours:
            yield "table", table, "", f"rule {name} rewrites what is asked of the table"
    cursor.execute(
        f"SELECT c.relname, p.polname FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid {ask}"
    )
    for table, name in cursor.fetchall():
        if table in ours:
            yield "table", table, "", f"policy {name} stands on the table"
    cursor.execute(
        "SELECT c.relname, k.relname FROM pg_inherits i JOIN pg_class k ON k.oid = i.inhrelid "
        f"JOIN pg_class c ON c.oid = i.inhparent {ask}"
    )
    for table, child in cursor.fetchall():
        if table in ours:
            yield "table", table, "", f"the rows of the table {child} show up in it"


# ---------------------------------------------------------------- uniqueness

# What is unique in a table: sets of columns, and the names of indexes over expressions or parts.
Unique = tuple[set[frozenset[str]], set[str]]


def _unique_postgres(cursor: Any) -> dict[str, Unique]:
    cursor.execute(
        "SELECT c.relname, x.relname, array_agg(a.attname::text), i.indpred IS NOT NULL OR i.indexprs IS NOT NULL "
        "FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid "
        "JOIN pg_namespace n ON n.oid = c.relnamespace "
        "LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY(i.indkey) "
        "WHERE n.nspname = current_schema() AND i.indisunique AND i.indisvalid "
        "GROUP BY c.relname, x.relname, i.indpred IS NOT NULL OR i.indexprs IS NOT NULL"
    )
    return _gathered(cursor.fetchall())


def _unique_sqlite(cursor: Any) -> dict[str, Unique]:
    cursor.execute(
        "SELECT m.name, l.name, group_concat(i.name), l.partial OR sum(i.name IS NULL) > 0 FROM sqlite_master m "
        "JOIN pragma_index_list(m.name) l JOIN pragma_index_info(l.name) i "
        "WHERE m.type = 'table' AND l.\"unique\" GROUP BY m.name, l.name"
    )
    rows = [
        (table, name, (columns or "").split(","), part) for table, name, columns, part in cursor.fetchall()
    ]
    cursor.execute(  # an integer key is the row itself and has no index
        "SELECT m.name, '', t.name FROM sqlite_master m JOIN pragma_table_info(m.name) t "
        "WHERE m.type = 'table' AND t.pk = 1"
    )
    return _gathered([*rows, *((table, name, [column], False) for table, name, column in cursor.fetchall())])


def _gathered(rows: Any) -> dict[str, Unique]:
    found: dict[str, Unique] = {}
    for table, name, columns, part in rows:
        sets, names = found.setdefault(table, (set(), set()))
        names.add(name)
        if not part:
            sets.add(frozenset(columns))
    return found


def _missing_unique(
    connection: BaseDatabaseWrapper, table: str, model: type[models.Model], unique: Unique
) -> Iterator[Fault]:
    sets, names = unique
    wanted: list[list[Any]] = [[field] for field in model._meta.local_concrete_fields if field.unique]
    named: Any = model._meta.unique_together
    together: list[list[Any]] = [[model._meta.get_field(name) for name in each] for each in named]
    for constraint in model._meta.constraints:
        if not isinstance(constraint, models.UniqueConstraint):
            continue
        if constraint.condition is None and not constraint.contains_expressions:
            together.append([model._meta.get_field(name) for name in constraint.fields])
        elif constraint.name not in names and connection.features.supports_partial_indexes:
            yield "table", table, "", f"the unique index {constraint.name} is gone"
    for fields in [*wanted, *together]:
        columns = frozenset(column_of(field) for field in fields)
        if columns not in sets:
            yield "table", table, ", ".join(sorted(columns)), "is unique no longer: the index is gone"
