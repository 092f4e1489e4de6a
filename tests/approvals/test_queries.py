"""Verdicts for a gate page take the same number of queries whatever the number of people, checks and waivers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access.acts import request_waiver, sign_waiver_approver, sign_waiver_compliance
from apps.approvals import acts
from apps.approvals.evaluation import evaluate, for_viewer
from apps.approvals.models import Gate
from apps.approvals.templates import template_for
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.registry.models import Version
from tests.access.people import crowd
from tests.approvals.boards import founded, minuted, planned, signed_by_two
from tests.cast import give
from tests.factories.evidence import signed, validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("reported")]


def asked(gate, viewer) -> tuple[int, int]:
    """(queries of the evaluation with every verdict, people named in it)."""
    rows = Version.objects.select_related(
        "model", "intended_use__model", "intended_use__written_by", "parent__model", "registered_by"
    )
    version = rows.get(pk=gate.version_id)
    with CaptureQueriesContext(connection) as queries:
        seen = for_viewer(evaluate(version), viewer)
    return len(queries), len({name for row in seen.rows for name in row.who})


@pytest.fixture
def opened(world):
    return validated_world(world, until="gate").gate


@pytest.mark.evidence("gate")
def test_one_three_or_ten_people_cost_the_same(world, opened):
    first, few = asked(opened, world.approver)
    names = [f"qa{i}" for i in range(10)]
    crowd(world, names)
    many = few
    for upto in (3, 10):
        for name in names[:upto]:
            if not world.people[name].assignments.exists():
                give(world, name, "approver", world.model)
                give(world, name, "owner", world.model)
        count, many = asked(opened, world.approver)
        assert count == first
    assert many >= few + 10, "the people are really asked about"


@pytest.mark.evidence("gate")
def test_waivers_cost_the_same_for_one_and_for_three(world, opened):
    def waived(person) -> None:
        waiver = request_waiver(
            world.owner,
            model_id=world.model.pk,
            person_id=world.people[person].pk,
            rule="DY8",
            control="Second reader",
            expires_at=now() + timedelta(days=30),
            reason="Few people",
        )
        sign_waiver_approver(world.approver2, waiver.pk, signature=signed(waiver))
        sign_waiver_compliance(world.compliance, waiver.pk, signature=signed(waiver))

    for name in ("validator", "bias_tester"):
        give(world, name, "approver", world.model)
    blocked, _ = asked(opened, world.validator)  # a rule stands in the way: its waivers are looked for
    waived("validator")
    one, _ = asked(opened, world.validator)
    waived("bias_tester")
    waived("process_expert")
    three, _ = asked(opened, world.validator)
    assert one == three
    assert one <= blocked + 1


def test_more_slots_cost_no_query_and_a_second_decision_of_the_board_none(world, monkeypatch):
    high_tier = template_for("high")
    monkeypatch.setattr(acts, "template_for", lambda _tier: high_tier)
    gate = acts.open_gate(world.owner, validated_world(world).version.pk)
    run_queued()
    rows = Gate.objects.filter(pk=gate.pk)
    rows.update(template_content=high_tier | {"slots": high_tier["slots"][:1]})
    one, _ = asked(gate, world.approver)
    rows.update(template_content=high_tier)
    assert asked(gate, world.approver)[0] == one
    board = founded(world)
    signed_by_two(world, minuted(world, planned(world, gate, board)))
    once_decided, _ = asked(gate, world.approver)
    signed_by_two(world, minuted(world, planned(world, gate, board)))
    assert asked(gate, world.approver)[0] == once_decided
