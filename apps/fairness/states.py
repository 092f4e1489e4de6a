"""States and verdicts of a bias report."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


class Verdict(enum.StrEnum):
    WITHIN = "within"
    BREACHED = "breached"
    UNDECIDED = "undecided"


WORDS = {State.QUEUED: "Queued or running", State.DONE: "Done", State.FAILED: "Failed"}
VERDICT_WORDS = {
    Verdict.WITHIN: "Within limits",
    Verdict.BREACHED: "Limit breached",
    Verdict.UNDECIDED: "Too little data to tell",
}
