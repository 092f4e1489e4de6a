"""Meetings of review boards: planned, minuted, signed by two; what a board decides about a release."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apps.access.acting import Act, act
from apps.access.assigning import shut_to
from apps.access.duties import SEAT, told
from apps.access.gate import Judge
from apps.access.separation import StaticRule
from apps.approvals import board_rules as rules
from apps.approvals.board_facts import about, seat_told, wants_board
from apps.approvals.board_models import Attendance, Board, BoardMember, Meeting
from apps.approvals.board_states import BoardState, MeetingState
from apps.approvals.board_terms import terms_at
from apps.approvals.loading import minute_of
from apps.approvals.models import Gate
from apps.approvals.states import GateState
from apps.core import blobs, registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, WrongState
from apps.core.numbers import next_number

Shut = dict[int, tuple[StaticRule, str]]
VOTING = frozenset({"approve"})  # a vote on a release counts as approving it, for separation


@act("approvals.plan_meeting")
def plan_meeting(act: Act, gate_id: int, *, board_id: int, held_at: datetime, agenda: str) -> Meeting:
    """Put a version's release gate before a board."""
    gate = act.lock(Gate.objects.select_related("version__model", "version__intended_use"), pk=gate_id)
    act.allow(gate)
    # Locked: a board is not ended while it is put before something.
    board = Board.objects.select_for_update().filter(pk=board_id, state=BoardState.IN_FORCE).first()
    problems: dict[str, list[str]] = {}
    if board is None:
        problems["board"] = ["Choose a board that is in force."]
    if not agenda.strip() or len(agenda) > rules.MAX_TEXT:
        problems["agenda"] = [f"Say what the board is asked, in at most {rules.MAX_TEXT:,} characters."]
    if early := rules.held_problem(held_at, gate.opened_at):
        problems["held_at"] = [early]
    if problems or board is None:
        raise BadInput("The meeting was not planned.", fields=problems)
    meeting = act.create(
        Meeting,
        number=next_number(Meeting.subject_kind),
        board=board,
        gate=gate,
        agenda=agenda.strip(),
        held_at=held_at,
        planned_by=act.user,
        planned_at=now(),
    )
    act.about(meeting)
    act.event(board=board.name, version=gate.version.ref)
    return meeting


@registries.precondition("approvals.plan_meeting")
def gate_takes_meetings(gate: Gate) -> None:
    if gate.state != GateState.OPEN:
        raise WrongState("This gate is decided.", fact=f"It is {gate.state}.", rule="G7")
    if not wants_board(gate):
        raise WrongState(
            "This gate wants no board.",
            fact=f"Its template {gate.template} has no line for a review board.",
            rule="G7",
            who=["nobody; the signatures it names decide"],
        )


def _locked_meeting(act: Act, number_or_pk: int) -> Meeting:
    rows = Meeting.objects.select_related(
        "board", "gate__version__model", "gate__version__intended_use", "chair_signature", "member_signature"
    )
    meeting = act.lock(rows, pk=number_or_pk)
    act.lock(
        type(meeting.gate.version).objects.all(), pk=meeting.gate.version_id
    )  # it stays as the board sees it
    act.allow(meeting)
    return meeting


@act("approvals.record_meeting")
def record_meeting(
    act: Act,
    meeting_id: int,
    *,
    attended: Sequence[int],
    minute: str,
    decision: str,
    conditions: str = "",
    held_at: datetime | None = None,
    file_name: str = "",
    file_digest: str = "",
) -> Meeting:
    """Record the minute of a meeting that was held: who attended, what was decided, about the version as it is.

    held_at: when it was held; none: as planned. attended: ids of seats in force at that time. Who may not approve
    this version by what they did on it, or may have no seat by what they hold now, attends without a vote; the quorum
    counts votes, by the board's terms at that time. Refused: no quorum, a seat not in force, a seat twice, a time
    before the gate was opened or in the future.
    """
    meeting = _locked_meeting(act, meeting_id)
    version, board = meeting.gate.version, meeting.board
    problems = rules.minute_problems(minute, decision, conditions)
    held_at = held_at or meeting.held_at
    if wrong := rules.held_problem(held_at, meeting.gate.opened_at, now()):
        problems["held_at"] = [wrong]
    if file_digest and not blobs.exists(file_digest):
        problems["file"] = ["Upload the file first."]
    seats = [] if wrong else _seats(board, held_at, attended, problems)
    shut, judge = shut_to([seat.person_id for seat in seats], SEAT), Judge(version)
    recused = {seat.pk: _recused(seat, judge, shut) for seat in seats}
    voting = [seat.function for seat in seats if not recused[seat.pk]]
    judged = not {"attended", "held_at"} & problems.keys()
    in_version, terms = terms_at(board, held_at)
    if judged and (missing := rules.quorum_problem(terms.quorum, terms.required, voting)):
        problems["attended"] = [missing]
    if problems:
        raise BadInput(
            "The minute was not recorded.",
            rule="quorum" if "attended" in problems else "input",
            fields=problems,
        )
    for seat in seats:
        act.create(
            Attendance,
            meeting=meeting,
            member=seat,
            printed_name=seat.person.printed_name,
            votes=not recused[seat.pk],
            recused_because=recused[seat.pk],
        )
    act.write(
        meeting,
        state=MeetingState.MINUTED,
        held_at=held_at,
        minute=minute.strip(),
        decision=decision,
        conditions=conditions.strip(),
        file_name=file_name[:200],
        file_digest=file_digest,
        about=about(version),
        quorum={
            "members": terms.quorum,
            "functions": list(terms.required),
            "board": terms.name,
            "version": in_version,
        },
        minuted_by=act.user,
        minuted_at=now(),
    )
    act.event(decision=decision, voting=len(voting), recused=len(seats) - len(voting), version=version.ref)
    return meeting


