"""The demo's review board: founded, seated, asked about a version of high tier; a decision signed, a meeting ahead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

from apps.access.signing import SignatureInput, content_digest
from apps.accounts.models import User
from apps.approvals import board_acts, board_change_acts, board_seat_acts
from apps.approvals.board_models import Board, BoardMember, Meeting
from apps.approvals.board_states import BoardState, ChangeState, MeetingState, MemberState
from apps.approvals.models import Gate
from apps.core import blobs
from apps.core.clock import now
from portal.demo import people
from portal.demo.people import PASSWORD

NAME = "Clinical model board"
# username -> (function, in the chair). R. Silva made the model: he attends without a vote, and the portal says why.
SEATS = {
    "kadeyemi": ("security", True),
    "dwagner": ("domain", False),
    "ysato": ("ethics", False),
    "rsilva": ("product", False),
}
MINUTE = (
    "The validation report, the bias report and the residual risk were read. Asked: what happens when the flag holds a "
    "dispensing and the physician cannot be reached. Answer: the hold ends by itself after two working days. The board "
    "wants that in the instructions for use before the release."
)
CONDITIONS = (
    "The instructions for use say that a hold ends by itself after two working days, and who is told."
)


def meet(gate: Gate, everybody: Mapping[str, User], say: Callable[[str], None]) -> None:
    """What is missing of it, by the acts and people that it takes anywhere."""
    registrar, compliance, owner = (
        everybody[people.by_duty(duty).username] for duty in ("registrar", "compliance", "owner")
    )
    board = _founded(registrar, compliance, say)
    for username, (function, chair) in SEATS.items():
        _seated(board, everybody[username], function, chair, registrar, compliance)
    first = Meeting.objects.filter(gate=gate).order_by("number").first()
    if first is None:
        say(f"Putting {gate.version.ref} before the review board")
        agenda = f"May {gate.version.ref} hold dispensings on its own?"
        first = board_acts.plan_meeting(owner, gate.pk, board_id=board.pk, held_at=now(), agenda=agenda)
    if first.state == MeetingState.PLANNED:
        paper = blobs.put(f"{NAME}: signed minute of {first.ref}\n\n{MINUTE}\n\n{CONDITIONS}\n".encode())
        board_acts.record_meeting(
            owner,
            first.pk,
            attended=list(BoardMember.objects.in_force().filter(board=board).values_list("pk", flat=True)),
            minute=MINUTE,
            decision="conditional",
            conditions=CONDITIONS,
            file_name=f"{first.ref}-signed.txt",
            file_digest=paper.digest,
        )
    first = Meeting.objects.get(pk=first.pk)
    if first.chair_signature is None:
        board_acts.sign_minute_chair(everybody["kadeyemi"], first.pk, signature=_signature(first.pk))
    if first.member_signature is None:
        board_acts.sign_minute_member(everybody["dwagner"], first.pk, signature=_signature(first.pk))
    if not Meeting.objects.filter(gate=gate).exclude(pk=first.pk).exists():
        agenda = f"Are the conditions of {first.ref} met?"
        board_acts.plan_meeting(
            owner, gate.pk, board_id=board.pk, held_at=now() + timedelta(days=7), agenda=agenda
        )


def _founded(registrar: User, compliance: User, say: Callable[[str], None]) -> Board:
    board = Board.objects.filter(name=NAME).exclude(state=BoardState.REFUSED).first()
    if board is None:
        say("Founding the review board")
        board = board_change_acts.create_board(
            registrar,
            name=NAME,
            purpose="Decides about releases of high tier before they are signed, by procedure QP-12.",
            quorum=3,
            required=["security", "domain", "ethics"],
            reason="Procedure QP-12 asks for a board from the high tier on",
        )
    if (change := board.changes.filter(state=ChangeState.REQUESTED).first()) is not None:
        board_change_acts.approve_board_change(compliance, change.pk)
    return Board.objects.get(pk=board.pk)


def _seated(
    board: Board, person: User, function: str, chair: bool, registrar: User, compliance: User
) -> None:
    seat = board.members.filter(person=person).first()
    if seat is None:
        seat = board_seat_acts.request_seat(
            registrar,
            board.pk,
            person_id=person.pk,
            function=function,
            chair=chair,
            reason=f"Sits for {function}",
        )
    if seat.state == MemberState.REQUESTED:
        board_seat_acts.approve_seat(compliance, seat.pk)


def _signature(meeting_id: int) -> SignatureInput:
    """What a member enters: the digest they were shown and their password."""
    rows: Any = Meeting.objects.select_related("board", "gate__version__model")
    return SignatureInput(digest=content_digest(rows.get(pk=meeting_id)), password=PASSWORD)
