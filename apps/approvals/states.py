"""States of a gate and of a signature slot."""

from __future__ import annotations

import enum


class GateState(enum.StrEnum):
    OPEN = "open"
    PASSED = "passed"
    REJECTED = "rejected"


class SlotState(enum.StrEnum):
    WANTED = "wanted"
    SIGNED = "signed"
    REJECTED = "rejected"


GATE_WORDS = {GateState.OPEN: "Open", GateState.PASSED: "Passed", GateState.REJECTED: "Rejected"}
SLOT_WORDS = {SlotState.WANTED: "Wanted", SlotState.SIGNED: "Signed", SlotState.REJECTED: "Rejected"}
GATE_TRANSITIONS = {
    (GateState.OPEN, "release"): GateState.PASSED,
    (GateState.OPEN, "reject"): GateState.REJECTED,
}
