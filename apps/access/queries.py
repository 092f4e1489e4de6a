"""Reads of people and duties for pages, API and packs; through the gate, with a constant number of queries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from django.apps import apps
from django.db.models import Prefetch, Q, QuerySet
from django.db.models.functions import Coalesce

from apps.access import duties
from apps.access import past as past_moment
from apps.access.actors import Actor
from apps.access.assigning import PARENTS
from apps.access.duties import Duty
from apps.access.facts import facts_of
from apps.access.gate import Judge, Scopes, Verdict, visible
from apps.access.inforce import Marks, marked
from apps.access.models import Assignment, AssignmentQuerySet, Waiver
from apps.access.policy import Policy, policy
from apps.access.rulebook import waivers_on
from apps.access.staffing import Candidate, Ground, Lack, Takers, lack_of, only_by, takers
from apps.access.training import Trainings
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
    """Every assignment on a model, dataset or the organisation that the reader may see, with its people.

    Each tells which rules and training matrix are in force (`inforce.Marks`).
    """
    return marked(_visible_assignments(actor).on(parent.subject_kind, parent.pk).select_related(*PEOPLE))


def told_of_duties(actor: Actor, parent: Subject, given: Iterable[Assignment]) -> bool:
    """Whether the reader is told who holds what on a parent, of which `given` are the rows they see (`on_parent`).

    Who reads a model by a seat on a review board alone sees none, or an old duty of their own: to them “nobody holds
    it” would be untrue, and what each person did is not theirs to read.
    """
    if any(each.person_id != actor.user.pk for each in given) or Scopes(actor.user).sees_all:
        return True
    with past_moment.today():  # who reads a moment past reads it by what they hold today
        mine = Assignment.objects.active().filter(person=actor.user)
        return mine.on(parent.subject_kind, parent.pk).exists()


def is_past(assignment: Assignment) -> bool:
    """Refused, ended, or run out."""
    over = assignment.ends_at is not None and assignment.ends_at <= now()
    return assignment.state in (State.REFUSED, State.ENDED) or over


def past() -> Q:
    return Q(state__in=[State.REFUSED, State.ENDED]) | Q(ends_at__lte=now())


PEOPLE = ("person", "requester", "approver", "ended_by")


def given(actor: Actor) -> QuerySet[Assignment]:
    """Duties approved and not over that the reader may see, those that begin later among them."""
    rows = _visible_assignments(actor).filter(state=State.APPROVED).exclude(ends_at__lte=now())
    return rows.select_related(*PEOPLE)


def over(actor: Actor) -> QuerySet[Assignment]:
    """Duties ended, refused or run out that the reader may see, each with `over_at`: since when."""
    rows = _visible_assignments(actor).filter(past())
    return rows.annotate(over_at=Coalesce("ended_at", "ends_at")).select_related(*PEOPLE)


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
    """One duty of a parent: who holds it now and can do its acts, what is asked for, and what stands still."""

    duty: Duty
    held: tuple[Assignment, ...]
    requested: tuple[Assignment, ...]
    stopped: tuple[str, ...]
    takers: Takers | None = None  # only for readers who may choose among people
    lacks: Mapping[int, Lack] = field(default_factory=dict)  # person -> what keeps them from it

    @property
    def able(self) -> tuple[Assignment, ...]:
        """Who holds the duty and lacks nothing that its acts ask for."""
        return tuple(each for each in self.held if each.person_id not in self.lacks)

    @property
    def holders(self) -> int:
        return len({each.person_id for each in self.able})

    @property
    def told(self) -> list[tuple[Assignment, Lack | None]]:
        """Each holder, with what keeps them from the duty."""
        return [(each, self.lacks.get(each.person_id)) for each in self.held]

    @property
    def word(self) -> str:
        return duties.WORDS[self.duty]


def coverage(
    parent: Subject, assignments: Iterable[Assignment], *, ground: Ground | None = None
) -> list[Coverage]:
    """Each duty of `parent` with its holders among `assignments` (`on_parent`); where none can, what stands still.

    With a `ground`, also who could take each duty.
    """
    known = list(assignments)
    made = []
    trainings = Trainings([a for a in known if a.in_force()], Marks.of(known[0]) if known else None)
    wanted = duties_on(parent.subject_kind)
    # On a model or dataset an inspection alone gives this duty: it is told where somebody holds it.
    if Duty.INSPECTOR not in wanted and any(a.duty == Duty.INSPECTOR and not is_past(a) for a in known):
        wanted = [*wanted, Duty.INSPECTOR]
    for duty in wanted:
        mine = [a for a in known if a.duty == duty and not is_past(a)]
        held = tuple(a for a in mine if a.in_force() and a.person.is_active)
        requested = tuple(a for a in mine if a.state == State.REQUESTED)
        lacks = {a.person_id: lack for a in held if (lack := lack_of(a, trainings)) is not None}
        stopped: tuple[str, ...] = ()
        if len(lacks) == len({a.person_id for a in held}):
            signing = any(lack.signing for lack in lacks.values())
            stopped = only_by(duty, parent.subject_kind, signing=signing)
        made.append(
            Coverage(
                duty,
                held,
                requested,
                stopped,
                takers(ground, duty) if ground and duty in duties_on(parent.subject_kind) else None,
                lacks,
            )
        )
    return made


def candidates(parent: Subject, duty: Duty) -> list[Candidate]:
    """Every active person, with the reason where the duty cannot be requested for them here."""
    return Ground(parent).candidates(duty)


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


def waivers_about(actor: Actor, version: Subject) -> QuerySet[Waiver]:
    """Those the reader may see that touch a model version: of it alone or of its whole model."""
    (itself,) = facts_of(version).closures["itself"]
    touching = waivers_on(facts_of(version).parents, version=int(itself[1]))
    return waivers(actor).filter(pk__in=touching.order_by().values("pk"))


def waivers_for(version: Subject) -> list[dict[str, str]]:
    """Every waiver that touches a model version, of it alone or of its whole model, as page and pack print it."""
    (itself,) = facts_of(version).closures["itself"]
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
