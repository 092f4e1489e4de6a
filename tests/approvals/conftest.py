"""A version with all its evidence and an open release gate."""

from __future__ import annotations

import pytest

from apps.approvals.acts import open_gate
from apps.approvals.models import Gate, Slot
from apps.core.jobs import run_queued
from tests.factories.evidence import validated_world


@pytest.fixture
def evidence(world):
    return validated_world(world)


@pytest.fixture
def gate(world, evidence) -> Gate:
    made = open_gate(world.owner, evidence.version.pk)
    run_queued()
    return made


def slot_of(gate: Gate, code: str) -> Slot:
    return Slot.objects.select_related(
        "gate__version__model", "gate__version__intended_use", "signature"
    ).get(gate=gate, code=code)
