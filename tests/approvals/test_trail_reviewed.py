"""A release of medium and high tier needs a current review of its trail."""

from __future__ import annotations

import pytest

from apps.approvals.acts import open_gate, sign_approval
from apps.approvals.evaluation import evaluate
from apps.core.errors import WrongState
from apps.core.jobs import run_queued
from apps.core.outcomes import CheckState
from apps.packs.acts import request_pack
from apps.quality.acts import accept_deviation, open_deviation
from apps.quality.models import TrailReview
from apps.quality.review_acts import open_trail_review, record_trail_finding, sign_trail_review
from apps.registry.acts import download_artefact
from apps.validations.acts import start_run
from tests.approvals.conftest import slot_of
from tests.factories.evidence import judged, signed, validated_world
from tests.factories.reviews import seen_whole, trail_reviewed

pytestmark = pytest.mark.evidence("run")


@pytest.fixture
def unreviewed(world):
    made = validated_world(world, until="run")
    judged(world, made.run)
    made.version.refresh_from_db()
    return made


def check(version):
    return next(row for row in evaluate(version).rows if row.code == "trail_reviewed").outcome


def test_missing_under_way_current_and_out_of_date(world, unreviewed):
    version = unreviewed.version
    assert check(version).state is CheckState.NOT_STARTED
    assert check(version).needs == (("quality.open_trail_review", "registry.version", version.pk),)
    review = open_trail_review(world.owner, version.pk)
    assert check(version).state is CheckState.WAITING
    assert check(version).needs[0][0] == "quality.mark_trail_entries"
    seen_whole(review, world.compliance2)
    assert check(version).needs[0][0] == "quality.sign_trail_review"
    review.refresh_from_db()
    sign_trail_review(world.compliance2, review.pk, signature=signed(review))
    assert (check(version).state, check(version).refs) == (CheckState.MET, ("TR-1",))
    start_run(world.validator, unreviewed.plan.pk)
    run_queued()
    late = check(version)
    assert late.state is CheckState.OUT_OF_DATE
    assert "started a validation run" in late.why
    trail_reviewed(world, version)
    assert (check(version).state, check(version).refs) == (CheckState.MET, ("TR-2",))


def test_nobody_approves_before_it_and_the_gates_own_acts_outdate_nothing(world, unreviewed):
    gate = open_gate(world.owner, unreviewed.version.pk)
    run_queued()
    slot = slot_of(gate, "approval")
    with pytest.raises(WrongState) as refused:
        sign_approval(world.approver, slot.pk, signature=signed(slot))
    assert "Audit trail reviewed (not started)" in refused.value.fact
    trail_reviewed(world, unreviewed.version)
    request_pack(world.compliance, unreviewed.version.pk, purpose="To look")
    download_artefact(world.validator, unreviewed.version.pk, reason="To look")
    found = open_deviation(world.validator, unreviewed.version.pk, title="Late", description="A unit.")
    accept_deviation(world.approver2, found.pk, reason="Known.", signature=signed(found))
    sign_approval(world.approver, slot.pk, signature=signed(slot_of(gate, "approval")))
    assert check(unreviewed.version).state is CheckState.MET


def test_open_findings_hold_the_release(world, unreviewed):
    version = unreviewed.version
    review = open_trail_review(world.owner, version.pk)
    finding = record_trail_finding(world.compliance2, review.pk, text="In four seconds.", weight="action")
    made = open_deviation(
        world.compliance2, version.pk, title="Fast", description="x", blocking=False, finding_id=finding.pk
    )
    seen_whole(review, world.compliance2)
    review = TrailReview.objects.get(pk=review.pk)
    sign_trail_review(world.compliance2, review.pk, signature=signed(review), reason="One finding.")
    held = check(version)
    assert (held.state, held.why) == (CheckState.NOT_MET, "Findings are open: TR-1/1.")
    assert held.needs == (("quality.accept_deviation", "quality.deviation", made.pk),)
    accept_deviation(world.approver, made.pk, reason="Known.", signature=signed(made))
    assert check(version).state is CheckState.MET


def test_what_comes_after_a_decision_outdates_nothing(world, unreviewed):
    version = unreviewed.version
    trail_reviewed(world, version)
    gate = open_gate(world.owner, version.pk)
    run_queued()
    slot = slot_of(gate, "approval")
    sign_approval(world.approver, slot.pk, signature=signed(slot, decision="rejected"), reason="No.")
    version.refresh_from_db()
    before = check(version)
    open_deviation(world.validator, version.pk, title="Late", description="x")
    assert check(version).state is before.state is CheckState.MET
