"""Inspectors' access: asked for, approved by a third, ended; what they looked at and took away."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from apps.access import duties, inspection_rules
from apps.access.acting import Act, act
from apps.access.acts.assignments import project_grant
from apps.access.assigning import parent_of, refuse_unfit
from apps.access.duties import Duty
from apps.access.gate import ORGANISATION_SUBJECT, Organisation
from apps.access.inspection_models import Copy, Inspection, InspectionPlace
from apps.access.looking import inspecting
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.errors import BadInput, NotAllowed, NotVisible, WrongState
from apps.core.numbers import next_number
from apps.core.rulewords import stands

Place = tuple[str, int]
WHOLE: tuple[Place, ...] = ((duties.ORGANISATION, duties.ORGANISATION_ID),)


@act("access.request_inspection")
def request_inspection(
    act: Act,
    *,
    person_id: int,
    authority: str,
    places: Iterable[Place] = (),
    everything: bool = False,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> Inspection:
    """Ask that a person inspect `places` (models and datasets), or everything; the reason is the purpose."""
    act.allow(ORGANISATION_SUBJECT)
    person = act.lock(User.objects.all(), pk=person_id)
    starts_at = starts_at or now()
    chosen = tuple(dict.fromkeys(places))
    said = inspection_rules.refuse_bad(person, authority, chosen, everything, starts_at, ends_at, now())
    assert ends_at is not None
    wanted = WHOLE if everything else chosen
    for kind, pk in () if everything else chosen:
        try:
            parent_of(kind, pk)
        except NotVisible:
            told = ["Choose models and datasets that exist."]
            raise BadInput("This inspection cannot be asked for.", fields={"places": told}) from None
    _refuse_unfit(person, wanted)
    if Inspection.objects.filter(person=person, state=Inspection.State.REQUESTED).exists():
        raise WrongState(
            "An inspection was asked for already.",
            fact=f"One for {person.printed_name} waits for approval.",
            rule="inspection-state",
            who=["a compliance officer, who approves or refuses it"],
        )
    made = act.create(
        Inspection,
        person=person,
        authority=said,
        purpose=act.reason,
        everything=everything,
        starts_at=starts_at,
        ends_at=ends_at,
        requester=act.user,
        requested_at=now(),
    )
    for kind, pk in wanted:
        act.create(InspectionPlace, inspection=made, scope_kind=kind, scope_id=pk)
    act.event(person=person.username, authority=said, on=[duties.scope_text(*place) for place in wanted])
    act.about(made)
    return made


def _refuse_unfit(person: User, places: Iterable[Place]) -> None:
    for kind, pk in places:
        refuse_unfit(person, Duty.INSPECTOR, kind, pk)


@registries.precondition("access.approve_inspection")
def refuse_unless_approvable(inspection: Inspection) -> None:
    refuse_unless_requested(inspection)
    inspection_rules.refuse_over(
        inspection.ref, inspection.person.printed_name, inspection.person.is_active, inspection.ends_at, now()
    )


@registries.precondition("access.refuse_inspection")
def refuse_unless_requested(inspection: Inspection) -> None:
    if inspection.state != Inspection.State.REQUESTED:
        raise WrongState(
            f"{inspection.ref} was decided already.",
            fact=stands(inspection.word),
            rule="inspection-state",
            who=["nobody; it can be asked for anew"],
        )


def _locked(act: Act, inspection_id: int) -> Inspection:
    # The person row first, as in every act on what a person holds.
    act.lock(User.objects.all(), pk__in=Inspection.objects.filter(pk=inspection_id).values("person_id"))
    found: Inspection = act.lock(Inspection.objects.select_related("person", "requester"), pk=inspection_id)
    act.allow(found)
    return found


@act("access.approve_inspection")
def approve_inspection(act: Act, inspection_id: int) -> Inspection:
    """Approve: one duty of inspector for each place, and what the person looks at is entered from now on."""
    found, moment = _locked(act, inspection_id), now()
    places = list(found.places.all())
    _refuse_unfit(found.person, [(each.scope_kind, each.scope_id) for each in places])
    for each in places:
        _end_open(act, found.person, each)
        assignment = act.create(
            Assignment,
            person=found.person,
            duty=Duty.INSPECTOR,
            scope_kind=each.scope_kind,
            scope_id=each.scope_id,
            state=Assignment.State.APPROVED,
            starts_at=found.starts_at,
            ends_at=found.ends_at,
            reason=f"{found.ref}, {found.authority}: {found.purpose}",
            requester=found.requester,
            requested_at=found.requested_at,
            approver=act.user,
            decided_at=moment,
        )
        project_grant(assignment, granted=True)
        act.write(each, assignment=assignment)
    watch(act, found.person)
    act.write(found, state=Inspection.State.APPROVED, approver=act.user, decided_at=moment)
    act.event(person=found.person.username, until=f"{found.ends_at:%Y-%m-%d %H:%M} UTC")
    return found


def _end_open(act: Act, person: User, place: InspectionPlace) -> None:
    """Only one duty of a kind may be open on a place: an earlier inspection of it gives way to this one."""
    same = Assignment.objects.select_for_update().filter(
        person=person, duty=Duty.INSPECTOR, state__in=["requested", "approved"]
    )
    for earlier in same.on(place.scope_kind, place.scope_id):
        in_time = earlier.ends_at is None or earlier.ends_at > now()
        until = now() if in_time and earlier.starts_at < now() else earlier.ends_at
        told = f"{place.inspection.ref} took its place"
        act.end(earlier, state=Assignment.State.ENDED, ends_at=until, why=told)
        project_grant(earlier, granted=False)


def watch(act: Act, person: User) -> None:
    """From now on requests of this account are looked at for the inspector's log (`User.inspects`)."""
    if not person.inspects:
        act.write(person, inspects=True)


