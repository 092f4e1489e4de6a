"""`@pytest.mark.evidence("locked")`: tests that begin with the same evidence build it once, not each.

The evidence is built by real acts in a transaction around the tests that ask for it. Each stage goes on from the one
before it and is a savepoint inside that one's: tests of a later stage go on from what is there, and those of an earlier
one go back to its savepoint. Each test works in a savepoint of its own, and everything is rolled back when a test
without a mark comes. Tests of one stage run one after the other for this, and the stages in their order.
`validated_world(world, until=…)` begins at what is there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

_MARK = "evidence"
_BEFORE = {  # stage -> the one it goes on from: tests.factories.evidence.STAGES and OPENED, without its imports
    "frozen": None,
    "drafted": "frozen",
    "locked": "drafted",
    "run": "locked",
    "reported": "run",
    "gate": "reported",
    "high_gate": "reported",
    "matrix": "reported",  # one record of every kind: tests.house.matrix_parameters
}
_MATRIX = "matrix"
_ORDER = tuple(_BEFORE)


def _road(stage: str | None) -> list[str]:
    """The stages up to this one, the first of them first."""
    road: list[str] = []
    while stage is not None:
        road.insert(0, stage)
        stage = _BEFORE[stage]
    return road


class Base:
    """What stands in the database around the present test."""

    def __init__(self) -> None:
        self._standing: list[tuple[str, Any, Any]] = []  # stage, its transaction or savepoint, what was made

    @property
    def stage(self) -> str | None:
        return self._standing[-1][0] if self._standing else None

    @property
    def made(self) -> Any:
        return self._standing[-1][2] if self._standing else None

    def enter(self, stage: str | None) -> None:
        road = _road(stage)
        standing = [each for each, _, _ in self._standing]
        common = 0
        while common < min(len(road), len(standing)) and road[common] == standing[common]:
            common += 1
        self.leave(common)
        try:
            for each in road[common:]:
                self._go_on(each)
        except BaseException:
            self.leave()
            raise

    def _go_on(self, stage: str) -> None:
        from django.db import connection, transaction

        atomic = transaction.atomic()
        atomic._from_testcase = True  # as Django's TestCase marks its own: acts open durable blocks inside
        atomic.__enter__()
        if not self._standing:
            # TestCase closes the connection after each class, which would end the transaction around them.
            connection.close = lambda: None
        try:
            self._standing.append((stage, atomic, _made(stage)))
        except BaseException:
            self._roll_back(atomic)
            raise

    def leave(self, keep: int = 0) -> None:
        """Back to the first `keep` stages."""
        while len(self._standing) > keep:
            self._roll_back(self._standing.pop()[1])

    def _roll_back(self, atomic: Any) -> None:
        from django.db import connection, transaction

        transaction.set_rollback(True)
        atomic.__exit__(None, None, None)
        if not self._standing:
            del connection.close
            connection.close()


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
    if stage not in _BEFORE:
        raise pytest.UsageError(f"{item.nodeid}: no stage of evidence is called {stage!r}")
    return stage


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of all stages side by side, where the first of them stands, in the order of the stages."""
    stages = [_stage(item) for item in items]
    first = next((index for index, stage in enumerate(stages) if stage), 0)
    places = [
        (first, _ORDER.index(stage) + 1, index) if stage else (index, 0, index)
        for index, stage in enumerate(stages)
    ]
    items[:] = [items[index] for index in sorted(range(len(items)), key=places.__getitem__)]


@pytest.hookimpl(hookwrapper=True)
def pytest_fixture_setup(fixturedef: Any, request: Any) -> Iterator[None]:
    if fixturedef.argname == "_django_db_helper":
        blocker = request.getfixturevalue("django_db_blocker")
        with blocker.unblock():
            base.enter(_stage(request.node))
    yield
