"""Deviations: opened, accepted for a time, closed; by whom, and by whom not."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.quality import queries
from apps.quality.acts import accept_deviation, close_deviation, open_deviation
from apps.quality.models import Deviation
from apps.trail.models import Entry, Signature
from tests.factories.evidence import signed, validated_world

pytestmark = pytest.mark.evidence("frozen")


@pytest.fixture
def frozen(world):
    return validated_world(world, until="frozen").version


@pytest.fixture
def deviation(world, frozen):
    return open_deviation(
        world.validator,
        frozen.pk,
        title="Scanner replaced",
        description="Images of May come from another scanner.",
    )


def last_entry(kind="act"):
    return Entry.objects.filter(kind=kind).latest("id")


def test_opening_writes_record_history_and_entry(world, frozen, deviation):
    assert (deviation.state, deviation.blocking, deviation.raised_by) == ("open", True, world.validator)
    assert deviation.history.count() == 1
    entry = last_entry()
    assert (entry.act, entry.subject_kind, entry.subject_id) == (
        "quality.open_deviation",
        "quality.deviation",
        str(deviation.pk),
    )
    assert queries.blocking(frozen) == [deviation]


def test_numbers_have_no_gaps_after_a_refusal(world, frozen, deviation):
    with pytest.raises(BadInput):
        open_deviation(world.validator, frozen.pk, title="", description="")
    second = open_deviation(world.validator, frozen.pk, title="Second", description="Another.")
    assert second.number == deviation.number + 1


def test_who_may_open_one(world, frozen):
    with pytest.raises(NotVisible):
        open_deviation(world.stranger, frozen.pk, title="A", description="B")
    with pytest.raises(NotAllowed):
        open_deviation(world.author, frozen.pk, title="A", description="B")
    assert not Deviation.objects.filter(title="A").exists()


def test_accepting_is_signed_with_its_end_and_stops_blocking(world, frozen, deviation):
    given = signed(deviation)
    done = accept_deviation(
        world.approver,
        deviation.pk,
        expires_at="2099-12-31",
        reason="Same resolution, checked.",
        signature=given,
    )
    assert (done.state, done.decision_reason) == ("accepted", "Same resolution, checked.")
    signature = Signature.objects.get(subject_kind="quality.deviation", subject_id=str(deviation.pk))
    assert signature.content_digest == given.digest
    assert (
        json.loads(signature.statement)["subject"]["version"] == "accepted until 2099-12-31T00:00:00.000000Z"
    )
    assert json.loads(last_entry().body)["reason"] == "Same resolution, checked."
    assert not queries.blocking(frozen)


def test_an_expired_acceptance_blocks_again_and_can_be_renewed(world, frozen, deviation, monkeypatch):
    soon = (now() + timedelta(days=1)).isoformat()
    accept_deviation(
        world.approver, deviation.pk, expires_at=soon, reason="For now", signature=signed(deviation)
    )
    with pytest.raises(WrongState):
        accept_deviation(world.approver, deviation.pk, reason="Again", signature=signed(deviation))
    later = now() + timedelta(days=2)
    monkeypatch.setattr(queries, "now", lambda: later)
    monkeypatch.setattr("apps.quality.acts.now", lambda: later)
    assert queries.blocking(frozen) == [deviation]
    again = accept_deviation(world.approver, deviation.pk, reason="Still fine", signature=signed(deviation))
    assert again.expires_at is None
    assert not queries.blocking(frozen)


def test_a_reason_is_demanded(world, deviation):
    with pytest.raises(BadInput) as refused:
        accept_deviation(world.approver, deviation.pk, signature=signed(deviation))
    assert "reason" in refused.value.fields


def test_a_rejecting_signature_accepts_nothing(world, deviation):
    with pytest.raises(BadInput) as refused:
        accept_deviation(
            world.approver, deviation.pk, reason="No", signature=signed(deviation, decision="rejected")
        )
    assert "decision" in refused.value.fields
    assert Deviation.objects.get(pk=deviation.pk).state == "open"


@pytest.mark.parametrize("act", [accept_deviation, close_deviation])
def test_wrong_person_and_wrong_duty(world, deviation, act):
    with pytest.raises(NotVisible):
        act(world.stranger, deviation.pk, reason="Fine", signature=signed(deviation))
    with pytest.raises(NotAllowed) as refused:
        act(world.owner, deviation.pk, reason="Fine", signature=signed(deviation))
    assert "Approver Person" in refused.value.who
    assert last_entry("refusal").subject_id == str(deviation.pk)


@pytest.mark.parametrize("act", [accept_deviation, close_deviation])
def test_who_raised_it_may_not_decide_it(world, frozen, act):
    own = open_deviation(world.approver, frozen.pk, title="Mine", description="Seen by the approver.")
    with pytest.raises(Conflict) as refused:
        act(world.approver, own.pk, reason="Fine", signature=signed(own))
    assert refused.value.rule.startswith("DY13")
    assert act(world.approver2, own.pk, reason="Fine", signature=signed(own)).state != "open"


def test_closing_ends_it_and_is_not_done_twice(world, frozen, deviation):
    closed = close_deviation(
        world.approver, deviation.pk, reason="Scanner put back", signature=signed(deviation)
    )
    assert closed.state == "closed"
    assert not queries.blocking(frozen)
    for act in (close_deviation, accept_deviation):
        with pytest.raises(WrongState):
            act(world.approver, deviation.pk, reason="Again", signature=signed(deviation))


def test_the_register_shows_exactly_what_one_may_see(world, deviation):
    assert set(queries.register(world.author)) == {deviation}
    assert set(queries.register(world.other_developer)) == set()
    assert set(queries.register(world.inspector, unsettled=True)) == {deviation}