def _recused(seat: BoardMember, judge: Judge, shut: Shut) -> str:
    """The rule by which the member attends without a vote: what they did on the version, or hold besides the seat."""
    broken, _ = judge.judged(seat.person, VOTING)
    rule = broken.rule if broken else shut[seat.person_id][0] if seat.person_id in shut else None
    return f"{rule.id}: {rule.text}" if rule else ""


def _seats(
    board: Board, at: datetime, attended: Sequence[int], problems: dict[str, list[str]]
) -> list[BoardMember]:
    held = BoardMember.objects.in_force(at).filter(board=board, pk__in=set(attended)).select_related("person")
    seats = list(held.order_by("pk"))
    if len(set(attended)) != len(attended):
        problems["attended"] = ["A member is named twice."]
    elif len(seats) != len(attended):
        problems["attended"] = [
            f"Name members of {board} whose seats were in force on {at:%Y-%m-%d %H:%M} UTC."
        ]
    return seats


@registries.precondition("approvals.record_meeting")
def refuse_unless_planned(meeting: Meeting) -> None:
    rules.in_state(meeting.ref, meeting.state, MeetingState.PLANNED, "minuted")
    if meeting.gate.state != GateState.OPEN:
        raise WrongState("This gate is decided.", fact=f"It is {meeting.gate.state}.", rule="G7")


@dataclass(frozen=True)
class MinuteFile:
    """The file beside a minute: its name, the digest it was checked against, and where its bytes lie."""

    name: str
    digest: str
    path: Path


@act("approvals.read_minute_file")
def read_minute_file(act: Act, meeting_id: int) -> MinuteFile:
    """Take away the file that was put beside the minute; every fetching is entered."""
    meeting = act.lock(Meeting.objects.select_related("gate__version__model"), pk=meeting_id)
    act.allow(meeting)
    if not blobs.verify(meeting.file_digest):
        raise blobs.damaged(blobs.BlobDamaged(f"the file of {meeting.ref} differs from its digest"))
    act.event(file=meeting.file_name, digest=meeting.file_digest)
    return MinuteFile(meeting.file_name, meeting.file_digest, blobs.path(meeting.file_digest))


@registries.precondition("approvals.read_minute_file")
def refuse_without_file(meeting: Meeting) -> None:
    if not meeting.file_digest:
        raise WrongState(
            f"{meeting.ref} has no file.",
            fact="Its minute is the text in the record."
            if meeting.minuted_at
            else "Its minute is not recorded.",
            rule="meeting-file",
            who=["nobody; read the record"],
        )


@act("approvals.read_outside_minute")
def read_outside_minute(act: Act, gate_id: int) -> MinuteFile:
    """Take away the file of the minute that a board outside the portal gave; every fetching is entered."""
    gate = act.lock(Gate.objects.select_related("version__model"), pk=gate_id)
    act.allow(gate)
    minute = gate.minute
    if not blobs.verify(minute.file_digest):
        raise blobs.damaged(blobs.BlobDamaged(f"the file of {minute} differs from its digest"))
    act.event(minute=minute.number, file=minute.file_name, digest=minute.file_digest)
    return MinuteFile(minute.file_name, minute.file_digest, blobs.path(minute.file_digest))


@registries.precondition("approvals.read_outside_minute")
def refuse_without_minute(gate: Gate) -> None:
    if minute_of(gate) is None:
        raise WrongState(
            "There is no such file.",
            fact=f"No minute of a board outside the portal is recorded at the gate of {gate.version.ref}.",
            rule="meeting-file",
            who=["nobody; the decision of a board in the portal stands in its meeting"],
        )


@act("approvals.withdraw_meeting")
def withdraw_meeting(act: Act, meeting_id: int) -> Meeting:
    """Withdraw a meeting that was not held, or a minute not signed by both, with a reason. It decides nothing."""
    meeting = _locked_meeting(act, meeting_id)
    act.event(board=meeting.board.name, version=meeting.gate.version.ref)
    return act.write(meeting, state=MeetingState.WITHDRAWN, decided_at=now())


@registries.precondition("approvals.withdraw_meeting")
def refuse_unless_under_way(meeting: Meeting) -> None:
    if meeting.state != MeetingState.PLANNED:
        rules.in_state(meeting.ref, meeting.state, MeetingState.MINUTED, "withdrawn")


