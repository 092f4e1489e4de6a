"""A review board of the cast, made through acts."""

from __future__ import annotations

from datetime import timedelta

from apps.approvals import board_acts, board_change_acts, board_seat_acts
from apps.approvals.board_models import Board, BoardChange, BoardMember, Meeting
from apps.approvals.models import Gate
from apps.core.clock import now
from tests.cast import World
from tests.factories.evidence import signed

SEATS = {  # person -> (function, chair)
    "security": ("security", True),
    "process_expert": ("domain", False),
    "stranger": ("ethics", False),
    "author": ("product", False),
}
SEATED = {
    name: SEATS[name] for name in ("security", "process_expert")
}  # a quorum of people with duties there


def seat(
    world: World, board: Board, person: str, function: str, *, chair: bool = False, **rest
) -> BoardMember:
    asked = board_seat_acts.request_seat(
        world.registrar,
        board.pk,
        person_id=world.people[person].pk,
        function=function,
        chair=chair,
        reason="Sits for the function",
        **rest,
    )
    return board_seat_acts.approve_seat(world.compliance, asked.pk)


def proposed(world: World, **changes) -> Board:
    """A board that somebody else has not approved yet."""
    given = {"name": "Release board", "purpose": "Releases of high tier", "quorum": 2, "required": ["domain"]}
    return board_change_acts.create_board(world.registrar, **(given | changes), reason="Procedure QP-12")


def open_change(board: Board) -> BoardChange:
    return board.changes.get(state="requested")


def approved(world: World, board: Board) -> Board:
    """The change of the board that waits is approved by another person."""
    board_change_acts.approve_board_change(world.compliance, open_change(board).pk)
    return Board.objects.get(pk=board.pk)


def amended(world: World, board: Board, **changes) -> BoardChange:
    """An amendment asked for; not in force yet."""
    given = {"name": board.name, "purpose": board.purpose, "quorum": 3, "required": board.required}
    return board_change_acts.amend_board(
        world.registrar, board.pk, **(given | changes), reason="QP-12, rev. 2"
    )


def founded(world: World, members: dict[str, tuple[str, bool]] | None = None, **changes) -> Board:
    """Four members; two with a vote and the domain among them are a quorum."""
    board = approved(world, proposed(world, **changes))
    for person, (function, chair) in (SEATS if members is None else members).items():
        seat(world, board, person, function, chair=chair)
    return board


def seats(board: Board, *people: str) -> list[int]:
    held = dict(board.members.values_list("person__username", "pk"))
    return [held[person] for person in people]


def planned(world: World, gate: Gate, board: Board) -> Meeting:
    return board_acts.plan_meeting(
        world.owner, gate.pk, board_id=board.pk, held_at=now(), agenda="May this version be released?"
    )


def minuted(world: World, meeting: Meeting, *people: str, **changes) -> Meeting:
    given = {
        "attended": seats(meeting.board, *(people or ("security", "process_expert", "stranger"))),
        "minute": "The evidence was read; nobody objected.",
        "decision": "approve",
    }
    return board_acts.record_meeting(world.owner, meeting.pk, **(given | changes))


def signed_by_two(world: World, meeting: Meeting, second: str = "process_expert") -> Meeting:
    board_acts.sign_minute_chair(world.security, meeting.pk, signature=signed(meeting))
    return board_acts.sign_minute_member(world.people[second], meeting.pk, signature=signed(meeting))


def decided(world: World, gate: Gate, board: Board, **changes) -> Meeting:
    return signed_by_two(world, minuted(world, planned(world, gate, board), **changes))


LATER = timedelta(days=1)
