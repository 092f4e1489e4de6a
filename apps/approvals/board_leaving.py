"""Seats on review boards that a leaver holds or was asked for."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from apps.access.leftovers import LEFT, Leftover, Thing
from apps.accounts.models import User
from apps.approvals.board_models import BoardMember
from apps.approvals.board_seat_acts import close_seat
from apps.approvals.board_states import MemberState
from apps.core.clock import now


def held(person: User) -> list[Thing]:
    rows = BoardMember.objects.filter(
        Q(ends_at=None) | Q(ends_at__gt=now()),
        person=person,
        state__in=[MemberState.REQUESTED, MemberState.APPROVED],
    )
    return [
        Thing(row, f"{row.board.name}, {row.get_function_display().lower()}", row.ends_at)
        for row in rows.select_related("board", "person")
    ]


def end(act: Any, seat: BoardMember, reason: str) -> None:
    close_seat(act, act.lock(BoardMember.objects.all(), pk=seat.pk), reason)


LEFT[BoardMember.subject_kind] = Leftover("Seats on review boards", held, end)
