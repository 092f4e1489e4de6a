"""States and verdicts of a bias report."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Verdict(enum.StrEnum):
    WITHIN = "within"
    BREACHED = "breached"
    UNDECIDED = "undecided"


class NoteKind(enum.StrEnum):
    REMEDIATION = "remediation"
    FEEDBACK = "feedback"


NOTE_WORDS = {
    NoteKind.REMEDIATION: "Remediation: what was changed because of the report",
    NoteKind.FEEDBACK: "Feedback: what users or the people concerned said, and what follows",
}
WORDS = {
    State.QUEUED: "Queued or running",
    State.DONE: "Done",
    State.FAILED: "Failed",
    State.CANCELLED: "Cancelled",
}
FACTS = {
    State.QUEUED: "It is queued or running.",
    State.DONE: "It is done.",
    State.FAILED: "It failed.",
    State.CANCELLED: "It was cancelled.",
}
VERDICT_WORDS = {
    Verdict.WITHIN: "Within limits",
    Verdict.BREACHED: "Limit breached",
    Verdict.UNDECIDED: "Too little data to tell",
}
