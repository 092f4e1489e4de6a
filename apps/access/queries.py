"""Reads of people and duties for pages, API and packs; through the gate, with a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from django.apps import apps
from django.db.models import Prefetch, Q, QuerySet

from apps.access import duties
from apps.access.actors import Actor
from apps.access.assigning import PARENTS, family_of, foreseen, relation, told_of
from apps.access.duties import Duty
from apps.access.facts import facts_of
from apps.access.gate import Judge, Verdict, visible
from apps.access.models import Assignment, AssignmentQuerySet, Waiver
from apps.access.policy import TABLE, Policy, policy
from apps.access.rulebook import rules_in_force, tier_of, waivers_in_force, waivers_on
from apps.access.separation import past_conflict, static_conflicts
from apps.accounts.models import User
from apps.core.clock import iso, now
from apps.core.subjects import Subject

State = Assignment.State


def _visible_assignments(actor: Actor) -> AssignmentQuerySet:
    return cast(AssignmentQuerySet, visible(actor, Assignment))


def accounts(actor: Actor) -> QuerySet[User]:
    """People the reader may see, services left out, each with `in_force_now`: the duties the reader may see."""
    in_force = _visible_assignments(actor).active().order_by("scope_kind", "scope_id", "duty")
    return (
        visible(actor, User)
        .filter(is_service=False)
        .prefetch_related(Prefetch("assignments", queryset=in_force, to_attr="in_force_now"))
    )


def place_names(actor: Actor, assignments: Iterable[Assignment]) -> dict[str, str]:
    """Scope text to the words for it: the short name of a model or dataset the reader sees, else its number."""
    words = {duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID): "the organisation"}
    wanted: dict[str, set[int]] = {}
    for each in assignments:
        wanted.setdefault(each.scope_kind, set()).add(each.scope_id)
        kind = each.scope_kind.rpartition(".")[2]
        words.setdefault(each.scope, f"{kind} no. {each.scope_id}")
    for kind, label in PARENTS.items():
        if kind in wanted:
            rows = visible(actor, apps.get_model(label)).filter(pk__in=wanted[kind])
            words |= {duties.scope_text(kind, pk): slug for pk, slug in rows.values_list("pk", "slug")}
    return words


def on_parent(actor: Actor, parent: Subject) -> QuerySet[Assignment]:
    """Every assignment on a model, dataset or the organisation that the reader may see, with its people."""
    return (
        _visible_assignments(actor)
        .on(parent.subject_kind, parent.pk)
        .select_related("person", "requester", "approver")
    )


def is_past(assignment: Assignment) -> bool:
    """Refused, ended, or run out."""
    over = assignment.ends_at is not None and assignment.ends_at <= now()
    return assignment.state in (State.REFUSED, State.ENDED) or over


def past() -> Q:
    return Q(state__in=[State.REFUSED, State.ENDED]) | Q(ends_at__lte=now())


def duties_on(kind: str) -> list[Duty]:
    """The duties that can be held on a parent of this kind, in their usual order."""
    held = {
        duties.ORGANISATION: duties.ORGANISATION_DUTIES,
        duties.MODEL: duties.MODEL_DUTIES,
        duties.DATASET: duties.DATASET_DUTIES,
    }[kind]
    return [duty for duty in Duty if duty in held]


@dataclass(frozen=True)
class Coverage:
    """One duty of a parent: who holds it now, what is asked for, and what stands still while nobody holds it."""

    duty: Duty
    held: tuple[Assignment, ...]
    requested: tuple[Assignment, ...]
    stopped: tuple[str, ...]

    @property
    def word(self) -> str:
        return duties.WORDS[self.duty]


def coverage(parent: Subject, assignments: Iterable[Assignment]) -> list[Coverage]:
    """Each duty of `parent` with its holders among `assignments`; where there is none, the acts that nobody can do."""
    known = list(assignments)
    made = []
    for duty in duties_on(parent.subject_kind):
        mine = [a for a in known if a.duty == duty and not is_past(a)]
        held = tuple(a for a in mine if a.in_force() and a.person.is_active)
        requested = tuple(a for a in mine if a.state == State.REQUESTED)
        made.append(Coverage(duty, held, requested, () if held else _only_by(duty, parent.subject_kind)))
    return made


def _only_by(duty: Duty, kind: str) -> tuple[str, ...]:
    """Labels of the acts that this duty alone may do (on a dataset: acts on datasets)."""
    prefix = "datasets." if kind == duties.DATASET else ""
    rows = [r for r in TABLE.values() if r.duties == {duty} and r.label and r.act.startswith(prefix)]
    if kind == duties.MODEL:
        rows = [r for r in rows if not r.act.startswith("datasets.")]
    return tuple(r.label for r in rows)


@dataclass(frozen=True)
class Candidate:
    """A person who might be given a duty; `because` says why not, `warnings` what should be known."""

    person: User
    because: str = ""
    warnings: tuple[str, ...] = ()


def candidates(parent: Subject, duty: Duty) -> list[Candidate]:
    """Every active person, with the reason where the duty cannot be requested for them here."""
    place = (parent.subject_kind, parent.pk)
    rules, tier = rules_in_force(), tier_of(*place)
    family = family_of(*place)
    judge = Judge(parent) if place[0] in PARENTS else None
    shut_by = judge.facts.closures.get("family", frozenset()) if judge else frozenset()
    deeds = judge.deeds if judge else []
    waived: dict[int, set[str]] = {}
    for waiver in waivers_in_force(family):
        waived.setdefault(waiver.person_id, set()).add(waiver.rule)
    held: dict[int, list[Assignment]] = {}
    open_ones = Assignment.objects.filter(state__in=[State.REQUESTED, State.APPROVED]).exclude(
        ends_at__lte=now()
    )
    for each in open_ones:
        held.setdefault(each.person_id, []).append(each)
    found = []
    for person in User.objects.filter(is_active=True, is_service=False).order_by("printed_name", "pk"):
        mine = held.get(person.pk, [])
        same = [a for a in mine if (a.duty, a.scope_kind, a.scope_id) == (duty, *place)]
        if same:
            word = "was requested for" if same[0].state == State.REQUESTED else "holds"
            found.append(Candidate(person, f"{word} this duty already"))
            continue
        near = [(a.duty, relation(place, (a.scope_kind, a.scope_id), family)) for a in mine]
        opened = waived.get(person.pk, set()) & rules.waivable
        broken = next((b for b in static_conflicts(rules, duty, near, tier) if b[0].id not in opened), None)
        past = past_conflict(rules, person=str(person.uuid), duty=duty, family=shut_by, deeds=deeds)
        because = ""
        if broken:
            words = duties.WORDS[Duty(broken[1])]
            because = f"holds or was requested the duty {words}; {broken[0].id}: {broken[0].text}"
        elif past and past[0].id not in opened:
            because = f"{past[1].told}; {past[0].id}: {past[0].text}"
        told = tuple(f"{r.id}: {r.text}" for r, _ in static_conflicts(rules, duty, near, tier, warn=True))
        if judge and not because:
            told += told_of(foreseen(judge, person, duty))
        found.append(Candidate(person, because, told))
    return found


def approval_of(assignment: Assignment) -> Policy:
    """The act that approves this request: one for the organisation, one for models and datasets."""
    of_organisation = assignment.scope_kind == duties.ORGANISATION
    return policy(f"access.approve_{'organisation_' if of_organisation else ''}assignment")


@dataclass(frozen=True)
class Open:
    """A request that waits, with the verdicts for the reader and who may approve it (nobody: it is stuck)."""

    assignment: Assignment
    approve: Verdict
    refuse: Verdict
    approvers: tuple[User, ...]


def open_request(actor: Actor, assignment: Assignment) -> Open:
    judge, row = Judge(assignment), approval_of(assignment)
    return Open(
        assignment,
        judge.verdict(actor, row),
        judge.verdict(actor, policy("access.refuse_assignment")),
        tuple(judge.eligible(row)),
    )


def waivers(actor: Actor) -> QuerySet[Waiver]:
    """Waivers the reader may see, newest first, with the people in them."""
    rows = visible(actor, Waiver).select_related("person", "proposed_by", "ended_by", *Waiver.SIGNERS)
    return rows.order_by("-pk")


def waivers_for(version: Subject) -> list[dict[str, str]]:
    """Every waiver that touches a model version, of it alone or of its whole model, as page and pack print it."""
    itself = next(iter(facts_of(version).closures["itself"]))
    rows = waivers_on(facts_of(version).parents, version=int(itself[1]))
    return [
        {
            "ref": each.ref,
            "rule": each.rule,
            "person": each.person.printed_name,
            "on": each.place,
            "reason": each.reason,
            "control": each.control,
            "signed_by": " and ".join(s.printed_name for s in each.signatures),
            "from": iso(each.decided_at) if each.decided_at else "",
            "until": iso(each.expires_at),
            "state": each.word,
            "ended": f"{each.ended_by.printed_name}: {each.end_reason}" if each.ended_by else "",
        }
        for each in rows
    ]
