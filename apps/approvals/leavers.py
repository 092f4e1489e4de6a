"""Signatures that open release gates want, by who could give them: what a leaver leaves behind."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import QuerySet

from apps.access.actors import Actor
from apps.access.gate import Judge, visible
from apps.access.models import Assignment
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.approvals.models import Gate, Slot
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


@dataclass(frozen=True)
class Waiting:
    """What waits for a person: signatures on gates the reader may see; of the others, how many, and how many alone."""

    shown: tuple[Wanted, ...]
    hidden: int
    hidden_alone: int


def waiting_told(actor: Actor, person: User) -> Waiting:
    """For page and API: who ends an account learns no names of versions that they may not see."""
    every = waiting_for(person)
    seen = set(
        visible(actor, Gate).filter(pk__in={w.slot.gate_id for w in every}).values_list("pk", flat=True)
    )
    hidden = [w for w in every if w.slot.gate_id not in seen]
    return Waiting(
        tuple(w for w in every if w.slot.gate_id in seen),
        len(hidden),
        sum(not w.others(person) for w in hidden),
    )
