"""Is the person trained for what they are about to do? Kinds and matrix, the standing of each training, the gap.

A matrix binds only once the organisation has put one into force; the kinds and a proposed matrix ship with the
portal (`training_data/`). Asked by the gate; imports nothing of it.
"""

from __future__ import annotations

import calendar
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

from apps.access import duties
from apps.access.duties import Duty
from apps.access.inforce import Marks
from apps.access.models import Assignment
from apps.access.policy.types import Policy
from apps.access.sharing import gathered, grouped, once
from apps.access.training_models import TrainingMatrix, TrainingRecord
from apps.core import registries
from apps.core.clock import now

DATA = Path(__file__).resolve().parent / "training_data" / "v1.json"
SOON = timedelta(days=30)
RULE = "21 CFR 11.10(i)"
# What mends a lapse, ends access or stops harm is never stopped by a lapse of its own.
EXEMPT = frozenset(
    {
        "access.record_training",
        "access.adopt_training_matrix",
        "access.read_training_evidence",
        "access.deactivate_account",
        "access.end_assignment",
        "access.end_inspection",
        "access.end_link",
        "access.end_service",
        "access.end_trust",
        "access.refuse_assignment",
        "access.refuse_inspection",
        "access.refuse_correction",
        "access.refuse_erasure",
        "access.refuse_reset",
        "access.refuse_service",
        "access.refuse_trust",
        "access.revoke_waiver",
        "access.suspend_service",
        "access.unlock_account",
        "access.withdraw_correction",
        "access.withdraw_erasure",
        "access.withdraw_reset",
        "access.withdraw_review",
        "access.withdraw_rules",
        "approvals.end_board",
        "approvals.end_seat",
        "approvals.refuse_board_change",
        "approvals.refuse_seat",
        "approvals.suspend",
        "datasets.end_read",
        "datasets.refuse_read",
        "datasets.refuse_unmark",
        "trail.export",
    }
)


# Members of review boards decide by their seat, not by a duty: the matrix has a line for them as well.
BOARD = "board_member"
NEEDING: dict[str, str] = {
    **{duty.value: duties.WORDS[duty] for duty in Duty},
    BOARD: "member of a review board",
}


@dataclass(frozen=True)
class Held:
    """What a person holds that is no duty and needs training: a seat, on the model that is decided about."""

    person_id: int
    scope_kind: str
    scope_id: int
    duty: str = BOARD


def seats_of(person_id: int) -> list[Held]:
    """The seats in force of a person, each with the models its board is asked about."""
    return [Held(person_id, kind, pk) for kind, pk in registries.seat["of"](person_id)]


@dataclass(frozen=True)
class Kind:
    """One kind of training. months: how long it lasts at most (0: without end). own: accepted by the person."""

    id: str
    title: str
    months: int
    per_model: bool
    signing: bool  # asked of acts that sign, of no others
    own: bool
    text: str
    source: str


@dataclass(frozen=True)
class Book:
    """Kinds and matrix. version 0: the shipped proposal, which binds nobody."""

    version: int
    kinds: Mapping[str, Kind]
    duties: Mapping[str, tuple[str, ...]]
    editions: Mapping[str, str]
    policy: str

    @property
    def binding(self) -> bool:
        return self.version > 0

    def edition(self, kind: str) -> str:
        return self.editions.get(kind, "")

    def needs(self, duty: str) -> list[Kind]:
        return [self.kinds[each] for each in self.duties.get(duty, ())]


class State(StrEnum):
    CURRENT = "current"
    SOON = "soon"
    LAPSED = "lapsed"
    OUTDATED = "outdated"
    MISSING = "missing"


WORDS = {
    State.CURRENT: "Current",
    State.SOON: "Lapses soon",
    State.LAPSED: "Lapsed",
    State.OUTDATED: "Superseded edition",
    State.MISSING: "Missing",
}
GOOD = frozenset({State.CURRENT, State.SOON})
WORST_FIRST = (State.MISSING, State.LAPSED, State.OUTDATED, State.SOON, State.CURRENT)


@lru_cache(maxsize=1)
def shipped() -> Book:
    """The kinds and the proposed matrix that came with this version of the portal."""
    data = json.loads(DATA.read_text(encoding="utf-8"))
    return book_of(0, data)


def book_of(version: int, body: Mapping[str, Any]) -> Book:
    """A matrix as it was stored; version 0 is the shipped proposal."""
    kinds = json.loads(DATA.read_text(encoding="utf-8"))["kinds"] if version else body["kinds"]
    return Book(
        version=version,
        kinds={each["id"]: Kind(**each) for each in kinds},
        duties={each: tuple(body["duties"].get(each, ())) for each in NEEDING},
        editions=dict(body["editions"]),
        policy=body["policy"],
    )


def body_of(book: Book) -> dict[str, Any]:
    """What a matrix stores of a book."""
    return {
        "shipped": 1,
        "duties": {duty: list(kinds) for duty, kinds in book.duties.items()},
        "editions": dict(book.editions),
        "policy": book.policy,
    }


def book_in_force(marks: Marks | None = None) -> Book:
    """The newest matrix that was put into force; the shipped proposal, which binds nobody, where there is none.

    `marks`: what is in force, where a query has told; then nothing is asked.
    """
    if marks is None:
        return once("training matrix", _newest)
    version, digest = marks.matrix
    return _known(version, digest) if version else shipped()


def _newest() -> Book:
    row = TrainingMatrix.objects.order_by("-version").values("version", "body").first()
    return book_of(row["version"], row["body"]) if row else shipped()


@lru_cache(maxsize=8)
def _known(version: int, digest: str) -> Book:
    """Content under its own digest: what is remembered never goes stale."""
    return book_of(version, TrainingMatrix.objects.get(version=version, digest=digest).body)


