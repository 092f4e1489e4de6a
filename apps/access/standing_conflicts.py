"""Pairs of duties, each rightly given, that the rules came to keep apart afterwards.

What makes a pair conflict can come later: data become part of a model's family, a tier rises, somebody reads test data
(ST5), other rules are put into force. Nothing is taken from anybody by that: acts are still judged one by one; here it
is told to those who give duties, who end one of the two or have a waiver signed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

from django.db.models import Count

from apps.access import duties
from apps.access.assigning import PARENTS, SEATED, parent_of, shut_to
from apps.access.duties import Duty
from apps.access.models import Assignment
from apps.access.organisation import ORGANISATION_PAIR, ORGANISATION_SUBJECT
from apps.access.policy import acts_counting_as
from apps.access.rulebook import rules_in_force
from apps.access.separation import Rules, past_conflict, static_conflicts
from apps.access.staffing import Ground
from apps.accounts.models import User
from apps.core import registries
from apps.core.errors import NotVisible
from apps.core.subjects import Subject
from apps.trail.models import Entry

MOST = 20  # places that are looked into for the page of work


@dataclass(frozen=True)
class Standing:
    """One duty that stands although a rule shuts it to its holder now."""

    assignment: Assignment
    rule: str  # identifier and text
    fact: str
    place: str  # the name of the model or dataset, or `the organisation`
    slug: str

    @property
    def person(self) -> User:
        return self.assignment.person

    @property
    def path(self) -> str:
        """The people page of the place; of the organisation, the list of people."""
        kind = {duties.MODEL: "models", duties.DATASET: "datasets"}.get(self.assignment.scope_kind)
        return f"/{kind}/{self.slug}/people/" if kind else "/people/"


def on_place(ground: Ground, given: Iterable[Assignment]) -> list[Standing]:
    """Of the duties of one place that are in force: those that the rules of now would not let be given."""
    here = {(a.person_id, a.duty): a for a in given if a.in_force()}
    where = str(getattr(ground.parent, "name", ground.parent.ref)), str(getattr(ground.parent, "slug", ""))
    at = "here" if ground.place[0] in PARENTS else "in the organisation"
    found: list[Standing] = []
    for (person_id, duty), assignment in here.items():
        person = assignment.person
        others = [each for each in ground.held.get(person_id, []) if each.pk != assignment.pk]
        near = [ground.near_to(o.duty, (o.scope_kind, o.scope_id)) for o in others if o.in_force()]
        if person_id in ground.sitting:
            near.append(SEATED)
        for each in near:
            for rule, other_duty in static_conflicts(ground.rules, duty, [each.pair], ground.tier):
                if not ground.opened(person, rule.id, each.place):
                    fact = f"{person.printed_name} is {_word(duty)} {at} and {_holds(other_duty)} too."
                    found.append(Standing(assignment, f"{rule.id}: {rule.text}", fact, *where))
        family = ground.judge.facts.closures.get("family", frozenset()) if ground.judge else frozenset()
        mine = ground.deeds.get(str(person.uuid), [])
        past = past_conflict(ground.rules, person=str(person.uuid), duty=duty, family=family, deeds=mine)
        if past and not ground.opened(person, past[0].id):
            fact = f"{person.printed_name} is {_word(duty)} here, and {past[1].told.replace('have ', 'has ', 1)}."
            found.append(Standing(assignment, f"{past[0].id}: {past[0].text}", fact, *where))
    return found


def everywhere() -> list[Standing]:
    """The same of every place, for the page of work of a compliance officer: four queries where there is none,
    and at most 20 places looked into."""
    rules = rules_in_force()
    several = (
        Assignment.objects.active()
        .order_by()
        .values("person")
        .annotate(n=Count("duty", distinct=True))
        .filter(n__gt=1)
    )
    held: dict[int, list[Assignment]] = {}
    rows = Assignment.objects.active().filter(person__in=several.values("person")).select_related("person")
    for each in rows.order_by("pk"):
        held.setdefault(each.person_id, []).append(each)
    suspect = {place for mine in held.values() for place in _suspect(rules, mine)}
    suspect |= _by_deeds(rules) | _beside_seats()
    found: list[Standing] = []
    for place in sorted(suspect)[:MOST]:
        if (parent := _parent(place)) is not None:
            given = Assignment.objects.active().on(*place).select_related("person").order_by("pk")
            found += on_place(Ground(parent), given)
    return found


def _suspect(rules: Rules, mine: list[Assignment]) -> Iterable[tuple[str, int]]:
    """Places of two duties of one person that some rule keeps apart, if they should be near enough."""
    for one, two in combinations(mine, 2):
        pairs = (rule for rule in rules.static if _apart(rule, one.duty, two.duty))
        for rule in pairs:
            same = (one.scope_kind, one.scope_id) == (two.scope_kind, two.scope_id)
            if (
                same
                or rule.scope == "global"
                or (rule.scope == "family" and one.scope_kind != two.scope_kind)
            ):
                yield from ((a.scope_kind, a.scope_id) for a in (one, two))


def _apart(rule: object, one: str, two: str) -> bool:
    first, second = getattr(rule, "first", ()), getattr(rule, "second", ())
    return (one in first and two in second) or (one in second and two in first)


def _by_deeds(rules: Rules) -> set[tuple[str, int]]:
    """Places of duties that a past deed of their holder may shut (ST5)."""
    shut = {(verb, duty) for rule in rules.static for verb, duty in rule.past.items()}
    acts = frozenset().union(*(acts_counting_as(verb) for verb, _ in shut))
    if not acts:
        return set()
    did = (
        Entry.objects.filter(kind="act", act__in=acts)
        .order_by()
        .values_list("actor_uuid", flat=True)
        .distinct()
    )
    rows = Assignment.objects.active().filter(
        duty__in={duty for _, duty in shut}, person__uuid__in=list(did), scope_kind__in=PARENTS
    )
    return set(rows.order_by().values_list("scope_kind", "scope_id"))


def _beside_seats() -> set[tuple[str, int]]:
    """Places of duties that a seat on a review board is kept apart from."""
    people = registries.seat["sitting"](None)
    shut = shut_to(people, duties.SEAT) if people else {}
    rows = Assignment.objects.active().filter(person__in=list(shut))
    return set(rows.order_by().values_list("scope_kind", "scope_id")) if shut else set()


def _parent(place: tuple[str, int]) -> Subject | None:
    if place == ORGANISATION_PAIR:
        return ORGANISATION_SUBJECT
    try:
        found: Subject = parent_of(*place)
    except NotVisible:
        return None
    return found


def _holds(duty: str) -> str:
    return "has a seat on a review board" if duty == duties.SEAT else f"holds {_word(duty)}"


def _word(duty: str) -> str:
    return duties.WORDS[Duty(duty)]
