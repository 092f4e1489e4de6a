"""Duties: requested by one person, approved by another, ended in one act."""

from __future__ import annotations

from datetime import datetime

from guardian.shortcuts import assign_perm, remove_perm

from apps.access import duties
from apps.access.acting import Act, act
from apps.access.assigning import Fit, parent_of, refuse_unfit
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Assignment
from apps.access.rules import refuse_bad_request
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import WrongState
from apps.core.rulewords import stands


def _request(
    act: Act,
    person_id: int,
    duty: str,
    scope_kind: str,
    scope_id: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
) -> Assignment:
    # The person row puts in order two requests, or a request and an approval, that together would conflict.
    person = act.lock(User.objects.all(), pk=person_id)
    act.asked(person=person.username, duty=str(duty), on=duties.scope_text(scope_kind, scope_id))
    assignment, fit = make_request(act, person, duty, scope_kind, scope_id, starts_at, ends_at)
    act.event(person=person.username, duty=str(duty), on=act.subject.ref)
    if fit.warnings:
        act.event(warnings=list(fit.warnings))
    act.about(assignment)
    return assignment


def make_request(
    act: Act,
    person: User,
    duty: str,
    scope_kind: str,
    scope_id: int,
    starts_at: datetime | None,
    ends_at: datetime | None,
) -> tuple[Assignment, Fit]:
    """The request of one duty, judged and written, for a person whose row the act has locked."""
    starts_at = starts_at or now()
    refuse_bad_request(person, duty, scope_kind, starts_at, ends_at, now())
    fit = refuse_unfit(person, Duty(duty), scope_kind, scope_id)
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
        waiver=fit.waiver,
    )
    _until(fit, starts_at, ends_at)
    return assignment, fit


def _end_run_out(act: Act, person: User, duty: str, scope_kind: str, scope_id: int) -> None:
    """The same duty whose time is over stands in the way of a new request, as only one may be open: it is ended."""
    run_out = Assignment.objects.select_for_update().filter(
        person=person, duty=duty, state__in=["requested", "approved"], ends_at__lte=now()
    )
    for assignment in run_out.on(scope_kind, scope_id):
        act.end(assignment, state=Assignment.State.ENDED, why="Its time ran out")
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


def _until(fit: Fit, starts_at: datetime, ends_at: datetime | None) -> datetime | None:
    """A duty given against a rule that a waiver opened ends with the waiver at the latest."""
    if fit.waiver is None:
        return ends_at
    if fit.waiver.expires_at <= starts_at:
        raise WrongState(
            "This duty cannot be given for that time.",
            fact=f"{fit.waiver.told()} ends before the duty would start.",
            rule="waiver",
            who=["nobody; ask for an earlier start, or for another waiver"],
        )
    return min(ends_at or fit.waiver.expires_at, fit.waiver.expires_at)


def _approve(act: Act, assignment_id: int) -> Assignment:
    # The person row is the lock that orders two approvals which together would conflict. It comes first, as in
    # deactivation: the other way round the two could wait for each other.
    act.lock(User.objects.all(), pk__in=Assignment.objects.filter(pk=assignment_id).values("person_id"))
    assignment = act.lock(Assignment.objects.select_related("person"), pk=assignment_id)
    act.allow(assignment)
    fit = refuse_unfit(
        assignment.person,
        Duty(assignment.duty),
        assignment.scope_kind,
        assignment.scope_id,
        besides=assignment,
    )
    until = _until(fit, assignment.starts_at, assignment.ends_at)
    if fit.waiver is not None:
        act.event(waivers=[fit.waiver.told()])
    act.write(
        assignment,
        state=Assignment.State.APPROVED,
        approver=act.user,
        decided_at=now(),
        waiver=fit.waiver,
        ends_at=until,
    )
    project_grant(assignment, granted=True)
    if assignment.duty == Duty.INSPECTOR and not assignment.person.inspects:
        act.write(assignment.person, inspects=True)
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
    return act.end(assignment, state=Assignment.State.REFUSED, decided_at=now())


@act("access.end_assignment")
def end_assignment(act: Act, assignment_id: int) -> Assignment:
    """End a duty now, with a reason. What was done under it stays done, for separation too."""
    assignment = act.lock(Assignment.objects.select_related("person"), pk=assignment_id)
    act.allow(assignment)
    return end_now(act, assignment, act.reason)


def end_now(act: Act, assignment: Assignment, reason: str) -> Assignment:
    """End a locked duty inside the act that ends it."""
    moment, ends_at = now(), assignment.ends_at
    # One that has not started keeps its dates, and one that ran out ended then, not now.
    if assignment.starts_at < moment and (ends_at is None or ends_at > moment):
        ends_at = moment
    act.end(assignment, state=Assignment.State.ENDED, ends_at=ends_at, why=reason)
    project_grant(assignment, granted=False)
    return assignment


@registries.precondition("access.end_assignment")
def refuse_if_ended(assignment: Assignment) -> None:
    if assignment.state not in (Assignment.State.REQUESTED, Assignment.State.APPROVED):
        raise WrongState(
            "This duty has ended already.",
            fact=stands(assignment.get_state_display()),
            rule="assignment-state",
        )


@registries.precondition("access.refuse_assignment")
def refuse_unless_requested(assignment: Assignment) -> None:
    if assignment.state != Assignment.State.REQUESTED:
        raise WrongState(
            "This request was decided already.",
            fact=stands(assignment.get_state_display()),
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
