"""Opening, signing, rejecting and suspending: each works, and each refuses with its four parts."""

from __future__ import annotations

import json

import pytest

from apps.access.acting import ACTS
from apps.access.actors import Actor
from apps.access.acts import create_token
from apps.access.signing import SignatureInput, content_digest
from apps.approvals import acts
from apps.approvals.evaluation import evaluate
from apps.approvals.models import Gate, Slot, Snapshot
from apps.approvals.queries import may_deploy, not_deployable
from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from apps.quality.acts import accept_deviation, close_deviation, open_deviation
from apps.registry.acts import add_author
from apps.registry.models import Version
from apps.trail.models import Entry, Leaf, Signature
from apps.verification.acts import end_link, link_requirement
from apps.verification.models import Requirement
from tests.approvals.conftest import slot_of
from tests.cast import PASSWORD, give
from tests.factories.data import FEATURES, onnx_model
from tests.factories.foundation import registered_version
from tests.factories.reviews import trail_reviewed
from tests.factories.verification import attached
from tests.verification.files import case, junit

pytestmark = pytest.mark.evidence("gate")

SIGNERS = {"approval": "approver", "responsibility": "owner", "review": "compliance"}


def given(subject, decision="approved", password=PASSWORD) -> SignatureInput:
    return SignatureInput(digest=content_digest(subject), password=password, decision=decision)


def sign(world, gate, code, who=None, **changes):
    slot = slot_of(gate, code)
    person = world.people[who or SIGNERS[code]]
    return ACTS[f"approvals.sign_{code}"](person, slot.pk, signature=given(slot, **changes), reason="")


def test_opening_queues_a_verification_and_takes_the_template_of_the_tier(world, gate):
    assert gate.template == "release-medium v3"
    assert [s.code for s in gate.slots.all()] == ["approval", "responsibility", "review"]
    row = next(r for r in evaluate(gate.version).rows if r.code == "trail_verified")
    assert row.state == "met", row
    assert Entry.objects.filter(act="approvals.open_gate", subject_id=str(gate.pk), kind="act").count() == 1


def test_a_gate_is_opened_once(world, gate):
    with pytest.raises(WrongState):
        acts.open_gate(world.owner, gate.version_id)


@pytest.mark.evidence("reported")
def test_opening_needs_a_duty_and_sight(world, evidence):
    with pytest.raises(NotAllowed):
        acts.open_gate(world.monitor, evidence.version.pk)
    for hidden_from in ("stranger", "administrator", "other_developer"):
        with pytest.raises(NotVisible):
            acts.open_gate(world.people[hidden_from], evidence.version.pk)


def test_the_last_wanted_signature_releases_and_is_sealed_at_once(world, gate):
    for code in SIGNERS:
        assert Version.objects.get(pk=gate.version_id).state == "validated"
        sign(world, gate, code)
    version = Version.objects.get(pk=gate.version_id)
    assert version.state == "released"
    assert Gate.objects.get(pk=gate.pk).state == "passed"
    assert not_deployable(version) == []
    last = Signature.objects.latest("id")
    entry = Entry.objects.get(act_id=last.act_id, kind="act")
    assert Leaf.objects.filter(entry_id=entry.pk).exists()
    assert json.loads(entry.body)["facts"]["released"] == version.ref
    assert [s.cause for s in Snapshot.objects.filter(gate=gate)] == [
        "signed approval",
        "signed responsibility",
        "signed review",
    ]
    assert version.history.first().history_user_id == world.compliance.pk


def test_the_order_of_signatures_is_free(world, gate):
    for code in ("review", "approval", "responsibility"):
        sign(world, gate, code)
    assert Version.objects.get(pk=gate.version_id).state == "released"


@pytest.mark.parametrize("who", ["validator", "bias_tester", "monitor", "inspector", "owner"])
def test_a_wrong_duty_is_refused_and_told_who_may(world, gate, who):
    with pytest.raises(NotAllowed) as refused:
        sign(world, gate, "approval", who=who)
    if who == "inspector":
        assert refused.value.rule == "PC07: an inspector's account is read-only"
    else:
        assert refused.value.rule == "duty"
        assert set(refused.value.who) == {"Approver Person", "Approver2 Person"}
    assert Entry.objects.filter(kind="refusal").latest("id").act == "approvals.sign_approval"


def test_nobody_fills_two_slots(world, gate):
    """ST3 keeps the owner from approving only by DY20: give the approver the owner's duty as well."""
    give(world, "approver", "owner", world.model, by="compliance")
    sign(world, gate, "approval")
    with pytest.raises(Conflict) as refused:
        sign(world, gate, "responsibility", who="approver")
    assert refused.value.rule.startswith("DY20")


def test_who_validated_may_not_approve(world, gate):
    give(world, "validator", "approver", world.model)
    with pytest.raises(Conflict) as refused:
        sign(world, gate, "approval", who="validator")
    assert refused.value.rule.startswith("DY8")
    assert "validation" in refused.value.fact


