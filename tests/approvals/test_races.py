"""Two people, or one double click, at the same instant: real threads, real connections."""

from __future__ import annotations

import threading

import pytest
from django.db import connection

from apps.approvals import acts
from apps.approvals.models import Slot
from apps.core.errors import Refused
from apps.trail import verifier
from apps.trail.models import Signature
from tests.approvals.conftest import slot_of
from tests.approvals.test_acts import given

pytestmark = pytest.mark.django_db(transaction=True)


def together(*calls):
    """Run the calls at one barrier; each answer is a result or the Refused it met."""
    barrier, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def one(index, call):
        barrier.wait()
        try:
            answers[index] = call()
        except Refused as refused:
            answers[index] = refused
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return answers


def test_two_approvers_at_once_one_signs(trail_allows_flush, world, gate):
    slot = slot_of(gate, "approval")
    shown = given(slot)
    answers = together(
        lambda: acts.sign_approval(world.approver, slot.pk, signature=shown),
        lambda: acts.sign_approval(world.approver2, slot.pk, signature=shown),
    )
    refused = [a for a in answers if isinstance(a, Refused)]
    assert len(refused) == 1, answers
    assert refused[0].status == 409
    assert Signature.objects.filter(subject_kind="approvals.slot").count() == 1
    assert verifier.verify().ok


def test_a_double_click_at_the_same_instant_signs_once(trail_allows_flush, world, gate):
    slot = slot_of(gate, "approval")
    shown = given(slot)

    def click():
        return acts.sign_approval(world.approver, slot.pk, signature=shown, idempotency_key="one-form")

    answers = together(click, click)
    assert {getattr(a, "pk", None) for a in answers} == {slot.pk}, answers
    assert Signature.objects.filter(subject_kind="approvals.slot").count() == 1
    assert Slot.objects.get(pk=slot.pk).state == "signed"
