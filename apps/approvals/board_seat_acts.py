"""Seats on review boards: asked for by one person, approved by another, refused or ended."""

from __future__ import annotations

from datetime import datetime

from apps.access.acting import Act, act
from apps.access.assigning import refuse_unfit_seat
from apps.access.duties import SEAT
from apps.accounts.models import User
from apps.approvals.board_models import Board, BoardMember
from apps.approvals.board_states import Function, MemberState
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, WrongState
from apps.core.rulewords import stands


@act("approvals.request_seat")
def request_seat(
    act: Act,
    board_id: int,
    *,
    person_id: int,
    function: str,
    chair: bool = False,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
) -> BoardMember:
    """Ask for a person's seat on a board; somebody else approves it (DY17).

    Refused: an account that is not active, a function not known, an end before its start; a second seat; a person who
    holds or was requested a duty that the rules keep apart from deciding and signing (ST1, ST2).
    """
    # The account first, as where duties are given: the two are put in order, and one of them is told of the other.
    locked = User.objects.select_for_update().filter(pk=person_id).first()
    board = act.lock(Board.objects.all(), pk=board_id)
    act.allow(board)
    starts_at = starts_at or now()
    person = locked if locked and locked.is_active and not locked.is_service else None
    problems: dict[str, list[str]] = {}
    if person is None:
        problems["person"] = ["Choose a person with an active account."]
    if function not in set(Function):
        problems["function"] = [f"Choose one of: {', '.join(Function)}."]
    if ends_at is not None and ends_at <= max(starts_at, now()):
        problems["ends_at"] = ["The end lies after the start, and in the future."]
    if problems or person is None:
        raise BadInput("The seat was not asked for.", fields=problems)
    if board.members.filter(person=person, state__in=[MemberState.REQUESTED, MemberState.APPROVED]).exists():
        raise Conflict(
            f"{person.printed_name} has a seat on {board} already.",
            fact="A person sits on a board once.",
            rule="once-only",
            who=["a compliance officer, who can end that seat first"],
        )
    act.asked(person=person.username, duty=SEAT, function=function)
    refuse_unfit_seat(person)
    member = act.create(
        BoardMember,
        board=board,
        person=person,
        function=function,
        chair=chair,
        starts_at=starts_at,
        ends_at=ends_at,
        reason=act.reason,
        requester=act.user,
        requested_at=now(),
    )
    act.about(member)
    act.event(board=board.name, person=person.username, function=function, chair=chair)
    return member


def _locked_seat(act: Act, member_id: int) -> BoardMember:
    # The account as where duties are given; then the board, as where seats are asked for: it puts two chairs in order,
    # and nobody waits in a circle.
    act.lock(User.objects.all(), pk__in=BoardMember.objects.filter(pk=member_id).values("person_id"))
    act.lock(Board.objects.all(), pk__in=BoardMember.objects.filter(pk=member_id).values("board_id"))
    member = act.lock(BoardMember.objects.select_related("board", "person", "requester"), pk=member_id)
    act.allow(member)
    act.event(board=member.board.name, person=member.person.username)
    return member


@act("approvals.approve_seat")
def approve_seat(act: Act, member_id: int) -> BoardMember:
    """Approve a seat; not by who asked for it or would sit on it. A board has one chair at any moment.

    Refused too where the receiver has come to hold a duty that the rules keep apart from a seat (ST1, ST2).
    """
    member = _locked_seat(act, member_id)
    refuse_unfit_seat(member.person)
    if member.chair:
        _refuse_second_chair(member)
    return act.write(member, state=MemberState.APPROVED, approver=act.user, decided_at=now())


def _refuse_second_chair(member: BoardMember) -> None:
    """Chairs may follow one another; also two that begin later are never in the chair together."""
    begins = max(member.starts_at, now())
    others = BoardMember.objects.filter(
        board=member.board, chair=True, state=MemberState.APPROVED, person__is_active=True
    ).exclude(ends_at__lte=begins)
    if member.ends_at is not None:
        others = others.filter(starts_at__lt=member.ends_at)
    other = others.exclude(pk=member.pk).select_related("person").order_by("starts_at", "pk").first()
    if other is None:
        return
    later = other.starts_at > now()
    since = f" from {other.starts_at:%Y-%m-%d %H:%M} UTC" if later else ""
    until = f" until {other.ends_at:%Y-%m-%d %H:%M} UTC" if other.ends_at else ""
    raise Conflict(
        f"{member.board} has a chair.",
        fact=f"{other.person.printed_name} is in the chair{since}{until}.",
        rule="one-chair",
        who=["a compliance officer, who can end that seat first"],
    )


@act("approvals.refuse_seat")
def refuse_seat(act: Act, member_id: int) -> BoardMember:
    """Refuse a seat that was asked for, with a reason."""
    return close_seat(act, _locked_seat(act, member_id), act.reason)


@act("approvals.end_seat")
def end_seat(act: Act, member_id: int) -> BoardMember:
    """End a seat now, with a reason. What was signed from it stays signed; one not begun keeps no planned end."""
    return close_seat(act, _locked_seat(act, member_id), act.reason)


def close_seat(act: Act, member: BoardMember, reason: str) -> BoardMember:
    """Refuse a locked seat that waits, or end one that was approved, inside the act that does so."""
    moment, ends_at = now(), member.ends_at
    closed = {"end_reason": reason, "closed_by": act.user, "closed_at": moment}
    if act.policy.act == "approvals.refuse_seat":
        return act.write(member, state=MemberState.REFUSED, decided_at=moment, **closed)
    if member.starts_at >= moment:
        ends_at = None
    elif ends_at is None or ends_at > moment:
        ends_at = moment
    return act.write(member, state=MemberState.ENDED, ends_at=ends_at, **closed)


@registries.precondition("approvals.approve_seat")
@registries.precondition("approvals.refuse_seat")
def refuse_unless_requested(member: BoardMember) -> None:
    _seat_in(member, (MemberState.REQUESTED,), "was decided already")


@registries.precondition("approvals.end_seat")
def refuse_unless_held(member: BoardMember) -> None:
    _seat_in(member, (MemberState.REQUESTED, MemberState.APPROVED), "has ended already")


def _seat_in(member: BoardMember, states: tuple[MemberState, ...], told: str) -> None:
    if member.state not in states:
        raise WrongState(f"This seat {told}.", fact=stands(member.get_state_display()), rule="seat-state")
