"""Acts and deeds as the trail holds them."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import OuterRef, Q, Subquery

from apps.access.policy import TABLE, acts_counting_as
from apps.access.separation import Deed, Pair, Rules
from apps.access.sharing import gathered, grouped
from apps.access.telling import told_act
from apps.trail.models import Entry, Kind, Leaf


@dataclass(frozen=True)
class Recorded:
    """One act, as an entry of the trail tells it. `leaf`: its place in the log; None until it is sealed."""

    entry: int
    leaf: int | None
    at: datetime
    act: str
    person: str  # uuid
    record: Pair
    body: str

    @property
    def done(self) -> str:
        """`registered a model version`, `rejected a requirement`."""
        if self.act not in TABLE:
            return f"did {self.act}"
        return told_act(self.act, json.loads(self.body).get("facts", {}))

    def told(self) -> str:
        return f"{self.done} ({json.loads(self.body)['subject']['ref']}) on {self.at:%Y-%m-%d}"


def about(found: Iterable[Pair]) -> Q:
    """Entries about these records."""
    by_kind: dict[str, list[str]] = {}
    for kind, pk in found:
        by_kind.setdefault(kind, []).append(pk)
    condition = Q(pk__in=[])
    for kind, ids in by_kind.items():
        condition |= Q(subject_kind=kind, subject_id__in=ids)
    return condition


def leaf_index() -> Subquery:
    """Annotation for entries: the place in the log."""
    return Subquery(Leaf.objects.filter(entry_id=OuterRef("pk")).values("index")[:1])


def recorded(found: Collection[Pair]) -> list[Recorded]:
    """Every act on these records, oldest first, in one query; inside `shared()` those of each record are read once."""
    rows = gathered("acts on records", found, _load).values()
    return sorted((each for acts in rows for each in acts or ()), key=lambda each: each.entry)


def _load(found: list[Any]) -> Mapping[Any, Any]:
    rows = Entry.objects.filter(about(found), kind=Kind.ACT).annotate(leaf=leaf_index()).order_by()
    columns = ("pk", "leaf", "at", "act", "actor_uuid", "subject_kind", "subject_id", "body")
    acts = (
        Recorded(pk, leaf, at, act, str(person), (kind, subject), body)
        for pk, leaf, at, act, person, kind, subject, body in rows.values_list(*columns)
    )
    return grouped(acts, lambda each: each.record)


def counted_verbs(rules: Rules) -> dict[str, list[str]]:
    """Act -> the verbs it counts as that some rule asks for, in the order of the rules."""
    found: dict[str, list[str]] = {}
    for rule in rules.dynamic:
        for verb in (rule.first, rule.second):
            for act in acts_counting_as(verb):
                known = found.setdefault(act, [])
                if verb not in known:
                    known.append(verb)
    return found


def deeds_of(rules: Rules, acts: Iterable[Recorded], *, every: bool = False) -> list[Deed]:
    """What these acts count as, in their order. `every`: also acts that no rule counts, as the deed `act`."""
    verbs, other = counted_verbs(rules), ["act"] if every else []
    return [
        Deed(each.person, verb, *each.record, each.told(), each.at)
        for each in acts
        for verb in verbs.get(each.act, other)
    ]
