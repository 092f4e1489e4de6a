"""What stands in a test database when it is made, the world with its log, put back after every test that commits.

Django empties the tables after a transactional test; building the world again for each of the next tests took a third
of the suite's time. Rows come back with their ids, so what a process remembers by id stays true.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.core.management.color import no_style
from django.db import connection, transaction

from apps.trail import identity, triggers
from apps.trail.others import PLACES
from apps.trail.testing import without_triggers

_SCHEMA = "kept_world"
_DATA = Path(settings.COUNTERSIGN_DATA)  # a test may have set another folder when its rows are put back
_KEPT = _DATA / _SCHEMA


def _names() -> list[str]:
    tables = connection.introspection.django_table_names(only_existing=True, include_views=False)
    return [connection.ops.quote_name(table) for table in tables]


def keep() -> None:
    """Remember the rows, keys and witness copies as they are now."""
    _KEPT.mkdir(parents=True)
    for place in PLACES:
        if (_DATA / place).is_dir():
            shutil.copytree(_DATA / place, _KEPT / place)
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with sqlite3.connect(_KEPT / "rows.sqlite3") as kept:
            connection.connection.backup(kept)
        kept.close()
        return
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(f"CREATE SCHEMA {_SCHEMA}")
        for name in _names():
            cursor.execute(f"CREATE TABLE {_SCHEMA}.{name} AS TABLE public.{name}")


def restore() -> None:
    """Put back what `keep` remembered, and nothing else."""
    if connection.vendor == "sqlite":
        connection.ensure_connection()
        with sqlite3.connect(_KEPT / "rows.sqlite3") as kept:
            kept.backup(connection.connection)
        kept.close()
    else:
        models = apps.get_models(include_auto_created=True)
        back = [f"INSERT INTO public.{name} SELECT * FROM {_SCHEMA}.{name}" for name in _names()]
        back += [sql.rstrip(";") for sql in connection.ops.sequence_reset_sql(no_style(), models)]
        with transaction.atomic(), without_triggers():
            empty(back)
    for place in PLACES:
        there = _DATA / place
        shutil.rmtree(there, ignore_errors=True)
        if (_KEPT / place).is_dir():
            shutil.copytree(_KEPT / place, there)
    identity.forget()


def empty(afterwards: Sequence[str] = ()) -> None:
    """No row in any table, then these statements. Needs the triggers off."""
    # DELETE: TRUNCATE makes a new file for each table and index.
    statements = [*(f"DELETE FROM {name}" for name in _names()), *afterwards]
    if connection.vendor == "postgresql":
        # Triggers cannot be made while checks of foreign keys wait.
        statements += ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED"]
    with transaction.atomic(), connection.cursor() as cursor:
        triggers.carry_out(cursor, connection.vendor, statements)
