"""Models of several classes and of a number come to release, at medium tier, by the acts alone."""

from __future__ import annotations

import pytest

from apps.access.signing import SignatureInput, content_digest
from apps.approvals import acts
from apps.approvals.evaluation import evaluate
from apps.core import blobs
from apps.core.jobs import run_queued
from apps.registry.models import Version
from apps.robustness.checks import last_probe_report
from tests.approvals.conftest import slot_of
from tests.cast import PASSWORD
from tests.factories.evidence import done_run, judged, locked_plan
from tests.factories.explanations import reviewed
from tests.factories.foundation import frozen_version
from tests.factories.tasks import INPUTS, TASKS, tasked_world, trial_csv

SIGNERS = (
    ("review", "compliance", acts.sign_review),
    ("responsibility", "owner", acts.sign_responsibility),
    ("approval", "approver", acts.sign_approval),
)


def fresh(version: Version) -> Version:
    return Version.objects.select_related("model", "intended_use").get(pk=version.pk)


def outcomes(version: Version) -> dict[str, str]:
    """Check -> its state."""
    return {row.code: str(row.outcome.state) for row in evaluate(version).rows}


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_every_check_of_the_medium_gate_is_met_and_the_version_released(world, task):
    made = tasked_world(world, task, until="reported")
    gate = acts.open_gate(world.owner, made.version.pk)
    run_queued()
    version = fresh(made.version)
    assert last_probe_report(version).verdict == "within"
    assert outcomes(version)["robustness"] == "met"
    for code, name, sign in SIGNERS:
        slot = slot_of(gate, code)
        signature = SignatureInput(digest=content_digest(slot), password=PASSWORD, decision="approved")
        sign(world.people[name], slot.pk, signature=signature, reason="")
    assert fresh(version).state == "released"
    assert [row.code for row in evaluate(fresh(version)).open_rows] == []


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_at_high_tier_privacy_and_explanation_are_met_too(world, task):
    plan, model = TASKS[task]
    _use, _train, test, version = frozen_version(
        world,
        label="2.0.0",
        artefact=blobs.put(model()),
        features=INPUTS,
        train=trial_csv(17, 300, 30_001),
        test=trial_csv(),
        influence="high",
        consequence="high",
    )
    run = done_run(world, locked_plan(world, version, test, **plan))
    judged(world, run)
    reviewed(world, run)
    told = outcomes(fresh(version))
    for code in ("validation_criteria", "bias_report", "robustness", "privacy", "explanation_reviewed"):
        assert told.get(code, "met") == "met", (code, told)
    assert {"robustness", "privacy", "explanation_reviewed"} <= set(told)
