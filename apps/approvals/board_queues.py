"""The queues of review boards: changes and seats to approve, minutes to sign."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q

from apps.access.owing import prime_owing
from apps.access.waiting import Queue, Row, columns, loaded, partly, queue
from apps.accounts.models import User
from apps.approvals.board_models import Board, BoardChange, BoardMember, Meeting
from apps.approvals.board_states import ChangeState, MeetingState, MemberState
from apps.core.errors import NotAllowed

queue(
    Queue(
        key="board_changes",
        one="change of a review board to approve",
        many="changes of review boards to approve",
        record=BoardChange,
        waits=lambda: Q(state=ChangeState.REQUESTED),
        since="requested_at",
        acts=lambda _c: ("approvals.approve_board_change",),
        otherwise="approvals.refuse_board_change",
        make=lambda rows, _people: loaded(rows, BoardChange.objects.select_related("board", "requester")),
        what=lambda c: f"{c.ref}: {c}",
        asked_by=lambda c: c.requester,
        path=lambda c: f"/boards/{c.board_id}/#changes",
    )
)


SEATS = columns("n1=person_id n2=requester_id n3=board_id t1=function t2=state t3=board__name d1=ends_at")


def _seats(rows: list[Row], people: Mapping[int, User]) -> list[BoardMember]:
    found = []
    for row in rows:
        made = partly(BoardMember, row, SEATS, since="requested_at", due="starts_at")
        made.person, made.requester = people[row["n1"]], people[row["n2"]]
        made.board = partly(Board, {**row, "id": row["n3"]}, {"t3": "name"})
        found.append(made)
    prime_owing({each.person_id for each in found})
    return found


queue(
    Queue(
        key="seats",
        one="seat on a review board to approve",
        many="seats on review boards to approve",
        record=BoardMember,
        waits=lambda: Q(state=MemberState.REQUESTED),
        since="requested_at",
        due="starts_at",
        columns=SEATS,
        people=("n1", "n2"),
        acts=lambda _s: ("approvals.approve_seat",),
        otherwise="approvals.refuse_seat",
        make=_seats,
        what=lambda s: f"{s.ref}: {s.person.printed_name} on {s.board}, {s.get_function_display().lower()}",
        asked_by=lambda s: s.requester,
        path=lambda s: f"/boards/{s.board_id}/",
    )
)


def voters(meeting: Meeting, act: str) -> list[User]:
    """Who may sign this half of a minute: who voted, from a seat still in force, and has not signed the other half."""
    signed = {each.signer_id for each in meeting.signatures}
    rows = [each for each in meeting.attendance.all() if each.votes and each.member.person_id not in signed]
    if act == "approvals.sign_minute_chair":
        rows = [each for each in rows if each.member.chair]
    held = set(
        BoardMember.objects.in_force()
        .filter(pk__in=[each.member_id for each in rows])
        .values_list("pk", flat=True)
    )
    return [each.member.person for each in rows if each.member_id in held]


def _not_asked(person: User, meeting: Meeting, act: str) -> NotAllowed | None:
    if any(each.pk == person.pk for each in voters(meeting, act)):
        return None
    return NotAllowed("It is not yours to sign.", rule="board: who voted signs the minute")


def _halves(meeting: Meeting) -> tuple[str, ...]:
    halves = (("chair", meeting.chair_signature_id), ("member", meeting.member_signature_id))
    return tuple(f"approvals.sign_minute_{half}" for half, given in halves if given is None)


def _meetings(rows: list[Row], _people: Mapping[int, User]) -> list[Meeting]:
    whole = Meeting.objects.select_related(
        "board",
        "gate__version__model",
        "gate__version__intended_use",
        "chair_signature",
        "member_signature",
        "minuted_by",
    )
    return loaded(rows, whole.prefetch_related("attendance__member__person"))


queue(
    Queue(
        key="minutes",
        one="minute of a review board to sign",
        many="minutes of review boards to sign",
        record=Meeting,
        waits=lambda: Q(state=MeetingState.MINUTED),
        since="minuted_at",
        acts=_halves,
        make=_meetings,
        what=lambda m: f"{m} on {m.gate.version.ref}",
        asked_by=lambda m: m.minuted_by,
        path=lambda m: f"/boards/meetings/{m.number}/",
        further=_not_asked,
        able=voters,
    )
)
