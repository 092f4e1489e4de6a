"""Whichever permission is taken out of the policy table, a cell of the matrix falls (`permissions.py`).

A new permission: run this file with `-m soak`, READ the lines that the failure prints, and paste them:
`python tests/house/matrix_paste.py < failure.txt`. `ONLY=pattern` looks for its cell at the URLs whose names it matches
alone: looking at all of them takes minutes.
"""

from __future__ import annotations

import logging
import os
import re
import zlib
from collections.abc import Iterator

import pytest
from django.db import connection

from tests.house.matrix_door import Door, cookie_of, little_collecting, with_session
from tests.house.permission_things import Place, Places, more_places
from tests.house.permissions import Ask, Cell, Permission, answers, cell_of, key_of, permissions, search
from tests.house.test_access_matrix import things  # noqa: F401  (the same records)
from tests.house.verdicts import Table, read

pytestmark = pytest.mark.evidence("matrix")

FILE = "permissions.txt"
# Permissions without a cell (a pattern of their names), each with the reason.
SURVIVORS = {
    r"^datasets.read_profile by ": "sensitive data are shut without a grant, 403 either way; verdicts.txt has it",
}
KILLED_AT_LEAST = 0.95
# Each database takes a third of them away, always the same one; `make soak` takes all.
PART = {"sqlite": 0, "postgresql": 1}
PARTS = 3


@pytest.fixture
def places(world, things) -> Places:  # noqa: F811
    known: Places = {(name, thing): Place(address) for name, thing, address in things.addresses()}
    return known | more_places(world)


@pytest.fixture
def ask(world, places) -> Iterator[Ask]:
    door = Door(shared=True)
    cookies: dict[str, dict[str, str]] = {}

    def status(cell: Cell) -> int:
        if cell.person not in cookies:
            cookies[cell.person] = with_session(cookie_of(world.people[cell.person]))
        place = places[cell.name, cell.thing]
        return door.status(cookies[cell.person], cell.method, place.address, place.form)

    logging.disable(logging.WARNING)  # each refusal would be a line
    try:
        with little_collecting():
            yield status
    finally:
        logging.disable(logging.NOTSET)


def survives(permission: Permission) -> bool:
    return any(re.search(pattern, key_of(permission)) for pattern in SURVIVORS)


@pytest.mark.evidence(None)
def test_every_permission_has_its_cell():
    lines, wanted = read(FILE), {key_of(each) for each in permissions()}
    without = sorted(key_of(each) for each in permissions() if survives(each))
    assert set(lines) == wanted - set(without)
    print(f"{len(lines)} of {len(wanted)} permissions have a cell; those that have none: {without}")
    assert len(lines) >= KILLED_AT_LEAST * len(wanted)


@pytest.mark.long
@pytest.mark.django_db
def test_a_permission_taken_away_is_noticed(ask):
    here = [
        each for each in permissions() if zlib.crc32(key_of(each).encode()) % PARTS == PART[connection.vendor]
    ]
    compare([each for each in here if not survives(each)], ask)


@pytest.mark.soak
@pytest.mark.django_db
def test_whichever_permission_is_taken_away_is_noticed(ask, world, places):
    lines = read(FILE)
    missing = [each for each in permissions() if key_of(each) not in lines and not survives(each)]
    only = re.compile(os.environ.get("ONLY", ""))
    found = search(missing, world.people, [each for each in places if only.search(each[0])], ask)
    told = [
        f"{key} -> {found[key]}" if key in found else f"no cell falls without {key}"
        for key in map(key_of, missing)
    ]
    assert not told, f"{FILE}, as it is now:\n" + "\n".join(told)
    compare([each for each in permissions() if not survives(each)], ask)


def compare(wanted: list[Permission], ask: Ask) -> None:
    said: Table = read(FILE)
    now = {key_of(each): answers(each, cell_of(said[key_of(each)]), ask) for each in wanted}
    different = [f"{key} -> {line}" for key, line in now.items() if said[key] != line]
    assert not different, f"{FILE}, as it is now:\n" + "\n".join(different)
    alive = [key for key, line in now.items() if line.split()[-3].rstrip(",") == line.split()[-1]]
    assert not alive, f"nothing falls without {alive}"
