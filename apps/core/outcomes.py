"""The outcome of one gate check: one of ten states, with its evidence and its reason."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field


class CheckState(enum.StrEnum):
    """Ten states; open ones first in the order in which a page lists them."""

    NOT_MET = "not_met"
    STUCK = "stuck"
    NEEDS_YOU = "needs_you"
    OUT_OF_DATE = "out_of_date"
    WAITING = "waiting"
    RUNNING = "running"
    NOT_STARTED = "not_started"
    MET = "met"
    BY_DEVIATION = "by_deviation"
    NOT_APPLICABLE = "not_applicable"

    @property
    def closed(self) -> bool:
        return self in CLOSED


CLOSED = frozenset({CheckState.MET, CheckState.BY_DEVIATION, CheckState.NOT_APPLICABLE})
WORDS = {
    CheckState.NOT_MET: "Not met",
    CheckState.STUCK: "Stuck",
    CheckState.NEEDS_YOU: "Needs you",
    CheckState.OUT_OF_DATE: "Out of date",
    CheckState.WAITING: "Waiting",
    CheckState.RUNNING: "Running",
    CheckState.NOT_STARTED: "Not started",
    CheckState.MET: "Met",
    CheckState.BY_DEVIATION: "Accepted by deviation",
    CheckState.NOT_APPLICABLE: "Not applicable",
}


@dataclass(frozen=True)
class Outcome:
    """What a check found. `needs` names the act and subject that would close it, for who-may-do-it."""

    state: CheckState
    evidence: str = ""  # value with unit, n and interval; record and version
    why: str = ""  # one plain reason
    rule: str = ""
    refs: tuple[str, ...] = ()  # record refs shown as links
    digests: tuple[str, ...] = ()  # digests of the evidence, kept in the snapshot
    needs: tuple[tuple[str, str, int], ...] = field(default=())  # (act, subject kind, subject id)
