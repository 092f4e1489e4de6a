"""When two answers differ and one is wrong, under a probe plan."""

from __future__ import annotations

from apps.analysis.probes import Deciding
from apps.robustness.models import ProbePlan
from apps.validations.states import Task


def deciding(plan: ProbePlan) -> Deciding:
    """As the validation plan (threshold, classes, unit) and the bounds of the probe plan state it."""
    validation = plan.validation_plan
    if validation.task == Task.REGRESSION:
        return Deciding(
            tolerance=float(plan.bounds["tolerance"]),
            error=float(plan.bounds["error"]),
            unit=validation.target_unit,
        )
    if validation.task == Task.MULTICLASS:
        return Deciding(classes=tuple(validation.classes))
    return Deciding(threshold=float(validation.threshold))
