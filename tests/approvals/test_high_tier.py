"""The high tier: compliance and security review, and a board minute that must be there before anybody approves."""

from __future__ import annotations

import pytest

from apps.approvals import acts
from apps.approvals.evaluation import evaluate
from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import NotAllowed, WrongState
from apps.core.jobs import run_queued
from apps.registry.models import Version
from tests.approvals.conftest import slot_of
from tests.approvals.test_acts import given
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.evidence import done_run, judged, locked_plan
from tests.factories.explanations import reviewed
from tests.factories.foundation import frozen_version
from tests.factories.reviews import trail_reviewed

pytestmark = pytest.mark.evidence("reported")


@pytest.fixture
def high_gate(world):
    _use, _train, test, version = frozen_version(
        world,
        label="2.0.0",
        artefact=blobs.put(onnx_model("high tier")),
        features=FEATURES,
        train=train_csv(),
        test=vault_csv(),
        influence="high",
        consequence="high",
    )
    run = done_run(world, locked_plan(world, version, test))
    judged(world, run)
    reviewed(world, run)
    trail_reviewed(world, version)
    gate = acts.open_gate(world.owner, version.pk)
    run_queued()
    return gate


def test_nobody_approves_before_the_minute_and_four_people_release(world, high_gate):
    first = slot_of(high_gate, "approval")
    with pytest.raises(WrongState) as refused:
        acts.sign_approval(world.approver, first.pk, signature=given(first))
    assert "Board minute recorded" in refused.value.fact
    acts.record_minute(
        world.security,
        high_gate.pk,
        number="7/2026",
        held_on=now().date(),
        file_name="minute.pdf",
        file_digest=blobs.put(b"the board agrees").digest,
    )
    signers = (
        ("security", world.security, acts.sign_security),
        ("review", world.compliance, acts.sign_review),
        ("responsibility", world.owner, acts.sign_responsibility),
        ("approval", world.approver, acts.sign_approval),
    )
    for code, person, sign in signers:
        assert Version.objects.get(pk=high_gate.version_id).state == "validated"
        slot = slot_of(high_gate, code)
        sign(person, slot.pk, signature=given(slot))
    assert Version.objects.get(pk=high_gate.version_id).state == "released"
    assert [r.code for r in evaluate(Version.objects.get(pk=high_gate.version_id)).open_rows] == []


def test_security_signs_for_security_only(world, high_gate):
    slot = slot_of(high_gate, "security")
    with pytest.raises(NotAllowed) as refused:
        acts.sign_security(world.compliance, slot.pk, signature=given(slot))
    assert refused.value.who == ("Security Person",)