def _voting(act: Act, meeting: Meeting, *, chair: bool) -> BoardMember:
    """The seat by which the person voted, still in force; refused to everybody else."""
    rows = meeting.attendance.filter(votes=True).select_related("member__person")
    seat = next((each.member for each in rows if each.member.person_id == act.user.pk), None)
    able = [each.member.person.printed_name for each in rows if each.member.chair or not chair]
    cannot = f"You cannot {act.policy.label[:1].lower()}{act.policy.label[1:]} {meeting.ref}."
    if seat is None:
        because = (
            meeting.attendance.filter(member__person=act.user)
            .values_list("recused_because", flat=True)
            .first()
        )
        raise NotAllowed(
            cannot,
            fact=f"You attended without a vote ({because})."
            if because
            else "You did not attend it with a vote.",
            rule="board: who voted signs the minute",
            who=able,
        )
    if chair and not seat.chair:
        raise NotAllowed(cannot, fact="You are not in the chair.", rule="board: the chair signs", who=able)
    if not BoardMember.objects.in_force().filter(pk=seat.pk).exists():
        raise NotAllowed(
            cannot,
            fact="Your seat has ended.",
            rule="board: a seat in force",
            who=[n for n in able if n != act.user.printed_name],
        )
    if broken := shut_to([act.user.pk], SEAT).get(act.user.pk):
        rule, other = broken
        raise Conflict(
            cannot,
            fact=f"You hold {told(other)} besides your seat.",
            rule=f"{rule.id}: {rule.text}",
            who=[n for n in able if n != act.user.printed_name],
        )
    return seat


def _sign(act: Act, meeting_id: int, half: str) -> Meeting:
    meeting = _locked_meeting(act, meeting_id)
    chair = half == "chair_signature"
    seat = _voting(act, meeting, chair=chair)
    other = meeting.member_signature if chair else meeting.chair_signature
    if other is not None and other.signer_id == act.user.pk:
        raise Conflict(
            f"You cannot sign {meeting.ref} twice.",
            fact=f"You signed it on {other.signed_at:%Y-%m-%d %H:%M} UTC.",
            rule="board: two people sign",
            who=["another member who voted"],
        )
    version = meeting.gate.version
    if act.decision != "rejected":  # what is no longer about this version is rejected, never approved
        rules.same_version(meeting.about, about(version)["digest"], version.ref)
    act.refuse_if_changed(meeting)
    signature = act.sign(meeting, record_version=version.label, seat=seat_told(seat, meeting))
    act.event(decision=act.decision, board_decision=meeting.decision, version=version.ref)
    if act.decision == "rejected":
        return act.write(meeting, state=MeetingState.REJECTED, decided_at=now(), **{half: signature})
    setattr(meeting, half, signature)
    if len(meeting.signatures) == 2:
        return act.write(meeting, state=MeetingState.SIGNED, decided_at=now())
    return act.write(meeting, **{half: signature})


@act("approvals.sign_minute_chair")
def sign_minute_chair(act: Act, meeting_id: int) -> Meeting:
    """The chair signs minute and decision, or rejects the minute with a reason."""
    return _sign(act, meeting_id, "chair_signature")


@act("approvals.sign_minute_member")
def sign_minute_member(act: Act, meeting_id: int) -> Meeting:
    """A second member who voted signs minute and decision, or rejects the minute with a reason."""
    return _sign(act, meeting_id, "member_signature")


@registries.precondition("approvals.sign_minute_chair")
def refuse_unless_chair_wanted(meeting: Meeting) -> None:
    _half_wanted(meeting, "chair_signature")


@registries.precondition("approvals.sign_minute_member")
def refuse_unless_member_wanted(meeting: Meeting) -> None:
    _half_wanted(meeting, "member_signature")


def _half_wanted(meeting: Meeting, half: str) -> None:
    rules.in_state(meeting.ref, meeting.state, MeetingState.MINUTED, "signed")
    if (given := getattr(meeting, half)) is not None:
        raise WrongState(
            f"{meeting.ref} has this signature.",
            fact=f"{given.printed_name} signed on {given.signed_at:%Y-%m-%d %H:%M} UTC.",
            rule="meeting-state",
            who=["the other signer"],
        )


@act("approvals.confirm_conditions")
def confirm_conditions(act: Act, meeting_id: int) -> Meeting:
    """A member who voted confirms that the conditions of an approval are met; the reason says how."""
    meeting = _locked_meeting(act, meeting_id)
    _voting(act, meeting, chair=False)
    return act.write(meeting, conditions_met_by=act.user, conditions_met_at=now(), conditions_told=act.reason)


@registries.precondition("approvals.confirm_conditions")
def refuse_unless_conditional(meeting: Meeting) -> None:
    rules.in_state(meeting.ref, meeting.state, MeetingState.SIGNED, "confirmed")
    if not meeting.conditions or meeting.conditions_met_at is not None:
        raise WrongState(
            f"{meeting.ref} has no open conditions.", fact="Nothing is left to confirm.", rule="meeting-state"
        )
