"""Metrics of a regression model with intervals."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals
from apps.analysis.metrics import Estimate, none
from apps.analysis.survey import Design, mean_of, with_error

Floats = npt.NDArray[np.float64]


def metrics(
    truth: Floats, predicted: Floats, level: float = intervals.LEVEL, design: Design | None = None
) -> dict[str, Estimate]:
    """MAE, RMSE, R squared and mean error (bias: predicted minus true) of (n,) arrays without missing values.

    MAE and mean error: normal interval. RMSE: root of the normal interval of the mean squared error. R
    squared: Olkin and Finn's large-sample error. With a `design`: linearised, by entity, t quantile.
    """
    off = predicted - truth
    n = len(off)
    found: dict[str, Estimate] = {}
    for name, values, floor in (("mae", np.abs(off), 0.0), ("mean_error", off, -math.inf)):
        found[name] = mean_loss(values, level, floor, design)
    squared = mean_loss(off * off, level, 0.0, design)
    assert squared.value is not None
    ends = [None if end is None else math.sqrt(end) for end in (squared.low, squared.high)]
    found["rmse"] = replace(squared, value=math.sqrt(squared.value), low=ends[0], high=ends[1], error=None)
    weights = design.weights if design is not None else np.ones(n)
    centred = truth - float((weights * truth).sum() / weights.sum())
    spread = float((weights * centred * centred).sum())
    if spread == 0:
        found["r2"] = none(n, "every label is the same")
    elif design is not None:
        value = 1 - float((weights * off * off).sum()) / spread
        influence = -weights * (off * off - (1 - value) * centred * centred) / spread
        found["r2"] = with_error(value, influence, design, level, "linearised", n, ceiling=1.0)
    else:
        found["r2"] = _r2(squared.value, spread, n, level)
    return found


def mean_loss(values: Floats, level: float, floor: float, design: Design | None) -> Estimate:
    """The mean of (n,) values with its normal interval from `floor` up; with a `design` linearised, t."""
    if design is not None:
        return mean_of(values, design, level, floor)
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
