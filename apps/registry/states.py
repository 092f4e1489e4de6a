"""States of a model version and the moves between them; tiers by influence and consequence."""

from __future__ import annotations

import enum


class State(enum.StrEnum):
    REGISTERED = "registered"
    FROZEN = "frozen"
    PLAN_APPROVED = "plan_approved"
    VALIDATED = "validated"
    RELEASED = "released"
    REJECTED = "rejected"
    SUSPENDED = "suspended"


WORDS = {
    State.REGISTERED: "Registered",
    State.FROZEN: "Frozen",
    State.PLAN_APPROVED: "Plan approved",
    State.VALIDATED: "Validated",
    State.RELEASED: "Released",
    State.REJECTED: "Rejected",
    State.SUSPENDED: "Suspended",
}

# (state, verb) -> state. A version never moves back past Frozen; a changed artefact is a new version.
TRANSITIONS: dict[tuple[State, str], State] = {
    (State.REGISTERED, "freeze"): State.FROZEN,
    (State.FROZEN, "lock_plan"): State.PLAN_APPROVED,
    (State.PLAN_APPROVED, "replace_plan"): State.FROZEN,
    (State.VALIDATED, "replace_plan"): State.FROZEN,
    (State.PLAN_APPROVED, "finish_run"): State.VALIDATED,
    (State.VALIDATED, "finish_run"): State.VALIDATED,
    (State.VALIDATED, "release"): State.RELEASED,
    (State.FROZEN, "reject"): State.REJECTED,
    (State.PLAN_APPROVED, "reject"): State.REJECTED,
    (State.VALIDATED, "reject"): State.REJECTED,
    (State.RELEASED, "suspend"): State.SUSPENDED,
}


class Format(enum.StrEnum):
    ONNX = "onnx"
    SKOPS = "skops"


class Level(enum.StrEnum):
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


_ORDER = [Level.LOW, Level.MEDIUM, Level.HIGH]
# influence of the model × consequence of a wrong decision -> tier (FDA credibility draft, step 3)
_GRID = {
    (Level.LOW, Level.LOW): Level.LOW,
    (Level.LOW, Level.MEDIUM): Level.LOW,
    (Level.LOW, Level.HIGH): Level.MEDIUM,
    (Level.MEDIUM, Level.LOW): Level.LOW,
    (Level.MEDIUM, Level.MEDIUM): Level.MEDIUM,
    (Level.MEDIUM, Level.HIGH): Level.HIGH,
    (Level.HIGH, Level.LOW): Level.MEDIUM,
    (Level.HIGH, Level.MEDIUM): Level.HIGH,
    (Level.HIGH, Level.HIGH): Level.HIGH,
}


def tier(influence: str, consequence: str, *, raised: bool = False, gmp_critical: bool = False) -> Level:
    """Risk tier; `raised` by vulnerable people, no later detection or first use. GMP-critical: at least medium."""
    found = _GRID[Level(influence), Level(consequence)]
    if raised:
        found = _ORDER[min(_ORDER.index(found) + 1, 2)]
    if gmp_critical and found is Level.LOW:
        found = Level.MEDIUM
    return found
