"""What a member of a board is asked before they sign: training, identity, second factor; and what they sign."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.access import acts as people_acts
from apps.access import factors
from apps.access.actors import as_actor
from apps.access.gate import may, offers
from apps.access.policy import TABLE
from apps.access.signing import content_digest
from apps.access.training import BOARD, seats_of
from apps.access.training_models import POLICY
from apps.access.training_queries import needed, own_warnings
from apps.approvals import board_acts, board_seat_acts
from apps.core.errors import BadInput, Conflict, NotAllowed
from apps.trail.models import Signature
from tests.access.test_training import adopt, record
from tests.approvals.boards import decided, founded, minuted, planned, seats
from tests.factories.evidence import signed
from tests.factories.factors import app_for, code_of

pytestmark = pytest.mark.evidence("high_gate")
CHAIR, MEMBER = "approvals.sign_minute_chair", "approvals.sign_minute_member"


@pytest.fixture
def meeting(world, high_gate):
    return minuted(world, planned(world, high_gate, founded(world)))


def sign_as_stranger(world, meeting):
    return board_acts.sign_minute_member(world.stranger, meeting.pk, signature=signed(meeting))


def test_a_member_signs_only_with_the_training_that_the_matrix_asks_of_members(world, meeting):
    adopt(world, {BOARD: ["system", "limits_decision", POLICY]})
    with pytest.raises(NotAllowed) as refused:
        sign_as_stranger(world, meeting)
    assert "“Computerised system and portal” is not recorded" in refused.value.fact
    assert "“Electronic signature policy” is not accepted yet" in refused.value.fact
    assert refused.value.rule.endswith("training matrix v1 for a member of a review board")
    assert "Cora Compliance" in refused.value.who
    record(world, "stranger")
    record(world, "stranger", "limits_decision", model_id=world.other_model.pk)
    people_acts.accept_signature_policy(world.stranger, world.stranger.pk, edition="1")
    with pytest.raises(NotAllowed) as refused:
        sign_as_stranger(world, meeting)
    assert "for decision-makers” is not recorded" in refused.value.fact  # it is of the model decided about
    record(world, "stranger", "limits_decision", model_id=world.model.pk)
    assert sign_as_stranger(world, meeting).member_signature.signer == world.stranger


def test_what_only_signatures_need_is_not_asked_to_confirm_conditions(world, high_gate):
    adopt(world, {BOARD: ["system"]})
    for person in ("security", "process_expert", "stranger"):
        record(world, person)
    given = {"decision": "conditional", "conditions": "Label the report."}
    meeting = decided(world, high_gate, founded(world), **given)
    adopt(world, {BOARD: ["system", POLICY, "privacy"]})
    verdict = may(world.stranger, "approvals.confirm_conditions", meeting)
    assert (verdict.status, "Privacy" in verdict.fact, "signature" in verdict.fact) == (403, True, False)
    adopt(world, {BOARD: ["system", POLICY]})
    assert (
        board_acts.confirm_conditions(world.stranger, meeting.pk, reason="Done").conditions_met_by
        == world.stranger
    )


def test_who_has_no_seat_hears_that_and_nothing_of_training(world, meeting):
    adopt(world, {BOARD: ["system"]})
    with pytest.raises(NotAllowed) as refused:
        board_acts.sign_minute_member(world.approver, meeting.pk, signature=signed(meeting))
    assert refused.value.rule == "board: who voted signs the minute"


def test_nobody_relieves_their_own_seat_of_a_training_they_lack(world, high_gate):
    board = founded(world)
    asked = board_seat_acts.request_seat(
        world.registrar, board.pk, person_id=world.compliance2.pk, function="legal", reason="Law"
    )
    board_seat_acts.approve_seat(world.compliance, asked.pk)
    adopt(world, {BOARD: ["system"]})
    with pytest.raises(Conflict) as refused:
        adopt(world, {BOARD: []}, by="compliance2")
    assert "nobody relieves themselves" in refused.value.rule
    adopt(world, {BOARD: []})


def test_a_person_sees_what_their_seat_needs(world, high_gate):
    board = founded(world)
    assert [(s.scope_kind, s.scope_id) for s in seats_of(world.stranger.pk)] == [("organisation", 0)]
    planned(world, high_gate, board)
    assert [(s.scope_kind, s.scope_id) for s in seats_of(world.stranger.pk)] == [
        ("registry.model", world.model.pk)
    ]
    assert seats_of(world.other_developer.pk) == []
    adopt(world, {BOARD: ["system", "limits_decision"]})
    found = needed(as_actor(world.stranger), world.stranger)
    assert {(n.standing.kind.id, n.place, n.duties) for n in found} == {
        ("system", "", ("member of a review board",)),
        ("limits_decision", "lotx", ("member of a review board",)),
    }
    assert {each.kind.id for each in own_warnings(world.stranger)} == {"system", "limits_decision"}
    assert own_warnings(world.other_developer) == []


def test_identity_is_confirmed_before_a_member_signs(world, meeting):
    type(world.stranger).objects.filter(pk=world.stranger.pk).update(identity_confirmed_at=None)
    world.stranger.identity_confirmed_at = None
    with pytest.raises(NotAllowed) as refused:
        sign_as_stranger(world, meeting)
    assert refused.value.rule.startswith("21 CFR 11.100(b)")


def test_a_member_signs_with_the_second_factor_they_hold_or_that_is_required(world, meeting, settings):
    settings.SECOND_FACTOR = "required"
    for half, person in ((MEMBER, world.stranger), (CHAIR, world.security)):
        verdict = next(each for each in offers(person, meeting) if each.act == half)
        assert (verdict.allowed, verdict.rule) == (False, factors.RULE)
    settings.SECOND_FACTOR = "offered"
    _factor, secret = app_for(world.stranger)
    with pytest.raises(BadInput) as refused:
        sign_as_stranger(world, meeting)
    assert set(refused.value.fields) == {"code"}
    given = replace(signed(meeting), code=code_of(secret, after=1))
    done = board_acts.sign_minute_member(world.stranger, meeting.pk, signature=given)
    assert done.member_signature.factors == ["password", "totp"]


def test_what_is_signed_names_meaning_seat_record_version_and_digest(world, meeting):
    digest = content_digest(meeting)
    board_acts.sign_minute_chair(world.security, meeting.pk, signature=signed(meeting))
    given = Signature.objects.get(subject_kind="approvals.meeting")
    assert given.meaning_text.startswith("I attended this meeting of the board with a vote.")
    seat, *held = given.duties.split("; ")
    assert seat == "chair of Release board for security"
    assert any(each.startswith("security on ") for each in held)
    assert (given.subject_ref, given.record_version) == (meeting.ref, meeting.gate.version.label)
    assert given.content_digest == digest
    assert TABLE[CHAIR].meaning == TABLE[MEMBER].meaning == "decision"


def test_a_seat_that_has_ended_needs_no_training(world, meeting):
    adopt(world, {BOARD: ["system"]})
    record(world, "stranger")
    (pk,) = seats(meeting.board, "stranger")
    board_seat_acts.end_seat(world.compliance, pk, reason="Left")
    assert seats_of(world.stranger.pk) == []
