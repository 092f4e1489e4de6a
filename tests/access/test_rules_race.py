"""A gate that is being signed while the rules change: each act is judged by the rules of the moment it commits."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection

from apps.access.acting import Act
from apps.access.models import SeparationRules
from apps.approvals.acts import open_gate
from apps.approvals.models import Slot
from apps.core.clock import now
from apps.core.errors import Conflict, Refused
from apps.trail import verifier
from apps.trail.models import Signature
from tests.access.test_rule_changes import APPROVER, COMPLIANCE, STRICTER, changed, propose, sign
from tests.approvals.test_acts import sign as sign_slot
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db(transaction=True)
NEW = STRICTER | {
    "id": "DY41",
    "first": "approve_plan",
    "second": "approve",
    "text": "who approved the plan may not approve the release",
}
SLOW = 0.7  # seconds that the first act stays open while the second one wants in


@pytest.fixture
def ready(world):
    evidence = validated_world(world)
    gate = open_gate(world.owner, evidence.version.pk)
    change = propose(world, changed(dynamic=[NEW]))
    sign(world, change, APPROVER, "approver2")
    return gate, change


def one_then_other(monkeypatch, first_act: str, first, second):
    """`second` starts while `first` has done everything but commit; (answer of first, of second, when first ended)."""
    inside, plain, ended = threading.Event(), Act.entry, []

    def entry(doing):
        plain(doing)
        if doing.policy.act == first_act:
            inside.set()
            time.sleep(SLOW)
            ended.append(now())

    monkeypatch.setattr(Act, "entry", entry)
    answers: dict[str, object] = {}

    def run(name, call):
        try:
            answers[name] = call()
        except Refused as refused:
            answers[name] = refused
        finally:
            connection.close()

    def follow():
        assert inside.wait(30)
        run("second", second)

    threads = [
        threading.Thread(target=run, args=("first", first)),
        threading.Thread(target=follow),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers["first"], answers["second"], ended[0]


def test_a_signature_that_was_first_is_committed_before_the_new_rules_begin(world, ready, monkeypatch):
    gate, change = ready
    given, done, ended = one_then_other(
        monkeypatch,
        "approvals.sign_approval",
        lambda: sign_slot(world, gate, "approval", who="approver"),
        lambda: sign(world, change, COMPLIANCE, "compliance"),
    )
    assert not isinstance(given, Refused)
    assert not isinstance(done, Refused)
    assert done.made.effective_from >= ended, "the new rules waited for the signature under the old ones"
    assert Signature.objects.filter(subject_kind="approvals.slot").count() == 1
    assert verifier.verify().ok


def test_a_signature_that_came_second_is_judged_by_the_new_rules(world, ready, monkeypatch):
    gate, change = ready
    done, refused, _ended = one_then_other(
        monkeypatch,
        COMPLIANCE,
        lambda: sign(world, change, COMPLIANCE, "compliance"),
        lambda: sign_slot(world, gate, "approval", who="approver"),
    )
    assert done.made == SeparationRules.objects.latest("version")
    assert isinstance(refused, Conflict)
    assert refused.rule.startswith("DY41")
    assert Slot.objects.get(gate=gate, code="approval").signature_id is None
    assert verifier.verify().ok
