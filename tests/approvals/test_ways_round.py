"""Ways round the gate that were tried on it once: each must stay closed."""

from __future__ import annotations

import pytest

from apps.access.acts import (
    approve_organisation_assignment,
    create_account,
    request_organisation_assignment,
    set_password,
)
from apps.access.gate import Judge
from apps.access.policy import policy
from apps.approvals import acts
from apps.approvals.evaluation import evaluate
from apps.approvals.queries import may_deploy
from apps.core import blobs
from apps.core.errors import BadInput, Conflict, NotAllowed, WrongState
from apps.registry.acts import freeze, sign_intended_use_expert, sign_intended_use_owner, write_intended_use
from apps.registry.models import Version
from apps.trail.models import Signature
from tests.approvals.conftest import slot_of
from tests.approvals.test_acts import SIGNERS, given, sign
from tests.cast import PASSWORD
from tests.factories.data import FEATURES
from tests.factories.foundation import USE, registered_version
from tests.factories.foundation import sign as signing

pytestmark = pytest.mark.evidence("reported")


def twin(world, evidence, label="9.9.9"):
    """The same bytes registered again by a colleague who names only themself."""
    return registered_version(
        world,
        label=label,
        artefact=blobs.Blob(evidence.version.artefact_digest, evidence.version.artefact_size),
        features=FEATURES,
        train=evidence.train,
        use=evidence.use,
        by="colleague",
        author_ids=[world.colleague.pk],
    )


def test_the_author_of_the_bytes_is_an_author_wherever_they_are_registered_again(world, evidence):
    again = twin(world, evidence)
    judge = Judge(again)
    broken = judge.separation(world.author, policy("approvals.sign_approval"))
    assert broken is not None
    assert broken.rule.id == "DY2"


def test_the_same_bytes_are_frozen_once_in_a_model(world, evidence):
    again = twin(world, evidence)
    with pytest.raises(Conflict) as refused:
        freeze(world.colleague, again.pk)
    assert evidence.version.ref in refused.value.what


def test_registering_a_released_file_again_takes_nothing_out_of_service(world, gate, evidence):
    for code in SIGNERS:
        sign(world, gate, code)
    twin(world, evidence)
    assert may_deploy(world.deployer, evidence.version.artefact_digest).allowed


def test_a_superseded_intended_use_chooses_no_tier(world, evidence):
    newer = write_intended_use(
        world.process_expert,
        world.model.pk,
        given=USE | {"influence": "high", "consequence": "high"},
        reason="The output now decides alone",
    )
    row = next(r for r in evaluate(evidence.version).rows if r.code == "intended_use_signed")
    assert row.state == "met", "an unsigned draft changes nothing"
    sign_intended_use_expert(world.process_expert, newer.pk, signature=signing(newer))
    sign_intended_use_owner(world.owner, newer.pk, signature=signing(newer))
    version = Version.objects.select_related("model", "intended_use__model").get(pk=evidence.version.pk)
    row = next(r for r in evaluate(version).rows if r.code == "intended_use_signed")
    assert (row.state, newer.ref in row.outcome.why) == ("out_of_date", True)
    with pytest.raises(BadInput) as refused:
        twin(world, evidence)
    assert newer.ref in refused.value.fields["intended_use"][0]


@pytest.mark.evidence("gate")
def test_a_replayed_signature_form_asks_the_password_and_takes_no_other_decision(world, gate):
    slot = slot_of(gate, "approval")
    shown = given(slot)
    acts.sign_approval(world.approver, slot.pk, signature=shown, idempotency_key="one")
    with pytest.raises(NotAllowed):
        acts.sign_approval(
            world.approver, slot.pk, signature=given(slot, password="wrong"), idempotency_key="one"
        )
    turned = type(shown)(digest=shown.digest, password=PASSWORD, decision="rejected")
    with pytest.raises(WrongState):
        acts.sign_approval(world.approver, slot.pk, signature=turned, reason="", idempotency_key="one")
    assert Signature.objects.filter(subject_kind="approvals.slot").count() == 1


@pytest.mark.evidence("gate")
def test_a_digest_that_is_no_digest_is_a_refusal_not_a_fault(world, gate):
    slot = slot_of(gate, "approval")
    shown = type(given(slot))(digest="é", password=PASSWORD)
    with pytest.raises(Conflict):
        acts.sign_approval(world.approver, slot.pk, signature=shown)


def test_administrators_together_make_no_compliance_officer(world):
    second = create_account(
        world.administrator,
        username="second.admin",
        printed_name="Second Administrator",
        email="second@example.org",
    )
    set_password(second, second.pk, password=PASSWORD)
    asked = request_organisation_assignment(
        world.administrator, person_id=second.pk, duty="administrator", reason="Holidays"
    )
    approve_organisation_assignment(world.compliance, asked.pk)
    officer = request_organisation_assignment(
        world.administrator, person_id=world.stranger.pk, duty="compliance", reason="Needed"
    )
    with pytest.raises(NotAllowed) as refused:
        approve_organisation_assignment(second, officer.pk)
    assert "Cora Compliance" in refused.value.who
