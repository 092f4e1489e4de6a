"""What the leaving of one person would end and block, before it is done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.db.models import Q

from apps.access import duties, sessions
from apps.access.assigning import PARENTS
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Assignment, Proposal, RulesChange, Waiver
from apps.access.staffing import Ground, Takers, only_by, takers
from apps.accounts.models import User
from apps.core.clock import now

# Without a holder of these nobody could ever be given a duty again.
LAST = (Duty.ADMINISTRATOR, Duty.COMPLIANCE)


@dataclass(frozen=True)
class Held:
    """A duty that ends: how many others hold it, what stands still without them, who could take it."""

    assignment: Assignment
    place: str
    others: int
    stopped: tuple[str, ...]
    takers: Takers | None  # asked only where nobody else holds it

    @property
    def word(self) -> str:
        return duties.WORDS[Duty(self.assignment.duty)]

    @property
    def stuck(self) -> bool:
        return self.others == 0 and bool(self.stopped)


@dataclass(frozen=True)
class Leaving:
    held: tuple[Held, ...]
    to_come: tuple[Assignment, ...]  # approved, to begin later: they never begin
    requested: tuple[Assignment, ...]
    tokens: int
    sessions: int
    waivers: tuple[Waiver, ...]  # for this person: they end
    unsigned: tuple[Waiver | RulesChange, ...]  # proposed by this person, still waiting
    last: tuple[str, ...]  # duties of the organisation that nobody else holds

    @property
    def stuck(self) -> list[Held]:
        return [each for each in self.held if each.stuck]


def last_of(person: User) -> tuple[str, ...]:
    """Duties without which the organisation could not go on, that this person alone holds now."""
    held = Assignment.objects.active().filter(scope_kind=duties.ORGANISATION, duty__in=LAST)
    holders: dict[str, set[int]] = {}
    for duty, pk in held.values_list("duty", "person_id"):
        holders.setdefault(duty, set()).add(pk)
    return tuple(duties.WORDS[Duty(d)] for d, people in sorted(holders.items()) if people == {person.pk})


def open_waivers(person: User) -> list[Waiver]:
    """Waivers for this person that are asked for or in force."""
    state = Proposal.State
    rows = Waiver.objects.filter(person=person, state__in=[state.PROPOSED, state.SIGNED])
    return list(rows.filter(expires_at__gt=now()).select_related("person"))


def sole(person: User) -> list[tuple[Assignment, int]]:
    """Each duty in force of the person with the number of others who hold it at the same place."""
    mine = list(Assignment.objects.active().filter(person=person).order_by("scope_kind", "scope_id", "duty"))
    where = Q(pk__in=[])
    for each in mine:
        where |= Q(scope_kind=each.scope_kind, scope_id=each.scope_id, duty=each.duty)
    others: dict[tuple[str, int, str], set[int]] = {}
    for row in Assignment.objects.active().filter(where).exclude(person=person):
        others.setdefault((row.scope_kind, row.scope_id, row.duty), set()).add(row.person_id)
    return [(each, len(others.get((each.scope_kind, each.scope_id, each.duty), ()))) for each in mine]


def _parents(assignments: Sequence[Assignment]) -> dict[str, Any]:
    found: dict[str, Any] = {ORGANISATION_SUBJECT.scope: ORGANISATION_SUBJECT}
    for kind, label in PARENTS.items():
        ids = {a.scope_id for a in assignments if a.scope_kind == kind}
        if ids:
            rows = apps.get_model(label).objects.filter(pk__in=ids)
            found |= {duties.scope_text(kind, row.pk): row for row in rows}
    return found


def leaving(person: User) -> Leaving:
    """All of it. Who could take a duty is asked once for each place where this person alone holds one."""
    pairs = sole(person)
    parents = _parents([each for each, _ in pairs])
    grounds = {scope: Ground(parent) for scope, parent in parents.items()}
    held = []
    for each, others in pairs:
        duty = Duty(each.duty)
        stopped = () if others else only_by(duty, each.scope_kind)
        could = takers(grounds[each.scope], duty, besides=person.pk) if not others else None
        held.append(Held(each, parents[each.scope].ref, others, stopped, could))
    waiting = Proposal.State.PROPOSED
    asked = Waiver.objects.filter(proposed_by=person, state=waiting).select_related("person")
    return Leaving(
        held=tuple(held),
        to_come=tuple(
            Assignment.objects.filter(
                person=person, state=Assignment.State.APPROVED, starts_at__gt=now()
            ).select_related("person")
        ),
        requested=tuple(
            Assignment.objects.filter(person=person, state=Assignment.State.REQUESTED).select_related(
                "person"
            )
        ),
        tokens=person.tokens.filter(ended_at=None).count(),
        sessions=sessions.live(person).count(),
        waivers=tuple(open_waivers(person)),
        unsigned=(*asked, *RulesChange.objects.filter(proposed_by=person, state=waiting)),
        last=last_of(person),
    )
