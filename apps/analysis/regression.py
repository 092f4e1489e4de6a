"""Metrics of a regression model with intervals."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals
from apps.analysis.metrics import Estimate, none


def metrics(
    truth: npt.NDArray[np.float64], predicted: npt.NDArray[np.float64], level: float = intervals.LEVEL
) -> dict[str, Estimate]:
    """MAE, RMSE, R squared and mean error (predicted minus true) of (n,) arrays without missing values.

    MAE and mean error: normal interval. RMSE: root of the normal interval of the mean squared error. R
    squared: Olkin and Finn's large-sample error.
    """
    off = predicted - truth
    n = len(off)
    found: dict[str, Estimate] = {}
    for name, values, floor in (("mae", np.abs(off), 0.0), ("mean_error", off, -math.inf)):
        found[name] = _mean(values, level, floor)
    squared = _mean(off * off, level, 0.0)
    assert squared.value is not None
    ends = [None if end is None else math.sqrt(end) for end in (squared.low, squared.high)]
    found["rmse"] = Estimate(math.sqrt(squared.value), ends[0], ends[1], n, squared.method, squared.reason)
    spread = float(((truth - truth.mean()) ** 2).sum())
    found["r2"] = none(n, "every label is the same") if spread == 0 else _r2(squared.value, spread, n, level)
    return found


def _mean(values: npt.NDArray[np.float64], level: float, floor: float) -> Estimate:
    n = len(values)
    value = float(values.mean())
    if n < 2:
        return Estimate(value, None, None, n, "none", "no interval from a single row")
    variance = float(values.var(ddof=1))
    low, high = intervals.mean_interval(value, variance, n, level)
    return Estimate(value, max(floor, low), high, n, "normal", error=math.sqrt(variance / n))


def _r2(mean_squared: float, spread: float, n: int, level: float) -> Estimate:
    value = 1 - mean_squared * n / spread
    if value <= 0:
        return Estimate(value, None, None, n, "none", "no interval: worse than predicting the mean")
    error = math.sqrt(4 * value * (1 - value) ** 2 / n)
    half = intervals.z_value(level) * error
    return Estimate(value, max(0.0, value - half), min(1.0, value + half), n, "olkin-finn", error=error)
