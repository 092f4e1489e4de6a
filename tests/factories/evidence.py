"""A version with its whole evidence, made by the people of the cast through acts.

>>> evidence = validated_world(world)            # frozen version up to bias report and reviewed trail
>>> evidence = validated_world(world, until="locked")
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from apps.access.signing import SignatureInput, content_digest
from apps.approvals import acts as gate_acts
from apps.approvals.models import Gate
from apps.approvals.templates import template_for
from apps.core import blobs
from apps.core.jobs import run_queued
from apps.datasets.models import DatasetVersion
from apps.fairness.acts import request_report, sign_report
from apps.fairness.models import Report
from apps.registry.models import IntendedUse, Version
from apps.validations.acts import sign_plan_approval, sign_plan_author, start_run, write_plan
from apps.validations.models import Plan, Run
from tests.cast import PASSWORD, World
from tests.evidence_base import base
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.foundation import frozen_version
from tests.factories.probes import probed_leniently
from tests.factories.reviews import trail_reviewed
from tests.factories.verification import verified

CRITERIA: tuple[dict[str, Any], ...] = (
    {"id": "C1", "metric": "auc", "limit": "0.8", "direction": "min", "rule": "lower", "min_n": 100},
    {"id": "C2", "metric": "tpr", "limit": "0.7", "direction": "min", "rule": "lower", "min_n": 50},
    {
        "id": "C3",
        "metric": "tnr",
        "subgroup": "sex=female",
        "limit": "0.6",
        "direction": "min",
        "rule": "point",
        "min_n": 30,
    },
)
BIAS_LIMITS: tuple[dict[str, Any], ...] = (
    {
        "id": "F1",
        "metric": "equal_opportunity_difference",
        "column": "sex",
        "limit": "0.25",
        "rule": "near",
        "min_n": 30,
    },
    {
        "id": "F2",
        "metric": "demographic_parity_ratio",
        "column": "sex",
        "limit": "0.5",
        "rule": "near",
        "min_n": 30,
    },
)
STAGES = ("frozen", "drafted", "locked", "run", "reported")
OPENED = ("gate", "high_gate")  # either goes on from "reported"


@dataclass
class Evidence:
    """What was made; what lies beyond `until` is None."""

    world: World
    use: IntendedUse
    train: DatasetVersion
    test: DatasetVersion
    version: Version
    plan: Plan | None = None
    run: Run | None = None
    report: Report | None = None
    gate: Gate | None = None

    def again(self, world: World) -> Evidence:
        """The same records, read anew."""
        rows = (self.use, self.train, self.test, self.version, self.plan, self.run, self.report, self.gate)
        return Evidence(world, *(row and type(row).objects.get(pk=row.pk) for row in rows))


def signed(subject, *, decision: str = "approved", password: str = PASSWORD) -> SignatureInput:
    """What a person enters who was shown `subject` as it is now."""
    return SignatureInput(digest=content_digest(subject), password=password, decision=decision)


def plan_input(test: DatasetVersion, **changes: Any) -> dict[str, Any]:
    """Arguments of `write_plan` for the trial of `tests.factories.data`."""
    return {
        "test_data_id": test.pk,
        "label_column": "outcome",
        "positive_value": "1",
        "threshold": "0.5",
        "group_columns": ["sex", "site"],
        "criteria": [dict(one) for one in CRITERIA],
        "bias_limits": [dict(one) for one in BIAS_LIMITS],
        "no_predecessor": "Nobody ranked the lots before; every lot was looked at twice.",
        "rationale": "400 patients give a Wilson interval of at most 0.1 either side for each sex.",
    } | changes


def locked_plan(world: World, version: Version, test: DatasetVersion, **changes: Any) -> Plan:
    """A plan written and signed by the validator and approved by the approver, partitions compared."""
    plan = write_plan(world.validator, version.pk, **plan_input(test, **changes))
    run_queued()
    return sign_both(world, plan)


def sign_both(world: World, plan: Plan) -> Plan:
    """Signed by its author, then approved."""
    sign_plan_author(world.validator, plan.pk, signature=signed(plan))
    return sign_plan_approval(world.approver, plan.pk, signature=signed(plan))


def done_run(world: World, plan: Plan) -> Run:
    run = start_run(world.validator, plan.pk)
    run_queued()
    return Run.objects.select_related("plan__version__model", "plan__test_data__dataset").get(pk=run.pk)


def done_report(world: World, run: Run) -> Report:
    report = request_report(world.bias_tester, run.pk)
    run_queued()
    return Report.objects.select_related("run__plan__version__model").get(pk=report.pk)


def signed_report(world: World, report: Report) -> Report:
    """Signed by the bias tester."""
    sign_report(world.bias_tester, report.pk, signature=signed(report))
    return report


def judged(world: World, run: Run) -> Report:
    """Whatever else of evidence the release gate wants at medium tier: bias report, probes, verification."""
    report = signed_report(world, done_report(world, run))
    probed_leniently(world, run.plan)
    verified(world, run.plan.version)
    return report


def validated_world(
    world: World,
    *,
    until: str = "reported",
    label: str = "1.0.0",
    model: bytes | None = None,
    features: tuple[str, ...] = FEATURES,
    train: bytes | None = None,
    test: bytes | None = None,
    **plan_changes: Any,
) -> Evidence:
    """Build the evidence of one version up to `until`: one of STAGES or OPENED. `plan_changes` go into the plan.

    It begins at what `pytest.mark.evidence` has built already, where that is a beginning of what is asked for.
    """
    usual = label == "1.0.0" and model is None and train is None and test is None and features == FEATURES
    if usual and base.made is not None:
        road, begun = _road(until), base.stage or ""
        if begun not in road or (plan_changes and begun != "frozen"):
            raise ValueError(f"The evidence marked as {base.stage!r} is past what this test asks for.")
        return _continued(base.made.again(world), road[road.index(begun) + 1 :], plan_changes)
    made = frozen_version(
        world,
        label=label,
        artefact=blobs.put(model if model is not None else onnx_model("" if label == "1.0.0" else label)),
        features=features,
        train=train if train is not None else train_csv(),
        test=test if test is not None else vault_csv(),
    )
    return _continued(Evidence(world, *made), _road(until)[1:], plan_changes)


def _road(until: str) -> tuple[str, ...]:
    if until in OPENED:
        return (*STAGES, until)
    return STAGES[: STAGES.index(until) + 1]


def _continued(evidence: Evidence, stages: tuple[str, ...], plan_changes: dict[str, Any]) -> Evidence:
    """Through these stages, one after the other."""
    world, version = evidence.world, evidence.version
    for stage in stages:
        if stage == "drafted":
            evidence.plan = write_plan(
                world.validator, version.pk, **plan_input(evidence.test, **plan_changes)
            )
            run_queued()
        elif stage == "locked":
            evidence.plan = sign_both(world, evidence.plan)
        elif stage == "run":
            evidence.run = done_run(world, evidence.plan)
        elif stage == "reported":
            evidence.report = judged(world, evidence.run)
            trail_reviewed(world, version)
        elif stage == "gate":
            evidence.gate = gate_acts.open_gate(world.owner, version.pk)
            run_queued()
        elif stage == "high_gate":
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(gate_acts, "template_for", lambda _tier: template_for("high"))
                evidence.gate = gate_acts.open_gate(world.owner, version.pk)
    version.refresh_from_db()
    return evidence
