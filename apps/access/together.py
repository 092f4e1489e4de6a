"""Several duties judged as one: what each would conflict with, the others among them, and what it would be refused."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from apps.access import duties
from apps.access.assigning import Place, foreseen
from apps.access.duties import Duty
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.access.staffing import Extra, Ground, only_by
from apps.accounts.models import User
from apps.core.subjects import Subject


@dataclass(frozen=True)
class Row:
    """One duty that somebody is taken to get. number: as it is told, from 1."""

    number: int
    person: User
    duty: Duty
    parent: Subject

    @property
    def place(self) -> Place:
        return (self.parent.subject_kind, self.parent.pk)

    @property
    def word(self) -> str:
        return duties.WORDS[self.duty]

    @property
    def key(self) -> tuple[int, str, Place]:
        return (self.person.pk, str(self.duty), self.place)


@dataclass(frozen=True)
class RefusedAct:
    """An act that the duty allows and a rule would refuse, for what was recorded."""

    act: str
    rule: str
    text: str
    told: str


@dataclass(frozen=True)
class Judged:
    row: Row
    because: str = ""  # the first thing that stands against it
    rule: str = ""  # the rule it would break; empty for what is no rule of separation
    others: tuple[int, ...] = ()  # rows that it conflicts with
    warnings: tuple[str, ...] = ()
    refused: tuple[RefusedAct, ...] = field(default=())


def judge_rows(rows: Sequence[Row]) -> list[Judged]:
    """Each row as if the others were given as well. What the places have in common is read once for each place."""
    extras = {row.number: Extra(row.person.pk, row.duty, row.place, f"row {row.number}") for row in rows}
    grounds: dict[Place, Ground] = {}
    found = []
    for row in rows:
        same = next((r for r in rows if r.key == row.key and r.number < row.number), None)
        if same is not None:
            told = f"row {same.number} asks for the same duty for the same person"
            found.append(Judged(row, told, others=(same.number,)))
            continue
        if row.place not in grounds:
            grounds[row.place] = Ground(row.parent, tuple(extras.values()))
        found.append(_judged(grounds[row.place], row, rows, extras))
    return found


def _judged(ground: Ground, row: Row, rows: Sequence[Row], extras: dict[int, Extra]) -> Judged:
    candidate = ground.candidate(row.person, row.duty, besides=extras[row.number])
    others = tuple(other.number for other in rows if candidate.because.startswith(f"row {other.number} asks"))
    return Judged(row, candidate.because, candidate.rule, others, candidate.warnings, _refused(ground, row))


def _refused(ground: Ground, row: Row) -> tuple[RefusedAct, ...]:
    if ground.judge is None:
        return ()
    mine = ground.deeds.get(str(row.person.uuid), [])
    found = []
    for broken in foreseen(ground.judge, row.person, row.duty, mine):
        opposite = broken.rule.other(frozenset({broken.deed.verb}))
        for act in TABLE.values():
            if row.duty in act.duties and act.verbs & opposite and act.label:
                found.append(RefusedAct(act.label, broken.rule.id, broken.rule.text, broken.deed.told))
    return tuple(dict.fromkeys(found))


def stuck_after(parent: Subject, judged: Iterable[Judged]) -> list[tuple[str, tuple[str, ...]]]:
    """(duty, acts that nobody could do) of a place with the rows that nothing stands against."""
    place = (parent.subject_kind, parent.pk)
    held = set(Assignment.objects.active().on(*place).values_list("duty", flat=True))
    held |= {str(each.row.duty) for each in judged if not each.because and each.row.place == place}
    known = duties.MODEL_DUTIES if place[0] == duties.MODEL else duties.DATASET_DUTIES
    found = []
    for duty in Duty:
        if duty in known and duty not in held and (acts := only_by(duty, place[0])):
            found.append((duties.WORDS[duty], acts))
    return found
