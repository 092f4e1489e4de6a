"""A signature is sealed right after its commit. What keeps the seal from being made undoes no signature."""

from __future__ import annotations

import pytest

from apps.trail import sealer, verifier, witness
from apps.trail.models import Entry, Leaf, Pending, Signature
from tests.factories.evidence import sign_both, validated_world

pytestmark = pytest.mark.django_db


def full(*_):
    raise OSError(28, "No space left on device")


def forked(*_):
    raise sealer.ForkRefused("The witness copy holds more.")


@pytest.mark.evidence("drafted")
@pytest.mark.parametrize("fails", [full, forked])
def test_a_signature_that_cannot_be_sealed_stands_and_is_sealed_later(world, monkeypatch, caplog, fails):
    plan = validated_world(world, until="drafted").plan
    before = Signature.objects.count()
    with monkeypatch.context() as patch:
        patch.setattr(witness, "last", fails)
        signed = sign_both(world, plan)  # no error: who is told of one believes that nothing was signed
    assert signed.state == "locked"
    assert Signature.objects.count() == before + 2
    acts = [each.act_id for each in Signature.objects.order_by("-pk")[:2]]
    entries = Entry.objects.filter(act_id__in=acts)
    assert Pending.objects.filter(entry_id__in=entries.values("pk")).count() == entries.count() > 0
    assert all(act in caplog.text for act in acts)
    with pytest.raises(sealer.NotSealed):
        sealer.receipt(entries.first())
    sealer.seal()
    assert Leaf.objects.filter(entry_id__in=entries.values("pk")).count() == entries.count()
    assert verifier.verify().findings == []