def months_later(start: date, months: int) -> date:
    """The same day `months` later; the last of the month where it has no such day."""
    years, month = divmod(start.month - 1 + months, 12)
    year = start.year + years
    return date(year, month + 1, min(start.day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True)
class Standing:
    """How one needed training stands for one person: the record it rests on, if any."""

    kind: Kind
    model_id: int
    state: State
    record: TrainingRecord | None

    @property
    def good(self) -> bool:
        return self.state in GOOD

    @property
    def word(self) -> str:
        return WORDS[self.state]

    def told(self) -> str:
        """`“Data integrity” lapsed on 2026-11-01 (T-12, recorded by Lena Berg)`."""
        title = f"“{self.kind.title}”"
        if self.record is None:
            return f"{title} is not recorded" if not self.kind.own else f"{title} is not accepted yet"
        by = f"{self.record.ref}, recorded by {self.record.recorded_by.printed_name}"
        if self.state == State.LAPSED:
            return f"{title} lapsed on {self.record.expires_on} ({by})"
        if self.state == State.OUTDATED:
            return f"{title} is of edition {self.record.edition or 'none'}, which is no longer the current one ({by})"
        if self.record.expires_on is None:
            return f"{title} counts without end ({by})"
        return f"{title} counts until {self.record.expires_on} ({by})"


def standing(
    records: Iterable[TrainingRecord], kind: Kind, model_id: int, edition: str, today: date
) -> Standing:
    """Of the records that count (not corrected, not void), the one that lasts longest decides."""
    fitting = [r for r in records if r.kind == kind.id and r.model_id == model_id]
    if not fitting:
        return Standing(kind, model_id, State.MISSING, None)
    right = [r for r in fitting if not edition or r.edition == edition]
    if not right:
        return Standing(kind, model_id, State.OUTDATED, fitting[0])
    best = max(right, key=lambda r: (r.expires_on or date.max, r.completed_on, r.pk))
    if best.expires_on is None or best.expires_on > today + SOON:
        return Standing(kind, model_id, State.CURRENT, best)
    return Standing(kind, model_id, State.SOON if best.expires_on > today else State.LAPSED, best)


def records_of(people: Iterable[int]) -> dict[int, list[TrainingRecord]]:
    """Person -> the records that count, newest first; one query for however many people."""
    found = gathered("training records", list(people), _load)
    return {person: rows or [] for person, rows in found.items()}


def _load(people: list[Any]) -> Mapping[Any, Any]:
    rows = TrainingRecord.objects.filter(person_id__in=people, corrected_by=None, void=False)
    rows = rows.select_related("recorded_by").order_by("-completed_on", "-pk")
    return grouped(rows, lambda row: row.person_id)


def standings_for(
    book: Book, assignment: Assignment | Held, records: Iterable[TrainingRecord], today: date | None = None
) -> list[Standing]:
    """Every training that this duty here needs, in the matrix's order."""
    today, known = today or now().date(), list(records)
    found = []
    for kind in book.needs(assignment.duty):
        if kind.per_model and assignment.scope_kind != duties.MODEL:
            continue
        model_id = assignment.scope_id if kind.per_model else 0
        found.append(standing(known, kind, model_id, book.edition(kind.id), today))
    return found


def worst(standings: Iterable[Standing]) -> State | None:
    """The state that matters; None where nothing is needed."""
    states = {each.state for each in standings}
    return next((state for state in WORST_FIRST if state in states), None)


@dataclass(frozen=True)
class Gap:
    """What is lacking, and for which duty."""

    duty: str
    lacking: tuple[Standing, ...]
    book: Book

    @property
    def fact(self) -> str:
        return "Your training " + "; ".join(each.told() for each in self.lacking) + "."

    @property
    def rule(self) -> str:
        source = self.lacking[0].kind.source
        named = RULE if source.startswith(RULE) else f"{RULE}, {source.split(';')[0]}"
        return f"{named}: training matrix v{self.book.version} for {self.of}"

    @property
    def of(self) -> str:
        word = NEEDING[self.duty]
        return f"a {word}" if self.duty == BOARD else f"the duty {word}"

    @property
    def own(self) -> bool:
        """Nothing but what the person accepts themselves is lacking."""
        return all(each.kind.own for each in self.lacking)


class Trainings:
    """Of the people who hold a duty on one subject: what they lack. One query, however many people and acts."""

    def __init__(self, holders: Sequence[Assignment | Held], marks: Marks | None) -> None:
        self._people = sorted({each.person_id for each in holders})
        self._records: dict[int, list[TrainingRecord]] | None = None
        self._marks = marks

    @cached_property
    def book(self) -> Book:
        return book_in_force(self._marks)

    def of(self, person_id: int) -> list[TrainingRecord]:
        if self._records is None:
            self._records = records_of(self._people)
        return self._records.get(person_id, [])

    def needed(self, assignment: Assignment | Held) -> list[Standing]:
        """How each training stands that this duty needs; nothing while the matrix binds nobody."""
        if not self.book.binding:
            return []
        return standings_for(self.book, assignment, self.of(assignment.person_id))

    def gap(self, held: Sequence[Assignment | Held], row: Policy) -> Gap | None:
        """None when one of these duties (of one person, each of which allows the act) is held with all it needs."""
        if not held or row.act in EXEMPT or not self.book.binding:
            return None
        first: Gap | None = None
        for assignment in held:
            asked = self.needed(assignment)
            lacking = tuple(s for s in asked if not s.good and (row.signs or not s.kind.signing))
            if not lacking:
                return None
            first = first or Gap(assignment.duty, lacking, self.book)
        return first
