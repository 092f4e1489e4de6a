"""The migrations lead to the tables that the models say; a new database, as the tests' own, is made from the models."""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.base.introspection import TableInfo
from django.db.migrations.executor import MigrationExecutor

from apps.trail import triggers
from tests.worker import database_url

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).resolve().parents[2]
OURS = {
    model._meta.db_table
    for model in apps.get_models(include_auto_created=True)
    if model._meta.app_config.name.startswith("apps.")
}


# Installations are kept in PostgreSQL, where each change of the code goes step by step; a demo's file is made at once.
STEPS = pytest.param(
    "each step", marks=[pytest.mark.soak] if connection.vendor == "sqlite" else [pytest.mark.long]
)


@pytest.fixture(params=[STEPS, "at once"])
def migrated(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[BaseDatabaseWrapper]:
    """A connection to a database of this test's own, made by `manage.py migrate`."""
    steps = ["--each-step"] if request.param == "each step" else []
    settings = copy.deepcopy(connection.settings_dict)
    if connection.vendor == "sqlite":
        settings["NAME"] = str(tmp_path / "migrated.sqlite3")
    else:
        settings["NAME"] += "_migrated"
        with (
            connection._nodb_cursor() as cursor
        ):  # outside the test's transaction, as CREATE DATABASE has to be
            cursor.execute(f'DROP DATABASE IF EXISTS "{settings["NAME"]}"')
            cursor.execute(f'CREATE DATABASE "{settings["NAME"]}"')
    given = {"COUNTERSIGN_TEST_DATA": str(tmp_path / "data"), "DATABASE_URL": database_url(settings)}
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "--verbosity", "0", *steps],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "portal.settings.test"} | given,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    other = type(connections[DEFAULT_DB_ALIAS])(settings, alias="migrated")
    connections["migrated"] = other  # introspection on SQLite asks for it by its name
    yield other
    other.close()
    del connections["migrated"]
    if connection.vendor == "postgresql":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f'DROP DATABASE "{settings["NAME"]}"')


def schema(database: BaseDatabaseWrapper) -> dict[str, Any]:
    """Table -> its columns and constraints, without the names that each database draws for itself."""
    tables = {}
    with database.cursor() as cursor:
        found: list[TableInfo] = database.introspection.get_table_list(cursor)
        for table in sorted({each.name for each in found} & OURS):
            columns = {
                each.name: (each.type_code, each.internal_size, each.precision, each.scale, each.null_ok)
                for each in database.introspection.get_table_description(cursor, table)
            }
            constraints = sorted(
                repr(
                    [
                        each.get(key)
                        for key in ("columns", "primary_key", "unique", "foreign_key", "check", "index")
                    ]
                )
                for each in database.introspection.get_constraints(cursor, table).values()
            )
            tables[table] = (columns, constraints)
    return tables


@pytest.mark.long
def test_the_migrations_make_the_tables_of_the_models(migrated):
    made, wanted = schema(migrated), schema(connection)
    assert set(made) == set(wanted) == OURS
    assert {name: made[name] for name in made if made[name] != wanted[name]} == {}
    executor = MigrationExecutor(migrated)
    assert executor.migration_plan(executor.loader.graph.leaf_nodes()) == []
    with migrated.cursor() as cursor:
        for table in ("auth_permission", "django_content_type", "trail_log"):
            cursor.execute(f"SELECT count(*) FROM {table}")
            assert cursor.fetchone()[0], f"{table} is filled by either way"
    assert triggers.faults(migrated) == []
