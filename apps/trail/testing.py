"""For tests only: the append-only triggers stand in the way of emptying tables between tests.

`pytest_plugins = ["apps.trail.testing"]`, or import `trail_allows_flush` in a conftest. Never imported by the portal.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.test import TransactionTestCase

from apps.trail import identity, others, triggers
from apps.trail.models import Log


@contextmanager
def without_triggers() -> Iterator[None]:
    """Act as the owner of the database who has taken the triggers off; they are put back at the end."""
    connection = connections[DEFAULT_DB_ALIAS]
    triggers.drop(connection)
    try:
        yield
    finally:
        triggers.install(connection)


def _restart_entry_ids() -> None:
    """Emptied tables keep counting on SQLite; a new log whose ids do not begin at 1 would look cut."""
    connection = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute("UPDATE sqlite_sequence SET seq = 0 WHERE name = 'trail_entry'")


def _remove_folders(origin: str) -> None:
    """The emptied log goes with its keys and its witness copy: what stayed would be another log's, a finding."""
    for place in others.PLACES:
        shutil.rmtree(Path(settings.COUNTERSIGN_DATA) / place / origin, ignore_errors=True)


@pytest.fixture(scope="session", autouse=True)
def trail_allows_flush() -> Iterator[None]:
    """Transactional tests empty the tables at their end: without triggers, and with a new log afterwards."""
    flush = TransactionTestCase._fixture_teardown  # type: ignore[attr-defined]

    def teardown(self: Any) -> None:
        former = list(Log.objects.values_list("origin", flat=True))
        with without_triggers():
            flush(self)
            _restart_entry_ids()
        for origin in former:
            _remove_folders(origin)
        identity.forget()
        identity.establish()

    patch = pytest.MonkeyPatch()
    patch.setattr(TransactionTestCase, "_fixture_teardown", teardown)
    yield
    patch.undo()
