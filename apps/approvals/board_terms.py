"""Name, purpose and quorum of a board: as it is, and as it was at a moment past."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from apps.approvals.board_models import Board
from apps.approvals.board_states import ChangeKind, ChangeState


@dataclass(frozen=True)
class Terms:
    """What a change of a board changes. required: functions that must vote."""

    name: str
    purpose: str
    quorum: int
    required: tuple[str, ...]

    def as_data(self) -> dict[str, Any]:
        return asdict(self) | {"required": list(self.required)}


def terms_of(board: Board) -> Terms:
    return Terms(board.name, board.purpose, board.quorum, tuple(board.required))


def terms_at(board: Board, moment: datetime) -> tuple[int, Terms]:
    """(version, terms) in force at `moment`: what the first amendment approved after it replaced, else those of now."""
    later = board.changes.filter(kind=ChangeKind.AMEND, state=ChangeState.APPROVED, decided_at__gt=moment)
    change = later.order_by("pk").first()
    if change is None:
        return board.version, terms_of(board)
    before = change.before
    return change.version - 1, Terms(
        before["name"], before["purpose"], before["quorum"], tuple(before["required"])
    )
