"""Seats on review boards on the sheets of access reviews and in the access register.

A seat opens the versions that its board is asked about: it stands on the sheet of each of their models, which the
owner reviews, and with the organisation's own duties. Wherever it is ended or nobody confirms it, it ends as a whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from apps.access import duties
from apps.access.register_grants import OTHER, OtherAccess
from apps.access.reviewing import GRANTS, ORGANISATION, Grants, Line, Place, line_of
from apps.access.sharing import once
from apps.approvals.board_models import Board, BoardMember
from apps.approvals.board_seat_acts import close_seat
from apps.approvals.board_sight import asked_about
from apps.approvals.board_states import FUNCTION_WORDS, Function, MemberState
from apps.core.clock import now


def _boards_by_place(places: Iterable[Place]) -> dict[Place, set[int] | None]:
    """Which boards' seats stand on the sheet of a place; None: all of them."""
    models = [pk for kind, pk in places if kind == duties.MODEL]
    found: dict[Place, set[int] | None] = {ORGANISATION: None} if ORGANISATION in set(places) else {}
    if models:
        asked = asked_about().filter(gate__version__model_id__in=models)
        for model, board in asked.values_list("gate__version__model_id", "board_id").distinct():
            boards = found.setdefault((duties.MODEL, model), set())
            if boards is not None:
                boards.add(board)
    return found


def held(places: Iterable[Place]) -> dict[Place, list[Line]]:
    """Approved seats that are in force or still to start, by place."""
    wanted = _boards_by_place(list(places))
    if not wanted:
        return {}
    rows = BoardMember.objects.filter(state=MemberState.APPROVED, person__is_active=True)
    seats = rows.exclude(ends_at__lte=now()).select_related("person", "board").order_by("pk")
    found: dict[Place, list[Line]] = {}
    for seat in seats:
        for place, boards in wanted.items():
            if boards is None or seat.board_id in boards:
                found.setdefault(place, []).append(_line(seat))
    return found


def _line(seat: BoardMember) -> Line:
    place = "in the chair" if seat.chair else "member"
    return line_of(
        seat.subject_kind,
        seat.pk,
        seat.ref,
        seat.person,
        duty="seat",
        word=f"{place} of {seat.board.name} for {seat.get_function_display().lower()}",
        since=seat.starts_at,
        until=seat.ends_at,
    )


def over(ids: list[int]) -> dict[int, str]:
    """Id -> when and why a seat is over; those that still count are left out."""
    found = {}
    for seat in BoardMember.objects.filter(pk__in=ids).select_related("person"):
        if seat.state in (MemberState.ENDED, MemberState.REFUSED):
            found[seat.pk] = f"ended meanwhile: {seat.end_reason}"
        elif seat.ends_at is not None and seat.ends_at <= now():
            found[seat.pk] = "ran out meanwhile"
        elif not seat.person.is_active:
            found[seat.pk] = "the account was deactivated meanwhile"
    return found


def _end(act: Any, pk: int, reason: str) -> None:
    close_seat(act, act.lock(BoardMember.objects.all(), pk=pk), reason)


def _at(rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    return rows.filter(
        Q(ends_at=None) | Q(ends_at__gt=moment), state=MemberState.APPROVED, starts_at__lte=moment
    )


def _told(row: Any) -> str:
    names = once(("register boards",), lambda: dict(Board.objects.values_list("pk", "name")))
    place = "chair" if row.chair else "member"
    word = FUNCTION_WORDS[Function(row.function)].lower()
    return f"BM-{row.id}, {place} of {names[row.board_id]} (B-{row.board_id}) for {word}"


GRANTS[BoardMember.subject_kind] = Grants(held, over, _end)
OTHER["seats"] = OtherAccess(
    "seats", "Seats on review boards", BoardMember, "person", _at, _told, "starts_at", "ends_at"
)