@act("access.refuse_inspection")
def refuse_inspection(act: Act, inspection_id: int) -> Inspection:
    """Refuse, with a reason."""
    found = _locked(act, inspection_id)
    return act.end(found, state=Inspection.State.REFUSED, decided_at=now())


@registries.precondition("access.end_inspection")
def refuse_unless_open(inspection: Inspection) -> None:
    if inspection.state != Inspection.State.APPROVED or inspection.ends_at <= now():
        raise WrongState(
            f"{inspection.ref} is not open.",
            fact=stands(inspection.word),
            rule="inspection-state",
            who=["nobody"],
        )


@act("access.end_inspection")
def end_inspection(act: Act, inspection_id: int) -> Inspection:
    """End it now: the inspector sees nothing from this moment, and a download under way stops."""
    found, moment = _locked(act, inspection_id), now()
    for each in found.places.exclude(assignment=None).select_related("assignment__person"):
        assignment = each.assignment
        assert assignment is not None
        if assignment.state == Assignment.State.APPROVED:
            until = moment if assignment.starts_at < moment else assignment.ends_at
            act.end(assignment, state=Assignment.State.ENDED, ends_at=until, why=f"{found.ref} was ended")
            project_grant(assignment, granted=False)
    return act.end(found, state=Inspection.State.ENDED)


# ---------------------------------------------------------------- what they looked at, what they took away


@act("access.look")
def look(
    act: Act,
    *,
    page: str,
    path: str,
    record: str,
    status: int,
    method: str = "GET",
    as_of: datetime | None = None,
) -> User:
    """Enter one page view of an inspector: URL name, address, what it names, how it was answered, as of when."""
    act.allow(act.user)
    if as_of is not None:
        act.event(as_of=iso(as_of))
    act.event(page=page[:80], path=path[:500], record=record[:200], status=status, method=method[:8])
    return act.user


@registries.precondition("access.take_copy")
def refuse_without_access(person: User) -> None:
    """Asked when a copy is numbered, and again while its bytes leave."""
    if not inspecting(person):
        raise NotAllowed(
            "No copy is handed out.",
            fact="Your access as an inspector has ended.",
            rule="PC07: an inspector's access ends",
            who=["a compliance officer, who can have it given anew"],
        )


@act("access.take_copy")
def take_copy(
    act: Act,
    *,
    file_name: str,
    sha256: str,
    size: int,
    content_type: str,
    page: str,
    record: str,
    path: str,
) -> Copy:
    """Give the next copy number to these bytes, before the first of them leaves. sha256: hex; size: bytes."""
    act.allow(act.user)
    made = act.create(
        Copy,
        number=next_number(Copy.subject_kind),
        person=act.user,
        file_name=file_name[:200],
        file_sha256=sha256,
        file_size=size,
        content_type=content_type[:120],
        page=page[:80],
        record=record[:200],
        address=path[:500],
        handed_at=now(),
    )
    act.event(copy=made.number, file=file_name[:200], sha256=sha256, size=size, path=path[:500])
    return made


@act("access.spoil_copy")
def spoil_copy(act: Act, copy_id: int, *, because: str) -> Copy:
    """The copy did not reach the inspector whole: its number stays, and says so."""
    found = act.lock(Copy.objects.select_related("person"), pk=copy_id)
    act.allow(found)
    act.own(found.person)
    act.event(copy=found.number, because=because[:300])
    return act.write(found, state=Copy.State.SPOILT, spoilt_because=because[:300])


@act("access.export_register")
def export_register(act: Act, *, register: str, asked: dict[str, str], count: int, form: str) -> Organisation:
    """Enter that a register was taken away, before its first byte leaves. `asked`: the filter, label to value."""
    act.allow(ORGANISATION_SUBJECT)
    act.event(register=register, filter=dict(asked), count=count, form=form)
    return ORGANISATION_SUBJECT
