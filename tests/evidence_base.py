"""`@pytest.mark.evidence("locked")`: tests that begin with the same evidence build it once, not each.

The evidence is built by real acts in a transaction around the tests that ask for it; each test then works in a
savepoint of its own, and the transaction is rolled back when a test with another mark (or none) comes. Tests of one
stage run one after the other for this. `validated_world(world, until=…)` begins at what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

_MARK = "evidence"
_STAGES = (
    "frozen",
    "drafted",
    "locked",
    "run",
    "reported",
)  # tests.factories.evidence.STAGES, without its imports
_MATRIX = "matrix"  # one record of every kind: tests.house.matrix_parameters


class Base:
    """What stands in the database around the present test."""

    def __init__(self) -> None:
        self.stage: str | None = None
        self.made: Any = None
        self._atomic: Any = None
        self._close: Any = None

    def enter(self, stage: str | None) -> None:
        if stage == self.stage:
            return
        self.leave()
        if stage is None:
            return
        from django.db import connection, transaction

        self._atomic = transaction.atomic()
        self._atomic._from_testcase = (
            True  # as Django's TestCase marks its own: acts open durable blocks inside
        )
        self._atomic.__enter__()
        # TestCase closes the connection after each class, which would end the transaction around them.
        self._close, connection.close = connection.close, lambda: None
        self.stage = stage
        try:
            self.made = _made(stage)
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        if self._atomic is None:
            return
        from django.db import connection, transaction

        del connection.close
        transaction.set_rollback(True)
        self._atomic.__exit__(None, None, None)
        connection.close()
        self.stage = self.made = self._atomic = None


def _made(stage: str) -> Any:
    from tests.cast import load_world

    if stage == _MATRIX:
        from tests.house.matrix_parameters import made

        return made(load_world())
    from tests.factories.evidence import validated_world

    return validated_world(load_world(), until=stage)


base = Base()


def _transactional(item: Any) -> bool:
    mark = item.get_closest_marker("django_db")
    return mark is not None and bool(mark.kwargs.get("transaction"))


def _stage(item: Any) -> str | None:
    mark = item.get_closest_marker(_MARK)
    if mark is None:
        return None
    if "transactional_db" in item.fixturenames or _transactional(item):
        raise pytest.UsageError(
            f"{item.nodeid}: evidence in a transaction is of no use to a transactional test"
        )
    (stage,) = mark.args
    if stage is None:  # one test of a marked module that begins with other evidence
        return None
    if stage not in (*_STAGES, _MATRIX):
        raise pytest.UsageError(f"{item.nodeid}: no stage of evidence is called {stage!r}")
    return stage


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one stage side by side, where the first of them stands."""
    first: dict[str, int] = {}
    places = []
    for index, item in enumerate(items):
        stage = _stage(item)
        places.append(first.setdefault(stage, index) if stage else index)
    order = sorted(range(len(items)), key=lambda index: (places[index], index))
    items[:] = [items[index] for index in order]


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[None]:
    if fixturedef.argname == "_django_db_helper":
        blocker = request.getfixturevalue("django_db_blocker")
        with blocker.unblock():
            base.enter(_stage(request.node))
    yield
