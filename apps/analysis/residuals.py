"""What a regression model's errors look like, in bands and bars: no single case can be read from them.

Error is predicted minus true throughout, as `mean_error` is.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals

Floats = npt.NDArray[np.float64]
BANDS = 10
LEAST = 20  # cases a band holds at least, all of them in one band where there are fewer
BARS = 12


def bands(truth: Floats, predicted: Floats, level: float = intervals.LEVEL) -> list[dict[str, Any]]:
    """Cases in order of their prediction, cut into up to ten bands of equal size.

    Each: `n`, mean `predicted`, mean `observed` with `low` and `high`, mean `error` with `error_low` and `error_high`,
    `spread` (standard deviation of the error). Intervals are normal ones of the mean; None in a band of one case.
    """
    n = len(truth)
    count = max(1, min(BANDS, n // LEAST))
    order = np.argsort(predicted, kind="stable")
    found = []
    for chosen in np.array_split(order, count):
        error = predicted[chosen] - truth[chosen]
        seen, off = _mean(truth[chosen], level), _mean(error, level)
        found.append(
            {
                "n": len(chosen),
                "predicted": float(predicted[chosen].mean()),
                "observed": seen[0],
                "low": seen[1],
                "high": seen[2],
                "error": off[0],
                "error_low": off[1],
                "error_high": off[2],
                "spread": float(error.std(ddof=1)) if len(chosen) > 1 else None,
            }
        )
    return found


def _mean(values: Floats, level: float) -> tuple[float, float | None, float | None]:
    value = float(values.mean())
    if len(values) < 2:
        return value, None, None
    return value, *intervals.mean_interval(value, float(values.var(ddof=1)), len(values), level)


def bars(truth: Floats, predicted: Floats) -> dict[str, Any]:
    """Counts of the errors between round numbers: {"edges", "counts"}, one edge more than counts."""
    error = predicted - truth
    least, most = float(error.min()), float(error.max())
    step = _round_step((most - least) / BARS if most > least else abs(most) / BARS or 1.0)
    first, last = math.floor(least / step), math.floor(most / step) + 1
    places = np.clip(np.floor(error / step).astype(np.int64) - first, 0, last - first - 1)
    counts = np.bincount(places, minlength=last - first)
    return {
        "edges": [float(f"{i * step:.12g}") for i in range(first, last + 1)],
        "counts": [int(c) for c in counts],
    }


def _round_step(width: float) -> float:
    """The least of 1, 2 and 5 times a power of ten that is no less than `width`."""
    power = 10.0 ** math.floor(math.log10(width))
    return next(factor * power for factor in (1.0, 2.0, 5.0, 10.0) if factor * power >= width * (1 - 1e-12))
