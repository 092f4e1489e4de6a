"""How somebody's training stood at a moment past, by the matrix of then and the records that were there then."""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any

from django.db.models import QuerySet

from apps.access.models import TrainingMatrix, TrainingRecord
from apps.access.sharing import grouped
from apps.access.training import GOOD, WORDS, Book, Held, book_of, shipped, standings_for, worst


class TrainingThen:
    """Of everybody at one moment. Matrices and records are only ever added: what was added later did not count yet.

    Two queries, asked when the first person is; none for records where no matrix was in force.
    """

    def __init__(self, moment: datetime, people: QuerySet[Any]) -> None:
        self.moment = moment
        self._people = people

    @cached_property
    def book(self) -> Book:
        rows = TrainingMatrix.objects.filter(adopted_at__lte=self.moment).order_by("-version")
        row = rows.values("version", "body").first()
        return book_of(row["version"], row["body"]) if row else shipped()

    @cached_property
    def _records(self) -> dict[Any, list[TrainingRecord]]:
        rows = TrainingRecord.objects.filter(
            person_id__in=self._people, recorded_at__lte=self.moment, void=False
        ).exclude(corrected_by__recorded_at__lte=self.moment)
        return grouped(rows.order_by("-completed_on", "-pk"), lambda row: row.person_id)

    def told(self, person_id: int, duty: str, scope_kind: str, scope_id: int) -> str:
        """`Current`, `Missing: Data integrity`, `none needed`, or that no matrix was in force."""
        if not self.book.binding:
            return "not asked: no training matrix was in force"
        held = Held(person_id, scope_kind, scope_id, duty)
        found = standings_for(self.book, held, self._records.get(person_id, []), self.moment.date())
        if (state := worst(found)) is None:
            return "none needed"
        titles = ", ".join(each.kind.title for each in found if each.state == state)
        return WORDS[state] if state in GOOD else f"{WORDS[state]}: {titles}"
