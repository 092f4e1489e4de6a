"""A signature given under a waiver counts while the waiver holds, or for good once the version is released."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.approvals.checks import separation_kept
from apps.approvals.evaluation import evaluate
from apps.approvals.independence import conflicts_of, waived_in
from apps.approvals.queries import may_deploy
from apps.core.clock import now
from apps.core.errors import Conflict
from apps.registry.models import Version
from apps.trail.models import Entry, Signature
from tests.access.telling import body_of
from tests.access.test_waivers import granted
from tests.approvals.test_acts import sign
from tests.cast import give

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("gate")]


def row(gate, code: str):
    version = Version.objects.select_related("model", "intended_use").get(pk=gate.version_id)
    return next(r for r in evaluate(version).rows if r.code == code)


def later(monkeypatch, days: int) -> None:
    moment = now() + timedelta(days=days)
    for module in ("apps.access.models", "apps.approvals.independence"):
        monkeypatch.setattr(f"{module}.now", lambda: moment)


def test_a_signature_under_a_waiver_counts_until_it_lapses(world, gate, monkeypatch):
    give(world, "validator", "approver", world.model)
    with pytest.raises(Conflict) as refused:
        sign(world, gate, "approval", who="validator")
    assert refused.value.rule.startswith("DY8")
    waiver = granted(world, rule="DY8", person="validator", version_id=gate.version_id)
    sign(world, gate, "approval", who="validator")
    entry = Signature.objects.latest("id").act_id
    assert body_of(Entry.objects.get(act_id=entry, kind="act"))["facts"]["waivers"] == [waiver.told()]
    assert row(gate, "approval").state == "met"
    kept = separation_kept(gate.version)
    assert (str(kept.state), kept.evidence) == ("met", f"Only under waivers: {waiver.told()}")
    assert {each["rule"] for each in waived_in(gate.version)} == {"DY8"}
    assert conflicts_of(gate.version) == []

    later(monkeypatch, 31)
    lapsed = row(gate, "approval")
    assert (lapsed.state, lapsed.outcome.rule) == ("out_of_date", "waiver")
    assert lapsed.outcome.why.startswith(f"It was signed under {waiver.ref}, which has lapsed. DY8: ")
    assert str(separation_kept(gate.version).state) == "not_met"
    assert {each["rule"] for each in conflicts_of(gate.version)} == {"DY8"}


def test_what_was_released_under_a_waiver_stays_released(world, gate, monkeypatch):
    give(world, "validator", "approver", world.model)
    waiver = granted(world, rule="DY8", person="validator")
    sign(world, gate, "approval", who="validator")
    sign(world, gate, "responsibility")
    sign(world, gate, "review")
    later(monkeypatch, 31)
    version = Version.objects.select_related("model", "intended_use").get(pk=gate.version_id)
    assert version.state == "released"
    assert may_deploy(world.deployer, version.artefact_digest).allowed
    assert {each["waiver"] for each in waived_in(version)} == {waiver.told()}
    assert conflicts_of(version) == []
