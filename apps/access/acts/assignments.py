"""Duties: requested by one person, approved by another, ended in one act."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.apps import apps
from guardian.shortcuts import assign_perm, remove_perm

from apps.access import duties
from apps.access.acting import Act, act
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT, rules_in_force
from apps.access.models import Assignment
from apps.access.rules import refuse_bad_request, refuse_static_conflict
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import NotVisible, WrongState


def held_by(person: User, scope_kind: str, scope_id: int) -> list[tuple[str, bool]]:
    """(duty, in the same model family?) of every assignment of `person` in force or still to start or be approved."""
    family = {(scope_kind, scope_id)}
    for give in registries.parents[f"{scope_kind}:family"]:
        family |= set(give(scope_id))
    open_ones = Assignment.objects.filter(person=person, state__in=["requested", "approved"]).exclude(
        ends_at__lte=now()
    )
    return [(a.duty, (a.scope_kind, a.scope_id) in family) for a in open_ones]


def _request(
    act: Act,
    person_id: int,
    duty: str,
    scope_kind: str,
    scope_id: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
) -> Assignment:
    person = User.objects.filter(pk=person_id).first()
    if person is None:
        raise NotVisible()
    starts_at = starts_at or now()
    refuse_bad_request(person, duty, scope_kind, starts_at, ends_at, now())
    refuse_static_conflict(rules_in_force(), person, Duty(duty), held_by(person, scope_kind, scope_id))
    _end_run_out(act, person, duty, scope_kind, scope_id)
    assignment = act.create(
        Assignment,
        person=person,
        duty=duty,
        scope_kind=scope_kind,
        scope_id=scope_id,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=act.reason,
        requester=act.user,
        requested_at=now(),
    )
    act.event(person=person.username, duty=str(duty), on=act.subject.ref)
    act.about(assignment)
    return assignment


def _end_run_out(act: Act, person: User, duty: str, scope_kind: str, scope_id: int) -> None:
    """The same duty whose time is over stands in the way of a new request, as only one may be open: it is ended."""
    run_out = Assignment.objects.select_for_update().filter(
        person=person, duty=duty, state__in=["requested", "approved"], ends_at__lte=now()
    )
    for assignment in run_out.on(scope_kind, scope_id):
        act.write(assignment, state=Assignment.State.ENDED, end_reason="Its time ran out")
        project_grant(assignment, granted=False)


@act("access.request_assignment")
def request_assignment(
    act: Act,
    *,
    person_id: int,
    duty: str,
    scope_kind: str,
    scope_id: int,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Assignment:
    """Ask that a person be given a duty on a model or dataset. Somebody else approves it."""
    act.allow(parent_of(scope_kind, scope_id))
    return _request(act, person_id, duty, scope_kind, scope_id, starts_at, ends_at)


@act("access.request_organisation_assignment")
def request_organisation_assignment(
    act: Act, *, person_id: int, duty: str, starts_at: datetime | None = None, ends_at: datetime | None = None
) -> Assignment:
    """Ask that a person be given a duty on the organisation."""
    act.allow(ORGANISATION_SUBJECT)
    return _request(act, person_id, duty, duties.ORGANISATION, duties.ORGANISATION_ID, starts_at, ends_at)


def parent_of(scope_kind: str, scope_id: int) -> Any:
    """The model or dataset a duty is held on."""
    labels = {duties.MODEL: "registry.Model", duties.DATASET: "datasets.Dataset"}
    if scope_kind not in labels:
        raise NotVisible()
    found = apps.get_model(labels[scope_kind]).objects.filter(pk=scope_id).first()
    if found is None:
        raise NotVisible()
    return found


def _approve(act: Act, assignment_id: int) -> Assignment:
    # The person row is the lock that orders two approvals which together would conflict. It comes first, as in
    # deactivation: the other way round the two could wait for each other.
    act.lock(User.objects.all(), pk__in=Assignment.objects.filter(pk=assignment_id).values("person_id"))
    assignment = act.lock(Assignment.objects.select_related("person"), pk=assignment_id)
    act.allow(assignment)
    others = [
        (a.duty, a.pk)
        for a in Assignment.objects.filter(
            person=assignment.person, state__in=["requested", "approved"]
        ).exclude(pk=assignment.pk)
    ]
    if others:
        held = held_by(assignment.person, assignment.scope_kind, assignment.scope_id)
        held.remove((assignment.duty, True)) if (assignment.duty, True) in held else None
        refuse_static_conflict(rules_in_force(), assignment.person, Duty(assignment.duty), held)
    act.write(assignment, state=Assignment.State.APPROVED, approver=act.user, decided_at=now())
    project_grant(assignment, granted=True)
    act.event(person=assignment.person.username, duty=assignment.duty, on=assignment.scope)
    return assignment


@act("access.approve_assignment")
def approve_assignment(act: Act, assignment_id: int) -> Assignment:
    """Approve a requested duty on a model or dataset; not by its requester or receiver (DY17)."""
    return _approve(act, assignment_id)


@act("access.approve_organisation_assignment")
def approve_organisation_assignment(act: Act, assignment_id: int) -> Assignment:
    """Approve a requested duty on the organisation; not by its requester or receiver (DY17)."""
    return _approve(act, assignment_id)


@act("access.refuse_assignment")
def refuse_assignment(act: Act, assignment_id: int) -> Assignment:
    """Refuse a requested duty, with a reason."""
    assignment = act.lock(Assignment.objects.select_related("person"), pk=assignment_id)
    act.allow(assignment)
    return act.write(assignment, state=Assignment.State.REFUSED, decided_at=now(), end_reason=act.reason)


@act("access.end_assignment")
def end_assignment(act: Act, assignment_id: int) -> Assignment:
    """End a duty now, with a reason. What was done under it stays done, for separation too."""
    assignment = act.lock(Assignment.objects.select_related("person"), pk=assignment_id)
    act.allow(assignment)
    moment, ends_at = now(), assignment.ends_at
    # One that has not started keeps its dates, and one that ran out ended then, not now.
    if assignment.starts_at < moment and (ends_at is None or ends_at > moment):
        ends_at = moment
    act.write(assignment, state=Assignment.State.ENDED, ends_at=ends_at, end_reason=act.reason)
    project_grant(assignment, granted=False)
    return assignment


@registries.precondition("access.end_assignment")
def refuse_if_ended(assignment: Assignment) -> None:
    if assignment.state not in (Assignment.State.REQUESTED, Assignment.State.APPROVED):
        raise WrongState(
            "This duty has ended already.",
            fact=f"It is {assignment.get_state_display().lower()}.",
            rule="assignment-state",
        )


@registries.precondition("access.refuse_assignment")
def refuse_unless_requested(assignment: Assignment) -> None:
    if assignment.state != Assignment.State.REQUESTED:
        raise WrongState(
            "This request was decided already.",
            fact=f"It is {assignment.get_state_display().lower()}.",
            rule="assignment-state",
        )


@registries.precondition("access.approve_assignment")
@registries.precondition("access.approve_organisation_assignment")
def refuse_unless_approvable(assignment: Assignment) -> None:
    """Approval gives something: the person is still here, and the time asked for is not over."""
    refuse_unless_requested(assignment)
    over = assignment.ends_at is not None and assignment.ends_at <= now()
    if over or not assignment.person.is_active:
        name = assignment.person.printed_name
        raise WrongState(
            "This request can no longer be approved.",
            fact="The time it was asked for is over." if over else f"The account of {name} is deactivated.",
            rule="assignment-state",
            who=["nobody; it can be refused, and asked for anew"],
        )


def project_grant(assignment: Assignment, *, granted: bool) -> None:
    """Write the guardian grant that mirrors the assignment (organisation duties have none: no global permissions)."""
    if assignment.scope_kind == duties.ORGANISATION:
        return
    parent = parent_of(assignment.scope_kind, assignment.scope_id)
    codename = duties.GUARDIAN_CODENAME[Duty(assignment.duty)]
    if granted:
        assign_perm(codename, assignment.person, parent)
    else:
        remove_perm(codename, assignment.person, parent)
