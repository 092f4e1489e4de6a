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
    StaticRule,
    conflicts,
    past_conflict,
    static_conflict,
    static_conflicts,
)
from apps.accounts.models import User
from apps.core import registries
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


@dataclass(frozen=True)
class Near:
    """A duty somebody holds, how near its place is to the one asked about, and that place."""

    duty: str
    how: Relation
    place: Place | None  # none: a seat on a review board

    @property
    def pair(self) -> tuple[str, Relation]:
        return self.duty, self.how


SEATED = Near(duties.SEAT, Relation.ELSEWHERE, None)


def held_by(person: User, scope_kind: str, scope_id: int, *, besides: Assignment | None = None) -> list[Near]:
    """Every duty of `person` in force or still to start or be approved, with how near it is to this place.

    A seat on a review board that they have, will have or are proposed for stands there as `duties.SEAT`, elsewhere.
    """
    family = family_of(scope_kind, scope_id)
    place = (scope_kind, scope_id)
    found = [
        Near(a.duty, relation(place, (a.scope_kind, a.scope_id), family), (a.scope_kind, a.scope_id))
        for a in Assignment.objects.filter(person=person).still_open()
        if besides is None or a.pk != besides.pk
    ]
    if person.pk in registries.seat["sitting"]([person.pk]):
        found.append(SEATED)
    return found


def opening(
    waivers: Iterable[Waiver], rules: Rules, rule_id: str, here: Place, there: Place | None = None
) -> Waiver | None:
    """The waiver of one person that opens this rule for two duties of theirs, held here and there.

    It is given on a model, and opens nothing on a third one that merely shares data with it.
    """
    if rule_id not in rules.waivable:
        return None
    places = (here, there)
    return next((w for w in waivers if w.rule == rule_id and (w.scope_kind, w.scope_id) in places), None)


def shut_to(people: Iterable[int], duty: str) -> dict[int, tuple[StaticRule, str]]:
    """By person: the first static rule by which a duty in force shuts `duty` wherever it is held, and that duty.

    No waiver opens this: waivers are for one model.
    """
    rows = Assignment.objects.active().filter(person__in=list(people)).order_by("pk")
    book = rules_in_force()
    found: dict[int, tuple[StaticRule, str]] = {}
    for person_id, other in rows.values_list("person_id", "duty"):
        broken = static_conflict(book, duty, [(other, Relation.ELSEWHERE)])
        if broken is not None:
            found.setdefault(person_id, broken)
    return found


def refuse_unfit_seat(person: User) -> None:
    """Who sits on a review board decides and signs: the rules on what is held anywhere part it from other duties."""
    held = Assignment.objects.filter(person=person).still_open().order_by("pk").values_list("duty", flat=True)
    elsewhere = [(duty, Relation.ELSEWHERE) for duty in held]
    if (broken := static_conflict(rules_in_force(), duties.SEAT, elsewhere)) is not None:
        rules.refuse_static_conflict(person, duties.SEAT, broken)


@dataclass(frozen=True)
class Fit:
    """What giving the duty rests on: the waiver that opened a rule, and what should be known beforehand."""

    waiver: Waiver | None = None
    warnings: tuple[str, ...] = ()


def refuse_unfit(
    person: User, duty: Duty, scope_kind: str, scope_id: int, *, besides: Assignment | None = None
) -> Fit:
    """Static rules refuse or warn, past deeds refuse (ST5), dynamic conflicts to come are told as warnings."""
    book, tier, here = rules_in_force(), tier_of(scope_kind, scope_id), (scope_kind, scope_id)
    held = held_by(person, scope_kind, scope_id, besides=besides)
    judge = Judge(parent_of(scope_kind, scope_id)) if scope_kind in PARENTS else None
    broken = [
        (each.place, found) for each in held for found in static_conflicts(book, duty, [each.pair], tier)
    ]
    past = _past(book, judge, person, duty)
    waivers = waivers_in_force(family_of(scope_kind, scope_id)) if broken or past else []
    mine = [w for w in waivers if w.person_id == person.pk]
    used: list[Waiver] = []
    for there, pair in broken:
        if (waiver := opening(mine, book, pair[0].id, here, there)) is None:
            rules.refuse_static_conflict(person, duty, pair)
        used.append(waiver)
    if past is not None:
        if (waiver := opening(mine, book, past[0].id, here)) is None:
            rules.refuse_past(person, duty, past)
        used.append(waiver)
    ending_first = min(used, key=lambda w: w.expires_at, default=None)
    pairs = [each.pair for each in held]
    told = tuple(f"{r.id}: {r.text}" for r, _ in static_conflicts(book, duty, pairs, tier, warn=True))
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
