"""When two answers differ and one is wrong, under a probe plan."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

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


# What counts as moved, and what as wrong, decides these.
BY_TOLERANCE = (
    "noise_1",
    "noise_5",
    "noise_10",
    "missing_each",
    "missing_all",
    "unseen_category",
    "units",
    "adversarial",
)
BY_ERROR = ("far_rows", "group_shift")


def too_wide(by: Deciding, labels: NDArray[Any]) -> dict[str, str]:
    """Probe -> why its number says nothing of a predicted number: the plan's tolerance or error is so wide that hardly
    anything could count. A limit on it is left open, as one that nothing can breach is refused when it is written.

    Within half the range lies every true number of whoever always says the middle of them.
    """
    if by.tolerance is None:
        return {}
    span = float(np.ptp(labels))
    found: dict[str, str] = {}
    if by.tolerance >= span > 0:
        why = f"the tolerance of {by.amount(by.tolerance)} is no less than the range of the true numbers"
        found |= dict.fromkeys(BY_TOLERANCE, why)
    if by.error >= span / 2 > 0:
        why = f"the error of {by.amount(by.error)} is no less than half the range of the true numbers"
        found |= dict.fromkeys(BY_ERROR, why)
    return found
