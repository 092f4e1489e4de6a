"""States of a pack."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


WORDS = {State.QUEUED: "Queued or being built", State.DONE: "Ready", State.FAILED: "Failed"}
