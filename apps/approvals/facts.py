"""What separation and visibility ask of gates and signature slots."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Closures, Facts, pairs
from apps.access.gate import Scopes
from apps.approvals.board_facts import minutes_of
from apps.approvals.loading import live_gate, slots_of
from apps.approvals.models import Gate, Slot
from apps.core import registries
from apps.registry.facts import facts_on_version
from apps.registry.hanging import ON, Hanging
from apps.registry.models import Version


@registries.facts("approvals.gate")
def gate_facts(gate: Gate) -> Facts:
    return facts_on_version(gate.version)


@registries.facts("approvals.slot")
def slot_facts(slot: Slot) -> Facts:
    """Siblings are the other slots of the gate, and a board's minutes at it: one person never fills two (DY20).

    Re-signing one's own is fine.
    """

    def siblings() -> Closures:
        others = [each.pk for each in slots_of(slot.gate) if each.pk != slot.pk]
        return {"siblings": pairs(Slot.subject_kind, others) | minutes_of(slot.gate)}

    return facts_on_version(slot.gate.version).besides(siblings)


@registries.hanging(ON)
def gates_and_slots() -> tuple[Hanging, ...]:
    return (Hanging(Gate, "version_id"), Hanging(Slot, "gate__version_id", made_for="gate_id"))


@registries.closure("registry.version:siblings")
def slots_of_its_gate(version: Version) -> frozenset[tuple[str, str]]:
    """The slots of the version's newest gate: where the recomputation looks for one person in two of them."""
    gate = live_gate(version)
    return pairs(Slot.subject_kind, [slot.pk for slot in slots_of(gate)]) | (
        minutes_of(gate) if gate else frozenset()
    )


@registries.visibility("approvals.Gate")
def gates_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("approvals.Slot")
@registries.visibility("approvals.Minute")
@registries.visibility("approvals.Snapshot")
def on_gate_seen(scopes: Scopes) -> Q:
    return Q(gate__version__model_id__in=scopes.of(duties.MODEL))
