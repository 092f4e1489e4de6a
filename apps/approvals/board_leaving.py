"""Seats on review boards that a leaver holds or was asked for."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from apps.access.leftovers import LEFT, Leftover, Thing
from apps.accounts.models import User
from apps.approvals.board_models import BoardMember
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
    """What was signed from it stays signed; one not begun keeps no planned end."""
    row, moment = act.lock(BoardMember.objects.all(), pk=seat.pk), now()
    ends_at = None if row.starts_at >= moment else moment
    act.write(row, state=MemberState.ENDED, ends_at=ends_at, end_reason=reason)


LEFT[BoardMember.subject_kind] = Leftover("Seats on review boards", held, end)
