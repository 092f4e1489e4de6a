"""Signatures that open release gates want, by who could give them: what a leaver leaves behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from apps.access.gate import Judge
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.approvals.models import Slot
from apps.approvals.states import GateState, SlotState


@dataclass(frozen=True)
class Wanted:
    """A signature that an open gate waits for, and everybody who could give it now."""

    slot: Slot
    label: str
    able: tuple[User, ...]

    @property
    def ref(self) -> str:
        return self.slot.gate.version.ref

    def others(self, person: User) -> tuple[User, ...]:
        return tuple(each for each in self.able if each.pk != person.pk)


def _wanted(slots: QuerySet[Slot]) -> list[Wanted]:
    rows = slots.filter(state=SlotState.WANTED, gate__state=GateState.OPEN)
    found = []
    with shared():
        for slot in rows.select_related("gate__version__model", "gate__version__intended_use"):
            row = policy(f"approvals.sign_{slot.code}")
            found.append(Wanted(slot, row.label.removeprefix("Sign: "), tuple(Judge(slot).eligible(row))))
    return found


def on_models(ids: Iterable[int]) -> list[Wanted]:
    """What the open gates of these models wait for."""
    return _wanted(Slot.objects.filter(gate__version__model__in=list(ids)).order_by("gate_id", "position"))


def waiting_for(person: User) -> list[Wanted]:
    """Signatures this person could give now, on every open gate where their duties count."""
    held = Assignment.objects.active().filter(person=person)
    slots = Slot.objects.order_by("gate_id", "position")
    if not held.filter(scope_kind="organisation").exists():
        models = held.filter(scope_kind="registry.model").values("scope_id")
        slots = slots.filter(gate__version__model__in=models)
    return [each for each in _wanted(slots) if any(able.pk == person.pk for able in each.able)]
