"""A version with all its evidence and an open release gate.

Where tests are marked with the stage of a gate (`evidence("gate")`, `evidence("high_gate")`) it stands there already.
"""

from __future__ import annotations

import pytest

from apps.approvals import acts
from apps.approvals.models import Gate, Slot
from apps.approvals.templates import template_for
from tests.factories.evidence import validated_world


@pytest.fixture
def evidence(world):
    return validated_world(world)


@pytest.fixture
def gate(world) -> Gate:
    return validated_world(world, until="gate").gate


@pytest.fixture
def high_gate(world, monkeypatch) -> Gate:
    """The gate of the version of medium tier that stands there, by the template of the high one."""
    monkeypatch.setattr(acts, "template_for", lambda _tier: template_for("high"))
    return validated_world(world, until="high_gate").gate


def slot_of(gate: Gate, code: str) -> Slot:
    return Slot.objects.select_related(
        "gate__version__model", "gate__version__intended_use", "signature"
    ).get(gate=gate, code=code)
