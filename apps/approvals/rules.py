"""May this gate be opened, signed, decided? Pure: facts in, Refused out."""

from __future__ import annotations

from collections.abc import Sequence

from apps.approvals.states import GateState, SlotState
from apps.core.errors import WrongState
from apps.registry.states import State


def may_open(version_state: str, gate_states: Sequence[str]) -> None:
    if any(state in (GateState.OPEN, GateState.PASSED) for state in gate_states):
        raise WrongState(
            "The release gate is open already.", fact="A version has one live release gate.", rule="G7"
        )
    if version_state != State.VALIDATED:
        raise WrongState(
            "The release gate cannot be opened yet.",
            fact=f"The version is {State(version_state).replace('_', ' ')}; it needs a finished validation run first.",
            rule="G7",
            who=["validators, who run the locked plan"],
        )


def may_sign_slot(gate_state: str, slot_state: str, out_of_date: bool) -> None:
    if gate_state != GateState.OPEN:
        raise WrongState("This gate is decided.", fact=f"It is {gate_state}.", rule="G7")
    if slot_state == SlotState.SIGNED and not out_of_date:
        raise WrongState("This signature is given already, and it still matches the record.", rule="G7")


def may_approve_now(decision: str, open_checks: Sequence[str]) -> None:
    """An approval needs every check closed; a rejection may be signed at any time."""
    if decision == "approved" and open_checks:
        raise WrongState(
            "It cannot be approved yet.",
            fact=f"Open: {'; '.join(open_checks)}.",
            rule="G7",
            who=["those named beside each open check"],
        )


def may_suspend(version_state: str) -> None:
    if version_state != State.RELEASED:
        raise WrongState(
            "Only a released version can be suspended.",
            fact=f"This one is {version_state.replace('_', ' ')}.",
            rule="B1",
        )