def test_an_author_named_by_a_colleague_may_not_approve_whatever_duty_they_get(world, gate):
    add_author(world.colleague, gate.version_id, person_id=world.approver2.pk, reason="Wrote the features")
    with pytest.raises(Conflict) as refused:
        sign(world, gate, "approval", who="approver2")
    assert refused.value.rule.startswith("DY2")
    assert "declared author" in refused.value.fact
    assert "Approver2 Person" not in refused.value.who


def test_a_token_cannot_sign(world, gate):
    token = create_token(world.approver, name="ci", days=1)
    slot = slot_of(gate, "approval")
    with pytest.raises(NotAllowed) as refused:
        acts.sign_approval(Actor.of(world.approver, "api", token=token), slot.pk, signature=given(slot))
    assert refused.value.rule == "21 CFR 11.200(a)(2)"


def test_a_superuser_holds_no_duty(world, gate):
    from django.db import transaction

    from apps.trail import current
    from apps.trail.writer import record

    with transaction.atomic(), current.opened("test.superuser", user_id=world.stranger.pk) as open_act:
        world.stranger.is_superuser = True
        world.stranger.save()
        record(kind="event", act="test.superuser", act_id=open_act.act_id, rows=open_act.rows)
    with pytest.raises(NotVisible):
        sign(world, gate, "approval", who="stranger")


def test_a_wrong_password_signs_nothing_and_three_lock_signing(world, gate):
    for left in ("2 more tries", "1 more try", "locked until"):
        with pytest.raises(NotAllowed) as refused:
            sign(world, gate, "approval", password="wrong")
        assert left in refused.value.fact
    with pytest.raises(NotAllowed) as refused:
        sign(world, gate, "approval")
    assert refused.value.status == 423
    assert Signature.objects.filter(subject_kind="approvals.slot").count() == 0


def test_a_record_that_changed_since_it_was_shown_is_not_signed(world, gate):
    slot = slot_of(gate, "approval")
    shown = given(slot)
    open_deviation(world.validator, gate.version_id, title="Late finding", description="A unit was mixed up.")
    with pytest.raises(Conflict) as refused:
        acts.sign_approval(world.approver, slot.pk, signature=shown)
    assert refused.value.rule == "21 CFR 11.70"
    assert Slot.objects.get(pk=slot.pk).state == "wanted"


def test_approval_is_refused_while_a_check_is_open_but_rejection_is_not(world, gate):
    open_deviation(world.validator, gate.version_id, title="Late finding", description="A unit was mixed up.")
    with pytest.raises(WrongState) as refused:
        sign(world, gate, "approval")
    assert "No open blocking deviation" in refused.value.fact
    slot = slot_of(gate, "approval")
    with pytest.raises(BadInput) as refused:
        acts.sign_approval(world.approver, slot.pk, signature=given(slot, "rejected"), reason=" ")
    assert "reason" in refused.value.fields
    acts.sign_approval(world.approver, slot.pk, signature=given(slot, "rejected"), reason="Units mixed up")
    assert Version.objects.get(pk=gate.version_id).state == "rejected"
    assert Signature.objects.latest("id").decision == "rejected"


def test_a_later_change_shows_signatures_out_of_date_and_lets_them_be_given_again(world, gate):
    sign(world, gate, "approval")
    add_author(world.author, gate.version_id, person_id=world.colleague.pk, reason="Forgotten")
    row = next(r for r in evaluate(gate.version).rows if r.code == "approval")
    assert row.state == "out_of_date"
    reviewed = next(r for r in evaluate(gate.version).rows if r.code == "trail_reviewed")
    assert (reviewed.state, "declared an author" in reviewed.outcome.why) == ("out_of_date", True)
    with pytest.raises(WrongState, match="cannot be approved yet"):
        sign(world, gate, "responsibility")
    trail_reviewed(world, gate.version)
    sign(world, gate, "responsibility")
    sign(world, gate, "review")
    assert Version.objects.get(pk=gate.version_id).state == "validated"
    sign(world, gate, "approval")
    assert Version.objects.get(pk=gate.version_id).state == "released"


def test_what_verification_shows_is_bound_by_every_signature(world, gate):
    def row():
        return next(r for r in evaluate(gate.version).rows if r.code == "approval").state

    sign(world, gate, "approval")
    assert row() == "met"
    shown = Requirement.objects.get()
    link = link_requirement(
        world.validator,
        gate.version_id,
        requirement=shown.ref,
        target="test",
        pattern="*reads_file",
        reason="Also",
    )
    assert row() == "out_of_date"
    end_link(world.validator, gate.version_id, link_id=link.pk, reason="Not needed")
    assert row() == "met"
    attached(world, gate.version, "junit", junit(case("test_ranking", f"REQ-{shown.number}")))
    assert row() == "out_of_date", "other results under the same kind and title"


def test_a_double_click_signs_once(world, gate):
    slot = slot_of(gate, "approval")
    shown = given(slot)
    first = acts.sign_approval(world.approver, slot.pk, signature=shown, idempotency_key="once")
    again = acts.sign_approval(world.approver, slot.pk, signature=shown, idempotency_key="once")
    assert first.pk == again.pk
    assert Signature.objects.filter(subject_kind="approvals.slot").count() == 1


