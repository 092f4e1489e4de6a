"""Probes of a version made by the people of the cast through acts: files handed in, limits locked, report computed."""

from __future__ import annotations

from typing import Any

from apps.access.signing import SignatureInput, content_digest
from apps.core import blobs
from apps.core.jobs import run_queued
from apps.registry.models import Version
from apps.robustness.acts import (
    request_report,
    sign_plan_approval,
    sign_plan_author,
    submit_evidence,
    write_plan,
)
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport
from apps.validations.models import Plan
from tests.cast import PASSWORD, World

BOUNDS = {"seed": "7", "rows": "300", "cases": "40", "budget": "10", "epsilon": "0.05", "shift": "0.5"}
# The model of `tests.factories.data` gives no number where one of its inputs is empty: no other decision either.
LIMITS: tuple[dict[str, Any], ...] = tuple(
    {"id": name, "probe": name, "limit": limit, "rule": "near", "min_n": 1 if name == "parity" else 20}
    for name, limit in {
        "noise_5": "0.1",
        "missing_each": "0.1",
        "out_of_range": "0.01",
        "far_rows": "0.5",
        "units": "0.9",
        "group_shift": "0.2",
        "adversarial": "0.5",
        "repeatability": "0",
        "parity": "0",
        "membership": "0.6",
        "inversion": "0.2",
    }.items()
)
OF_NUMBERS = {"tolerance": "0.5", "error": "3"}  # of `tests.factories.tasks`: doses in mg/L
NO_ANSWER = "The interface takes no case with an empty field."
TRAINED = b"case,score\na,0.25\nb,0.75\nc,0.5\n"
SERVED = b"case,score\nc,0.5\na,0.25\nb,0.75\n"


def _signed(subject: Any) -> SignatureInput:
    return SignatureInput(digest=content_digest(subject), password=PASSWORD, decision="approved")


def handed_in(world: World, version: Version, *, by: str = "author", second: bytes = SERVED) -> ProbeEvidence:
    """What the training and the serving pipeline made of three rows."""
    return submit_evidence(
        getattr(world, by),
        version.pk,
        kind="parity",
        file_digest=blobs.put(TRAINED).digest,
        file_name="trained.csv",
        second_digest=blobs.put(second).digest,
        second_name="served.csv",
        key_column="case",
    )


def plan_input(**changes: Any) -> dict[str, Any]:
    return {
        "bounds": dict(BOUNDS),
        "limits": [dict(one) for one in LIMITS],
        "rationale": "Sensors drift by up to 5 % between two calibrations.",
        "private_training": "not_used",
        "no_answer": NO_ANSWER,
    } | changes


def locked_probes(world: World, plan: Plan, **changes: Any) -> ProbePlan:
    """Limits written and signed by the validator, approved by the approver."""
    given = plan_input(**changes)
    if plan.task == "regression":
        given["bounds"] = OF_NUMBERS | given["bounds"]
    made = write_plan(world.validator, plan.pk, **given)
    sign_plan_author(world.validator, made.pk, signature=_signed(made))
    return sign_plan_approval(world.approver, made.pk, signature=_signed(made))


def done_probes(world: World, plan: ProbePlan) -> ProbeReport:
    report = request_report(world.validator, plan.pk)
    run_queued()
    return ProbeReport.objects.select_related("plan__validation_plan__version__model").get(pk=report.pk)


def probed(world: World, plan: Plan) -> ProbeReport:
    """Everything that the gate asks of probes, within limits."""
    handed_in(world, plan.version)
    return done_probes(world, locked_probes(world, plan))


def lenient() -> dict[str, Any]:
    """Limits that any model keeps, and few questions, for tests of what comes after."""
    limits = [
        one | {"limit": "0.49" if one["probe"] == "group_shift" else "0.99", "rule": "point", "min_n": 1}
        for one in LIMITS
    ]
    return {"limits": limits, "bounds": BOUNDS | {"rows": "100", "cases": "10", "budget": "2"}}


def probed_leniently(world: World, plan: Plan) -> ProbeReport:
    """Everything that the gate asks of probes, within lenient limits."""
    handed_in(world, plan.version)
    return done_probes(world, locked_probes(world, plan, **lenient()))
