"""After a suspension (EN6): QA signs within a working day, not who suspended; it waits until then, and then blocks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.access.actors import as_actor
from apps.access.gate import may
from apps.access.reminding import remind_all, told_of
from apps.access.waiting import queues_for
from apps.approvals import acts
from apps.approvals.suspending import due_of, sign_suspension, suspensions_of
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.registry.models import Version
from apps.trail import verifier
from apps.trail.models import Signature
from tests.access.people import crowd
from tests.access.telling import body_of, last, refused
from tests.approvals.test_acts import given, released
from tests.cast import give
from tests.factories.data import onnx_model
from tests.factories.doors import browser, text_of
from tests.factories.evidence import validated_world

SIGN = "approvals.sign_suspension"
WHY = "The suspension was right; CAPA follows"


@pytest.mark.parametrize(
    ("suspended", "due"),
    [
        ("2026-11-19T15:00", "2026-11-20T15:00"),  # Thursday
        ("2026-11-20T15:00", "2026-11-23T15:00"),  # Friday: Monday
        ("2026-11-21T09:00", "2026-11-23T09:00"),
        ("2026-11-22T09:00", "2026-11-23T09:00"),
    ],
)
def test_one_working_day(suspended, due):
    at = datetime.fromisoformat(suspended).replace(tzinfo=UTC)
    assert due_of(at) == datetime.fromisoformat(due).replace(tzinfo=UTC)


def test_a_public_holiday_is_no_working_day(settings):
    settings.ORGANISATION_TIME_ZONE, settings.ORGANISATION_HOLIDAYS = "Europe/Zurich", "CH-ZH"
    settings.ORGANISATION_CLOSED = "2026-12-24"
    wednesday = datetime(2026, 12, 23, 9, tzinfo=UTC)
    assert due_of(wednesday) == datetime(2026, 12, 28, 9, tzinfo=UTC)


pytestmark = pytest.mark.evidence("gate")


@pytest.fixture
def stopped(world, gate) -> Version:
    version = released(world, gate)
    acts.suspend(world.compliance, version.pk, reason="Drift in production")
    return Version.objects.select_related("model").get(pk=version.pk)


def signs(world, version, by: str = "approver", **how):
    how = {"reason": WHY, "signature": given(version)} | how
    return sign_suspension(world.people[by], version.pk, **how)


def waiting(world, person: str):
    found = [w for w in queues_for(as_actor(world.people[person])) if w.queue.key == "suspensions"]
    return found[0] if found else None


def test_a_suspension_is_not_rejected(world, stopped):
    with pytest.raises(BadInput, match="nothing to reject"):
        signs(world, stopped, signature=given(stopped, decision="rejected"))
    assert not Signature.objects.filter(meaning_text__contains="why this version was suspended").exists()
    assert suspensions_of([stopped.pk])[stopped.pk].signed_at is None


def test_qa_signs_for_what_another_suspended(world, stopped):
    signs(world, stopped)
    (given_one,) = Signature.objects.filter(subject_kind="registry.version", subject_id=str(stopped.pk))
    assert (
        given_one.meaning_text == "I have reviewed why this version was suspended, and what follows from it."
    )
    assert given_one.record_version.startswith("suspended 20")
    facts = body_of(last(SIGN))["facts"]
    assert (facts["suspended_by"], facts["overdue"]) == ("Cora Compliance", False)
    found = suspensions_of([stopped.pk])[stopped.pk]
    assert (found.reason, found.signed_by) == ("Drift in production", "Approver Person")
    assert verifier.verify().ok
    with refused(WrongState, "EN6", act=SIGN, by=world.approver) as caught:
        signs(world, stopped)
    assert "Approver Person signed" in caught.value.fact


def test_who_suspended_does_not_sign_for_it(world, gate):
    version = released(world, gate)
    acts.suspend(world.approver, version.pk, reason="Wrong labels")
    with refused(Conflict, "EN6", act=SIGN, by=world.approver) as caught:
        signs(world, version)
    assert caught.value.fact.startswith("You suspended a version")
    crowd(world, ["quinn"])
    give(world, "quinn", "approver", world.model)
    signs(world, version, "quinn")


@pytest.mark.parametrize(
    ("person", "error", "rule"),
    [
        ("compliance", NotAllowed, "duty"),
        ("owner", NotAllowed, "duty"),
        ("stranger", NotVisible, "visibility"),
    ],
)
def test_only_a_qa_approver_of_the_model_signs(world, stopped, person, error, rule):
    with refused(error, rule, act=SIGN, by=world.people[person]):
        signs(world, stopped, person)


def test_a_reason_and_a_suspension_are_needed(world, gate):
    version = released(world, gate)
    with refused(WrongState, "EN6", act=SIGN, by=world.approver):
        signs(world, version)
    acts.suspend(world.compliance, version.pk, reason="Drift")
    with refused(BadInput, "reason", act=SIGN, by=world.approver):
        signs(world, version, reason=" ")


def test_it_waits_for_the_approvers_with_its_due_time_and_is_told_by_mail(world, stopped):
    (item,) = waiting(world, "approver").mine
    found = suspensions_of([stopped.pk])[stopped.pk]
    assert (item.since, item.due, item.late) == (found.at, found.due_at, False)
    assert item.what == "lotx/1.0.0, suspended by Cora Compliance: Drift in production"
    assert waiting(world, "compliance") is None
    page = browser(world.approver).get("/work/")
    assert "1 suspension to sign for" in text_of(page)
    assert f'href="{item.path}"' in page.content.decode()
    assert "I have reviewed why this version was suspended" in text_of(browser(world.approver).get(item.path))
    remind_all()
    assert {told.person.username for told in told_of(stopped)} == {"approver", "approver2"}
    signs(world, stopped)
    assert waiting(world, "approver") is None


def test_overdue_no_gate_of_the_model_is_opened(world, stopped, monkeypatch):
    """Another version of the model, validated and ready for its gate, waits for that signature and for nothing else."""
    following = validated_world(world, until="run", label="2.0.0", model=onnx_model("2.0.0")).version
    assert may(world.owner, "approvals.open_gate", following).allowed, "within the day nothing is shut"
    late = suspensions_of([stopped.pk])[stopped.pk].due_at + timedelta(minutes=1)
    monkeypatch.setattr("apps.approvals.suspending.now", lambda: late)
    with refused(WrongState, "EN6", act="approvals.open_gate", by=world.owner) as caught:
        acts.open_gate(world.owner, following.pk)
    assert "lotx/1.0.0 was suspended on" in caught.value.fact
    assert "other than Cora Compliance" in caught.value.who[0]
    signs(world, stopped)
    assert body_of(last(SIGN))["facts"]["overdue"] is True
    acts.open_gate(world.owner, following.pk)
