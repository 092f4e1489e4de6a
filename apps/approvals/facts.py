"""What separation and visibility ask of gates and signature slots."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts, pairs
from apps.access.gate import Scopes
from apps.approvals.models import Gate, Slot
from apps.core import registries
from apps.registry.facts import facts_on_version
from apps.registry.models import Version


@registries.facts("approvals.gate")
def gate_facts(gate: Gate) -> Facts:
    return facts_on_version(gate.version)


@registries.facts("approvals.slot")
def slot_facts(slot: Slot) -> Facts:
    """Siblings are the other slots of the gate: one person never fills two (DY20); re-signing one's own is fine."""
    base = facts_on_version(slot.gate.version)
    others = Slot.objects.filter(gate=slot.gate_id).exclude(pk=slot.pk).values_list("pk", flat=True)
    return Facts(base.parents, {**base.closures, "siblings": pairs(Slot.subject_kind, others)}, base.declared)


@registries.closure("registry.versions:version")
def gates_of(version_ids):
    gates = Gate.objects.filter(version_id__in=version_ids).values_list("pk", flat=True)
    slots = Slot.objects.filter(gate__version_id__in=version_ids).values_list("pk", flat=True)
    return pairs(Gate.subject_kind, gates) | pairs(Slot.subject_kind, slots)


@registries.closure("registry.version:siblings")
def slots_of_its_gate(version: Version) -> frozenset[tuple[str, str]]:
    """The slots of the version's newest gate: where the recomputation looks for one person in two of them."""
    gate = Gate.objects.filter(version=version).order_by("-pk").values("pk")[:1]
    return pairs(Slot.subject_kind, Slot.objects.filter(gate__in=gate).values_list("pk", flat=True))


@registries.visibility("approvals.Gate")
def gates_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("approvals.Slot")
@registries.visibility("approvals.Minute")
@registries.visibility("approvals.Snapshot")
def on_gate_seen(scopes: Scopes) -> Q:
    return Q(gate__version__model_id__in=scopes.of(duties.MODEL))
