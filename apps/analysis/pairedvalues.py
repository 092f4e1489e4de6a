"""Two versions that predict a number, on the same cases: paired differences of their errors.

Sources: Student's t on paired differences; on losses of two predictors that is Diebold and Mariano 1995 (Journal of
Business and Economic Statistics 13:253) at horizon one with the correction of Harvey, Leybourne and Newbold 1997
(International Journal of Forecasting 13:281). By entity: linearised, as in `survey`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals
from apps.analysis.metrics import Estimate, none
from apps.analysis.regression import mean_loss
from apps.analysis.survey import Design, mean_of

Floats = npt.NDArray[np.float64]
# What is averaged over the cases of each version, from its errors (predicted minus true).
LOSSES: dict[str, Callable[[Floats], Floats]] = {
    "mae": np.abs,
    "mse": np.square,
    "mean_error": lambda error: error,
}
_REASON = "no cases"


def paired_metrics(
    truth: Floats,
    first: Floats,
    second: Floats,
    design: Design | None = None,
    level: float = intervals.LEVEL,
) -> dict[str, Any]:
    """{"mae", "mse", "mean_error": line}, lines as in `paired.report`, second minus first; (n,) arrays, all finite.

    The squares of "mse" have the unit of the label squared. `p_holm` is None: `paired.holm` adjusts them.
    """
    return {name: paired_mean(name, truth, first, second, design, level) for name in LOSSES}


def paired_mean(
    name: str, truth: Floats, first: Floats, second: Floats, design: Design | None, level: float
) -> dict[str, Any]:
    """One of `LOSSES` on both versions, and the mean of its paired differences with the t interval and p-value."""
    n = len(truth)
    line: dict[str, Any] = {
        "first": None, "second": None, "p": None, "p_holm": None, "counts": None,
        "test": "t, paired" if design is None else "t, linearised by entity",
    }  # fmt: skip
    if n == 0:
        return line | {"difference": none(0, _REASON).as_dict()}
    losses = [LOSSES[name](predicted - truth) for predicted in (first, second)]
    floor = -np.inf if name == "mean_error" else 0.0
    for side, values in zip(("first", "second"), losses, strict=True):
        line[side] = mean_loss(values, level, floor, design).as_dict()
    found = _mean_change(losses[1] - losses[0], design, level)
    if found.df and found.value is not None:
        # Without any spread t is 0/0 (the same predictions) or without end.
        line["p"] = (
            intervals.t_tail(found.value / found.error, found.df) if found.error else float(found.value == 0)
        )
    return line | {"difference": found.as_dict()}


def _mean_change(change: Floats, design: Design | None, level: float) -> Estimate:
    if design is not None:
        return mean_of(change, design, level)
    n, value = len(change), float(change.mean())
    if n < 2:
        return Estimate(value, None, None, n, "none", "no interval from a single case")
    error = float(change.std(ddof=1)) / math.sqrt(n)
    half = intervals.t_value(n - 1, level) * error
    return Estimate(value, value - half, value + half, n, "t, paired", error=error, df=n - 1)
