"""May this duty be given here: what a person holds nearby, what they did, and the waivers that open a rule."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps

from apps.access import duties, rules
from apps.access.duties import Duty
from apps.access.gate import Judge
from apps.access.models import Assignment, Waiver
from apps.access.policy import TABLE
from apps.access.rulebook import rules_in_force, tier_of, waivers_in_force
from apps.access.separation import (
    Broken,
    Deed,
    Relation,
    Rules,
    conflicts,
    past_conflict,
    static_conflicts,
)
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import NotVisible

Place = tuple[str, int]
PARENTS = {duties.MODEL: "registry.Model", duties.DATASET: "datasets.Dataset"}
WIDE = ("version", "lineage", "family")


def parent_of(scope_kind: str, scope_id: int) -> Any:
    """The model or dataset a duty is held on."""
    if scope_kind not in PARENTS:
        raise NotVisible()
    found = apps.get_model(PARENTS[scope_kind]).objects.filter(pk=scope_id).first()
    if found is None:
        raise NotVisible()
    return found


def family_of(scope_kind: str, scope_id: int) -> set[Place]:
    """The place, with the data of a model or the models of a dataset."""
    family = {(scope_kind, scope_id)}
    for give in registries.parents[f"{scope_kind}:family"]:
        family |= set(give(scope_id))
    return family


def relation(place: Place, other: Place, family: set[Place]) -> Relation:
    if other == place:
        return Relation.SAME
    return Relation.FAMILY if other in family else Relation.ELSEWHERE


def held_by(
    person: User, scope_kind: str, scope_id: int, *, besides: Assignment | None = None
) -> list[tuple[str, Relation]]:
    """(duty, how near) of every assignment of `person` in force or still to start or be approved."""
    family = family_of(scope_kind, scope_id)
    open_ones = Assignment.objects.filter(person=person, state__in=["requested", "approved"]).exclude(
        ends_at__lte=now()
    )
    place = (scope_kind, scope_id)
    return [
        (a.duty, relation(place, (a.scope_kind, a.scope_id), family))
        for a in open_ones
        if besides is None or a.pk != besides.pk
    ]


@dataclass(frozen=True)
class Fit:
    """What giving the duty rests on: the waiver that opened a rule, and what should be known beforehand."""

    waiver: Waiver | None = None
    warnings: tuple[str, ...] = ()


def refuse_unfit(
    person: User, duty: Duty, scope_kind: str, scope_id: int, *, besides: Assignment | None = None
) -> Fit:
    """Static rules refuse or warn, past deeds refuse (ST5), dynamic conflicts to come are told as warnings."""
    book, tier = rules_in_force(), tier_of(scope_kind, scope_id)
    held = held_by(person, scope_kind, scope_id, besides=besides)
    judge = Judge(parent_of(scope_kind, scope_id)) if scope_kind in PARENTS else None
    broken = [rule.id for rule, _other in static_conflicts(book, duty, held, tier)]
    past = _past(book, judge, person, duty)
    waivers: dict[str, Waiver] = {}
    if broken or past:
        found = waivers_in_force(family_of(scope_kind, scope_id))
        waivers = {w.rule: w for w in found if w.person_id == person.pk}
    rules.refuse_static_conflict(book, person, duty, held, tier=tier, opened=waivers)
    if past and (past[0].id not in waivers or past[0].id not in book.waivable):
        rules.refuse_past(past, person, duty)
    used = [waivers[each] for each in (*broken, *((past[0].id,) if past else ()))]
    ending_first = min(used, key=lambda w: w.expires_at, default=None)
    told = tuple(f"{r.id}: {r.text}" for r, _ in static_conflicts(book, duty, held, tier, warn=True))
    return Fit(ending_first, told + told_of(foreseen(judge, person, duty) if judge else ()))


def _past(book: Rules, judge: Judge | None, person: User, duty: str) -> Any:
    if judge is None or not any(duty in rule.past.values() for rule in book.static):
        return None
    family = judge.facts.closures.get("family", frozenset())
    return past_conflict(book, person=str(person.uuid), duty=duty, family=family, deeds=judge.deeds)


def verbs_of(duty: str) -> frozenset[str]:
    """Everything that somebody with this duty could come to do, as separation counts it."""
    return frozenset().union(*(row.verbs for row in TABLE.values() if duty in row.duties))


def foreseen(judge: Judge, person: User, duty: str, deeds: Iterable[Deed] | None = None) -> list[Broken]:
    """Rules that past deeds would break when `person` acts under `duty` on versions of this model they worked on.

    deeds: the person's own, where they are known already.
    """
    wide = frozenset().union(*(judge.facts.closures.get(scope, frozenset()) for scope in WIDE))
    if not wide:
        return []
    found: Mapping[str, Broken] = {
        broken.rule.id: broken
        for broken in conflicts(
            judge.rules,
            person=str(person.uuid),
            verbs=verbs_of(duty),
            closures=dict.fromkeys(WIDE, wide),
            deeds=judge.deeds if deeds is None else deeds,
        )
    }
    return list(found.values())


def told_of(broken: Iterable[Broken]) -> tuple[str, ...]:
    """Sentences for what is foreseen: `DY2: who developed a version may not approve it (registered …)`."""
    return tuple(f"{b.rule.id} will refuse acts here: {b.rule.text} ({b.deed.told})" for b in broken)
