"""Earlier training matrices and signature policies: from when to when, by whom, why, and what the next one changed."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, QuerySet, Subquery

from apps.access.actors import Actor
from apps.access.gate import visible
from apps.access.models import TrainingMatrix
from apps.access.training import NEEDING, shipped


@dataclass(frozen=True)
class Version:
    """One version with the moment at which the next one took its place; None: it is in force."""

    row: TrainingMatrix
    until: datetime | None
    following: TrainingMatrix | None

    @property
    def policy(self) -> str:
        return str(self.row.body.get("policy", ""))

    @property
    def needs(self) -> list[tuple[str, list[str]]]:
        """(duty in words, trainings it needs), in the order of the version."""
        wanted = self.row.body.get("duties", {})
        return [(word(duty), [kind_word(kind) for kind in kinds]) for duty, kinds in wanted.items()]

    @property
    def editions(self) -> list[tuple[str, str]]:
        return sorted((kind_word(kind), text) for kind, text in self.row.body.get("editions", {}).items())


@dataclass(frozen=True)
class Change:
    """One thing that differs. what: duty or edition, in words."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Line:
    """A line of the signature policy. kind: same | added | removed."""

    kind: str
    text: str


def word(duty: str) -> str:
    """The duty, or seat, in words; of one that no longer exists its name."""
    return NEEDING.get(duty, duty.replace("_", " "))


def kind_word(kind: str) -> str:
    """The title of a training; of one that no longer exists its name."""
    known = shipped().kinds.get(kind)
    return known.title if known else kind.replace("_", " ")


def versions(actor: Actor) -> QuerySet[TrainingMatrix]:
    """Every version there was, each with `until`: when the next one took its place; None: it is in force."""
    after = TrainingMatrix.objects.filter(version__gt=OuterRef("version")).order_by("version")
    rows = visible(actor, TrainingMatrix).select_related("adopted_by")
    return rows.annotate(until=Subquery(after.values("adopted_at")[:1]))


def version(actor: Actor, number: int) -> Version | None:
    """One version, with the one that followed it; None where there is no such version."""
    rows = visible(actor, TrainingMatrix).filter(version__gte=number).select_related("adopted_by")
    found = list(rows.order_by("version")[:2])
    if not found or found[0].version != number:
        return None
    after = found[1] if len(found) > 1 else None
    return Version(found[0], after.adopted_at if after else None, after)


def changes(before: dict[str, Any], after: dict[str, Any]) -> list[Change]:
    """What a duty needs and which editions count, where the two differ."""
    found = []
    for key, name in (("duties", word), ("editions", lambda kind: f"edition of {kind_word(kind)}")):
        old, new = before.get(key, {}), after.get(key, {})
        for each in sorted({*old, *new}):
            was, is_ = _told(old.get(each)), _told(new.get(each))
            if was != is_:
                found.append(Change(name(each), was, is_))
    return found


def _told(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(sorted(kind_word(str(each)) for each in value)) or "nothing"
    return str(value) if value else "nothing"


def policy_lines(before: str, after: str) -> list[Line]:
    """The text line by line; empty when nothing changed."""
    if before == after:
        return []
    kinds = {" ": "same", "+": "added", "-": "removed"}
    told = difflib.ndiff(before.splitlines(), after.splitlines())
    return [Line(kinds[line[0]], line[2:]) for line in told if line[0] in kinds]
