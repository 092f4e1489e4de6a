"""Each permission of the policy table (an act by a duty), and the cell that falls when it is taken away.

`permissions.txt` names for each a person with that duty, a URL and a method, and what is answered with the permission
and without it. A permission is taken out of its row in place: acts, pages and jobs keep a reference to their row.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from apps.access.judging import Judge
from apps.access.models import Assignment
from apps.access.policy import TABLE
from tests.house.verdicts import Table

Permission = tuple[str, str]  # act, duty
LINE = re.compile(r"(\S+) (GET|POST) (\S+) (\S+): (\d{3}), without (\d{3})")


@dataclass(frozen=True)
class Cell:
    person: str
    method: str
    name: str
    thing: str


Ask = Callable[[Cell], int]


def permissions() -> list[Permission]:
    return [(row.act, str(duty)) for row in TABLE.values() for duty in sorted(row.duties)]


def key_of(permission: Permission) -> str:
    return "{} by {}".format(*permission)


def told(cell: Cell, given: int, without: int) -> str:
    return f"{cell.person} {cell.method} {cell.name} {cell.thing}: {given}, without {without}"


def cell_of(line: str) -> Cell:
    found = LINE.fullmatch(line)
    assert found, f"permissions.txt: {line}"
    return Cell(*found.groups()[:4])


@contextmanager
def taken(permission: Permission) -> Iterator[None]:
    """The policy table without this permission."""
    act, duty = permission
    row = TABLE[act]
    before = row.duties
    object.__setattr__(row, "duties", before - {duty})
    try:
        yield
    finally:
        object.__setattr__(row, "duties", before)


def answers(permission: Permission, cell: Cell, ask: Ask) -> str:
    """What this cell answers with the permission and without it, as a line tells it."""
    given = ask(cell)
    with taken(permission):
        return told(cell, given, ask(cell))


# --- looking for the cell of a permission that has none


def holders(people: dict[str, Any]) -> dict[str, list[str]]:
    """Duty -> usernames of those who hold it; first who is called so, last who holds others as well."""
    held: dict[str, set[str]] = defaultdict(set)
    by_pk = {user.pk: name for name, user in people.items()}
    for person, duty in Assignment.objects.active().values_list("person_id", "duty"):
        if person in by_pk:
            held[by_pk[person]].add(duty)
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(held, key=lambda name: (len(held[name]), name)):
        for duty in held[name]:
            found[duty].append(name)
    return found


def _reached(ask: Ask, cells: Iterable[Cell]) -> dict[tuple[str, str], list[Cell]]:
    """(act, person) -> the cells in which the gate was asked about this act of theirs."""
    reached: dict[tuple[str, str], list[Cell]] = defaultdict(list)
    heard: set[str] = set()
    whole = Judge.verdict

    def verdict(self: Judge, actor: Any, row: Any) -> Any:
        heard.add(row.act)
        return whole(self, actor, row)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Judge, "verdict", verdict)
        for cell in cells:
            heard.clear()
            ask(cell)
            for act in heard:
                reached[act, cell.person].append(cell)
    return reached


def search(missing: list[Permission], people: dict[str, Any], addresses: Iterable[Any], ask: Ask) -> Table:
    """For each of these permissions the first cell that falls without it; posts first. It takes minutes for all."""
    by_duty, places, found = holders(people), list(addresses), {}
    if not missing:
        return found
    for method in ("POST", "GET"):
        left = [each for each in missing if key_of(each) not in found]
        names = dict.fromkeys(name for _, duty in left for name in by_duty[duty])
        reached = _reached(ask, (Cell(n, method, *place) for n in names for place in places))
        for permission in left:
            act, duty = permission
            for cell in [cell for name in by_duty[duty] for cell in reached[act, name]]:
                line = answers(permission, cell, ask)
                given, without = LINE.fullmatch(line).groups()[4:]  # type: ignore[union-attr]
                if given != without:
                    found[key_of(permission)] = line
                    break
    return found
