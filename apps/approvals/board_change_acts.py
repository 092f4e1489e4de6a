"""Founding, amending and ending a review board: asked for by one person, in force once another approves (DY17)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db.models import Exists, OuterRef

from apps.access.acting import Act, act
from apps.access.gate import ORGANISATION_SUBJECT
from apps.approvals import board_rules as rules
from apps.approvals.board_models import Board, BoardChange, BoardMember, Meeting
from apps.approvals.board_seat_acts import close_seat
from apps.approvals.board_states import (
    BOARD_WORDS,
    BoardDecision,
    BoardState,
    ChangeKind,
    ChangeState,
    Function,
    MeetingState,
    MemberState,
)
from apps.approvals.board_terms import Terms, terms_of
from apps.approvals.states import GateState
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, WrongState

LIVE = (BoardState.PROPOSED, BoardState.IN_FORCE)
RULE = "board-state"


def _terms(
    name: str, purpose: str, quorum: int, required: Sequence[str], besides: Board | None = None
) -> tuple[Terms, dict[str, list[str]]]:
    """What was asked for, and what is wrong with it."""
    problems = rules.board_problems(name, purpose, quorum, required)
    terms = Terms(
        name.strip(), purpose.strip(), quorum, tuple(each for each in Function if each in set(required))
    )
    same = Board.objects.filter(name__iexact=terms.name, state__in=LIVE)
    if besides is not None:
        same = same.exclude(pk=besides.pk)
    if "name" not in problems and same.exists():
        problems["name"] = ["A board has this name already."]
    return terms, problems


def _ask(act: Act, board: Board, kind: ChangeKind, version: int, **terms: dict[str, Any]) -> BoardChange:
    change = act.create(
        BoardChange,
        board=board,
        kind=kind,
        version=version,
        reason=act.reason,
        requester=act.user,
        requested_at=now(),
        **terms,
    )
    act.event(change=change.ref, kind=kind.value, **terms)
    return change


@act("approvals.create_board")
def create_board(act: Act, *, name: str, purpose: str, quorum: int, required: Sequence[str] = ()) -> Board:
    """Ask that a review board be founded. `quorum`: members with a vote; `required`: functions among them.

    It has no seats, meets about nothing and decides nothing until somebody else approves it.
    """
    act.allow(ORGANISATION_SUBJECT)
    terms, problems = _terms(name, purpose, quorum, required)
    if problems:
        raise BadInput("The board was not asked for.", fields=problems)
    board = act.create(
        Board,
        **terms.as_data(),
        state=BoardState.PROPOSED,
        reason=act.reason,
        created_by=act.user,
        created_at=now(),
    )
    _ask(act, board, ChangeKind.FOUND, 1, after=terms.as_data())
    act.about(board)
    return board


def _locked_board(act: Act, board_id: int) -> Board:
    board = act.lock(Board.objects.all(), pk=board_id)
    act.allow(board)
    if (waiting := board.changes.filter(state=ChangeState.REQUESTED).first()) is not None:
        raise Conflict(
            f"No other change of {board} can be asked for now.",
            fact=f"{waiting.ref} waits for its approval.",
            rule="once-only",
            who=["a compliance officer, who can approve or refuse that one first"],
        )
    return board


@act("approvals.amend_board")
def amend_board(
    act: Act, board_id: int, *, name: str, purpose: str, quorum: int, required: Sequence[str] = ()
) -> BoardChange:
    """Ask that name, purpose, quorum or functions of a board be others: its next version, once approved."""
    board = _locked_board(act, board_id)
    terms, problems = _terms(name, purpose, quorum, required, besides=board)
    if not problems and terms == terms_of(board):
        problems["name"] = ["Nothing would change."]
    if problems:
        raise BadInput("The amendment was not asked for.", fields=problems)
    before = terms_of(board).as_data()
    return _ask(act, board, ChangeKind.AMEND, board.version + 1, before=before, after=terms.as_data())


@act("approvals.end_board")
def end_board(act: Act, board_id: int) -> BoardChange:
    """Ask that a board be ended, and every seat on it with it; what it decided stays decided."""
    board = _locked_board(act, board_id)
    _refuse_while_wanted(board)
    return _ask(act, board, ChangeKind.END, board.version, before=terms_of(board).as_data())


@registries.precondition("approvals.request_seat")
@registries.precondition("approvals.amend_board")
@registries.precondition("approvals.end_board")
def refuse_unless_in_force(board: Board) -> None:
    if board.state != BoardState.IN_FORCE:
        proposed = board.state == BoardState.PROPOSED
        raise WrongState(
            f"{board} is not in force.",
            fact=f"Its state is: {BOARD_WORDS[BoardState(board.state)].lower()}.",
            rule=RULE,
            who=["a compliance officer who did not ask for it, who can approve it first"]
            if proposed
            else ["nobody; another board can be founded"],
        )


def _refuse_while_wanted(board: Board) -> None:
    under_way = board.meetings.filter(state__in=[MeetingState.PLANNED, MeetingState.MINUTED]).order_by("pk")
    if (meeting := under_way.first()) is not None:
        raise WrongState(
            f"{board} cannot be ended.",
            fact=f"{meeting.ref} is under way: {meeting.get_state_display().lower()}.",
            rule=RULE,
            who=["whoever may withdraw that meeting, or its members, who sign its minute first"],
        )
    newer = Meeting.objects.filter(
        gate=OuterRef("gate"), state=MeetingState.SIGNED, number__gt=OuterRef("number")
    )
    # Once the seats have ended nobody could confirm them, and the gate would wait for ever.
    unconfirmed = board.meetings.filter(
        ~Exists(newer),
        state=MeetingState.SIGNED,
        decision=BoardDecision.CONDITIONAL,
        conditions_met_at=None,
        gate__state=GateState.OPEN,
    )
    if (meeting := unconfirmed.select_related("gate").order_by("pk").first()) is not None:
        raise WrongState(
            f"{board} cannot be ended.",
            fact=f"The conditions of {meeting.ref} on {meeting.gate.ref} are not confirmed as met yet.",
            rule=RULE,
            who=[
                "a member who voted there, who confirms them first",
                "another decision of a board on that gate",
            ],
        )


def _locked_change(act: Act, change_id: int) -> BoardChange:
    boards = BoardChange.objects.filter(pk=change_id).values("board_id")
    board = act.lock(Board.objects.all(), pk__in=boards)  # puts a change and a seat of one board in order
    change = act.lock(BoardChange.objects.select_related("requester"), pk=change_id)
    change.board = board
    act.allow(change)
    act.event(board=board.name, change=change.ref, kind=change.kind, version=change.version)
    return change


@act("approvals.approve_board_change")
def approve_board_change(act: Act, change_id: int) -> BoardChange:
    """Approve that a board is founded, amended or ended; not by who asked for it or has a seat on it."""
    change = _locked_change(act, change_id)
    board, moment = change.board, now()
    if change.kind == ChangeKind.FOUND:
        act.write(board, state=BoardState.IN_FORCE)
    elif change.kind == ChangeKind.AMEND:
        _refuse_taken_name(change)
        act.write(board, version=change.version, **change.after)
    else:
        _refuse_while_wanted(board)
        act.write(board, state=BoardState.ENDED, ended_at=moment)
        _end_seats(act, board)
    act.event(before=change.before, after=change.after)
    return act.write(change, state=ChangeState.APPROVED, decided_by=act.user, decided_at=moment)


def _refuse_taken_name(change: BoardChange) -> None:
    name = change.after["name"]
    if Board.objects.filter(name__iexact=name, state__in=LIVE).exclude(pk=change.board_id).exists():
        raise WrongState(
            f"{change.ref} cannot be approved.",
            fact=f"Another board has been named {name} meanwhile.",
            rule=RULE,
            who=["nobody; it can be refused, and asked for anew"],
        )


def _end_seats(act: Act, board: Board) -> None:
    """A board that has ended has no member: what only its seats opened is shut."""
    held = BoardMember.objects.select_for_update().filter(board=board)
    for seat in held.filter(state__in=[MemberState.REQUESTED, MemberState.APPROVED]).order_by("pk"):
        close_seat(act, seat, f"{board.ref} {board} was ended")


@act("approvals.refuse_board_change")
def refuse_board_change(act: Act, change_id: int) -> BoardChange:
    """Refuse a change of a board, with a reason; who asked for it and is a compliance officer takes it back so."""
    change = _locked_change(act, change_id)
    if change.kind == ChangeKind.FOUND:
        act.write(change.board, state=BoardState.REFUSED)
    return act.write(
        change,
        state=ChangeState.REFUSED,
        decided_by=act.user,
        decided_at=now(),
        decision_reason=act.reason,
    )


@registries.precondition("approvals.approve_board_change")
@registries.precondition("approvals.refuse_board_change")
def refuse_unless_waiting(change: BoardChange) -> None:
    if change.state != ChangeState.REQUESTED:
        when: datetime | None = change.decided_at
        raise WrongState(
            f"{change.ref} was decided already.",
            fact=f"It was {change.get_state_display().lower()} on {when:%Y-%m-%d %H:%M} UTC.",
            rule=RULE,
            who=["nobody; another change can be asked for"],
        )
