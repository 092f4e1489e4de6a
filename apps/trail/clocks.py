"""A clock that was set back: told in the trail by the sealer, and found by the verifier where it was not told.

The times of entries and checkpoints are the database's. Order comes from leaf indexes, never from a clock, so a wrong
one loses nothing; but a reader must learn from where on the times are not to be believed.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from apps.core.clock import iso
from apps.trail.models import Checkpoint, Entry, Kind, Pending
from apps.trail.preimages import stamp

ACT = "trail.clock_set_back"
# Time services correct a clock by less than this without a word.
TOLERANCE = timedelta(seconds=5)


def tell_step_back(before: Checkpoint | None, now: datetime) -> bool:
    """Enter a seal entry when `now` lies before the newest checkpoint; whether it did.

    `waiting`: entries not yet sealed then.
    """
    if before is None or now >= before.created_at - TOLERANCE:
        return False
    from apps.trail.writer import record  # it seals with the help of the module that calls this one

    seconds = int((before.created_at - now).total_seconds())
    facts = {"size": before.size, "waiting": Pending.objects.count() + 1, "seconds": seconds}
    record(
        kind=Kind.SEAL,
        act=ACT,
        scope="organisation:0",
        reason=f"The database's clock was set back by {seconds} seconds.",
        body=facts | {"sealed_at": iso(before.created_at), "now": iso(now)},
        via="sealer",
    )
    return True


class Clock:
    """Follows the leaves of one verification: `see` for each leaf, `end` after the last."""

    def __init__(self, session: Any) -> None:
        self.session = session
        rows = Checkpoint.objects.using(session.alias).filter(size__gte=session.since).order_by("size")
        self.steps = list(rows.values_list("size", "created_at"))
        self.told = self._told()
        self.place = 1 if self.steps and self.steps[0][0] == session.since else 0
        self._limit()

    def _told(self) -> list[dict[str, Any]]:
        """What the seal entries say of clocks set back; entries that cannot be read tell nothing."""
        entries = Entry.objects.using(self.session.alias).filter(act=ACT, kind=Kind.SEAL)
        told = []
        for body in entries.values_list("body", flat=True):
            try:
                told.append(json.loads(body)["facts"])
            except (ValueError, KeyError, TypeError):
                continue  # an edited body is the finding of another detector
        return told

    def _limit(self) -> None:
        """The size and the latest believable time of the checkpoint the next leaf belongs to."""
        self.size, self.latest = 0, ""
        if self.place < len(self.steps):
            self.size, created = self.steps[self.place]
            self.latest = stamp(created + TOLERANCE)

    def see(self, index: int, entry_id: int, values: dict[str, Any]) -> None:
        """`values`: the head of the entry at leaf `index`, its time stamped."""
        while self.size and index >= self.size:
            self._close()
        if self.size and values["at"] > self.latest and not self._excused(index):
            self.session.report(
                "clock", "trail_entry", entry_id, "at", f"lies more than 5 s after its seal ({self.latest})"
            )

    def end(self) -> None:
        while self.size:
            self._close()

    def _close(self) -> None:
        """Go on to the next checkpoint; a step back between two that no seal entry tells is a finding."""
        if self.place:
            before, now = self.steps[self.place - 1][1], self.steps[self.place][1]
            told = any(one["sealed_at"] == iso(before) and one["now"] == iso(now) for one in self.told)
            if now < before - TOLERANCE and not told:
                self.session.report(
                    "clock",
                    "trail_checkpoint",
                    self.size,
                    "created_at",
                    f"lies before the checkpoint before it ({iso(before)}), and no entry tells of a clock set back",
                )
        self.place += 1
        self._limit()

    def _excused(self, index: int) -> bool:
        """Written by the clock that was wrong, sealed by the one set right: next to a step that is told."""
        return any(one["size"] <= index < one["size"] + one["waiting"] for one in self.told)