def released(world, gate) -> Version:
    for code in SIGNERS:
        sign(world, gate, code)
    return Version.objects.select_related("model").get(pk=gate.version_id)


def test_may_this_digest_deploy(world, gate):
    digest = gate.version.artefact_digest
    early = may_deploy(world.deployer, digest)
    assert (early.allowed, early.status) == (False, 409)
    version = released(world, gate)
    assert may_deploy(world.deployer, digest).allowed
    with pytest.raises(NotVisible):
        may_deploy(world.stranger, digest)
    with pytest.raises(NotVisible):
        may_deploy(world.deployer, "sha256:" + "0" * 64)
    open_deviation(world.validator, version.pk, title="Found in use", description="Wrong unit.")
    late = may_deploy(world.deployer, digest)
    assert not late.allowed
    assert any("DEV-" in reason for reason in late.reasons)


@pytest.mark.evidence("reported")
def test_bytes_registered_twice_and_frozen_never_run_nowhere(world, evidence):
    bytes_of = blobs.put(onnx_model("twice"))
    given = {"artefact": bytes_of, "features": FEATURES, "train": evidence.train, "use": evidence.use}
    for label in ("3.0.0", "3.0.1"):
        registered_version(world, label=label, **given)
    answer = may_deploy(world.deployer, bytes_of.digest)
    assert (answer.allowed, answer.version, answer.versions) == (False, None, ("lotx/3.0.0", "lotx/3.0.1"))
    assert answer.reasons == (
        "2 versions hold these bytes and none of them is frozen: lotx/3.0.0, lotx/3.0.1.",
    )


def test_what_is_found_after_the_release_stops_it_until_it_is_settled_and_unsays_no_signature(world, gate):
    for code in SIGNERS:
        sign(world, gate, code)
    version = Version.objects.get(pk=gate.version_id)
    found = open_deviation(world.validator, version.pk, title="Drift in lot 7", description="Seen in use.")
    assert not_deployable(version) == [f"{found.ref} blocks: Drift in lot 7."]
    assert evaluate(version).headline == "Released, but may not run now: 1 line is open"
    accept_deviation(world.approver, found.pk, reason="Known.", signature=given(found))
    assert not_deployable(version) == []
    assert evaluate(version).headline == "Released"
    close_deviation(world.approver, found.pk, reason="Mended.", signature=given(found))
    assert not_deployable(version) == []


def test_closing_after_the_release_what_was_accepted_before_unsays_no_signature(world, gate):
    found = open_deviation(world.validator, gate.version_id, title="A gap", description="In the data.")
    accept_deviation(world.approver, found.pk, reason="Small.", signature=given(found))
    for code in SIGNERS:
        sign(world, gate, code)
    version = Version.objects.get(pk=gate.version_id)
    assert not_deployable(version) == []
    close_deviation(world.approver, found.pk, reason="Mended.", signature=given(found))
    assert not_deployable(version) == []


def test_suspending_stops_it_at_once(world, gate):
    with pytest.raises(WrongState):
        acts.suspend(world.approver, gate.version_id, reason="Stop")
    version = released(world, gate)
    with pytest.raises(NotAllowed):
        acts.suspend(world.validator, version.pk, reason="Stop")
    with pytest.raises(BadInput):
        acts.suspend(world.compliance, version.pk, reason="")
    acts.suspend(world.compliance, version.pk, reason="Drift in production")
    assert not may_deploy(world.deployer, version.artefact_digest).allowed


def test_a_verification_that_finds_something_blocks_the_gate(world, gate):
    from apps.access.actors import Actor as ServiceActor
    from apps.core.models import Job

    job = Job.objects.filter(kind="approvals.verify_trail").latest("id")
    Job.objects.filter(pk=job.pk).update(state="running", claim="x" * 32)
    job.refresh_from_db()
    acts.record_verification(
        ServiceActor.service("worker"),
        gate.pk,
        job=job,
        entries=10,
        findings=1,
        first="entry 7: body differs",
    )
    row = next(r for r in evaluate(gate.version).rows if r.code == "trail_verified")
    assert row.state == "not_met"
    assert "body differs" in row.outcome.why
    acts.request_verification(world.approver, gate.pk)
    run_queued()
    assert next(r for r in evaluate(gate.version).rows if r.code == "trail_verified").state == "met"


def test_the_board_minute_belongs_to_an_open_gate(world, gate):
    file = blobs.put(b"minute 12")
    common = {"number": "12/2026", "held_on": now().date(), "file_name": "minute.pdf"}
    with pytest.raises(BadInput) as refused:
        acts.record_minute(world.compliance, gate.pk, file_digest="sha256:" + "1" * 64, **common)
    assert "file" in refused.value.fields
    with pytest.raises(NotAllowed):
        acts.record_minute(world.validator, gate.pk, file_digest=file.digest, **common)
    minute = acts.record_minute(world.compliance, gate.pk, file_digest=file.digest, **common)
    assert minute.file_digest == file.digest
    with pytest.raises(Conflict):
        acts.record_minute(world.compliance, gate.pk, file_digest=file.digest, **common)
