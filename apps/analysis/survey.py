"""Errors of weighted and clustered rows: linearisation summed by entity, t quantiles, effective sizes.

Sources: Kish 1965 (effective n); Binder 1983 (linearised variance of totals by primary unit, m/(m-1) correction);
Korn and Graubard 1998 (a rate's effective n, with the t quantile). Degrees of freedom: entities with a case, minus 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals
from apps.analysis.metrics import Estimate, none

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Design:
    """`weights`: (n,) positive; `units`: (n,) number of each row's entity (its own number without entities)."""

    weights: Floats
    units: npt.NDArray[np.int64]

    def take(self, rows: Any) -> Design:
        """The design of some rows (an index, a mask or a slice)."""
        return Design(self.weights[rows], self.units[rows])

    def sums(self, values: Floats) -> Floats:
        """Sums by entity of the entities present, in order of their number."""
        if len(values) == 0:
            return values
        present, place = np.unique(self.units, return_inverse=True)
        return np.bincount(place, values, minlength=len(present)).astype(np.float64)

    def kish(self) -> float:
        """Kish's effective number of entities: (sum of weights)^2 over the sum of squared entity weights."""
        by_unit = self.sums(self.weights)
        return float(by_unit.sum() ** 2 / (by_unit**2).sum()) if len(by_unit) else 0.0

    def variance(self, influence: Floats) -> tuple[float, int]:
        """(variance, entities) of an estimate from each row's part in its error."""
        by_unit = self.sums(influence)
        m = len(by_unit)
        if m < 2:
            return math.nan, m
        return float(((by_unit - by_unit.mean()) ** 2).sum()) * m / (m - 1), m


def with_error(
    value: float,
    influence: Floats,
    design: Design,
    level: float,
    method: str,
    n: int,
    floor: float = -math.inf,
    ceiling: float = math.inf,
    scale: str = "plain",
) -> Estimate:
    """An estimate whose interval comes from its linearised error and the t quantile; `scale`: plain or logit."""
    variance, m = design.variance(influence)
    if m < 2:
        return Estimate(value, None, None, n, "none", "no interval from a single entity", entities=m)
    error = math.sqrt(variance)
    t = intervals.t_value(m - 1, level)
    low, high = value - t * error, value + t * error
    if scale == "logit" and 0 < value < 1:
        low, high = intervals.logit_interval(value, error * t / intervals.z_value(level), level)
    return Estimate(
        value, max(floor, low), min(ceiling, high), n, f"{method}, t", error=error, df=m - 1, entities=m
    )


def mean_of(
    values: Floats, design: Design, level: float, floor: float = -math.inf, ceiling: float = math.inf
) -> Estimate:
    """A weighted mean of rows with its linearised error."""
    if len(values) == 0:
        return none(0, "no rows")
    total = design.weights.sum()
    value = float((design.weights * values).sum() / total)
    influence = design.weights * (values - value) / total
    return with_error(value, influence, design, level, "linearised", len(values), floor, ceiling)


def rate_interval(value: float, effective: float, df: int, level: float) -> tuple[float, float]:
    """Wilson's interval on the effective n, shrunk by (z/t)^2 for few entities."""
    shrunk = effective * (intervals.z_value(level) / intervals.t_value(df, level)) ** 2
    return intervals.wilson(value * shrunk, shrunk, level)


def ratio_of(above: Floats, below: Floats, n: int, level: float, reason: str) -> tuple[Estimate, Floats]:
    """A weighted rate from its sums by entity (m,), and each entity's part in its error. `n`: rows it rests on."""
    if n == 0:
        return none(0, reason), np.zeros(len(below))
    total = below.sum()
    # 0 and 1 are exact, whatever the order of the weights.
    value = 1.0 if (above == below).all() else float(above.sum() / total)
    influence = (above - value * below) / total
    m = int((below > 0).sum())
    if m < 2:
        return (
            Estimate(value, None, None, n, "none", "no interval from a single entity", entities=m),
            influence,
        )
    variance = float((influence**2).sum()) * m / (m - 1)
    effective = float(total**2 / (below**2).sum())
    if 0 < value < 1:
        effective = min(float(n), value * (1 - value) / variance) if variance > 0 else float(n)
    low, high = rate_interval(value, effective, m - 1, level)
    made = Estimate(
        value,
        low,
        high,
        n,
        "wilson on effective n, t",
        error=math.sqrt(variance),
        df=m - 1,
        entities=m,
        n_effective=effective,
    )
    return made, influence
