"""Deeds as the trail holds them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from django.db.models import Q

from apps.access.policy import TABLE, acts_counting_as
from apps.access.separation import Deed, Rules
from apps.trail.models import Entry, Kind


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


def recorded_deeds(rules: Rules, wanted: Mapping[str, Collection[str]], *, every: bool = False) -> list[Deed]:
    """The deeds on these records (kind -> ids), oldest first, in one query. `every`: also of acts no rule counts."""
    if not wanted:
        return []
    verbs = counted_verbs(rules)
    condition = Q()
    for kind, ids in wanted.items():
        condition |= Q(subject_kind=kind, subject_id__in=ids)
    if not every:
        condition &= Q(act__in=verbs)
    rows = (
        Entry.objects.filter(condition, kind=Kind.ACT)
        .order_by("id")
        .values_list("actor_uuid", "act", "subject_kind", "subject_id", "body", "at")
    )
    found: list[Deed] = []
    for person, act, kind, pk, body, at in rows:
        done = TABLE[act].sentence if act in TABLE else f"did {act}"
        told = f"{done} ({json.loads(body)['subject']['ref']}) on {at:%Y-%m-%d}"
        found.extend(Deed(str(person), verb, kind, pk, told, at) for verb in verbs.get(act, ["act"]))
    return found
