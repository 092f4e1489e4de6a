"""Two groups on one metric: difference and ratio with intervals, and a p-value."""

from __future__ import annotations

import math
from typing import Any, cast

from apps.analysis import intervals, survey, surveyed
from apps.analysis.groups import Group
from apps.analysis.metrics import RATES, Estimate, rate_counts


def pair(a: Group, b: Group, metric: str, level: float, judged: bool) -> dict[str, Any]:
    """`a` becomes the group with the higher value. Rates of independent rows: Newcombe, Katz, pooled z-test."""
    first, second = a.estimates[metric], b.estimates[metric]
    higher, lower = cast(float, first.value), cast(float, second.value)  # the caller compares valued groups
    if higher < lower:
        a, b, first, second, higher, lower = b, a, second, first, lower, higher
    difference: dict[str, Any] = {"value": higher - lower, "low": None, "high": None}
    ratio: dict[str, Any] = {"value": None, "low": None, "high": None}
    p = None
    if metric in RATES and metric in a.influences:
        difference, ratio, p = _surveyed_rates(a, b, metric, level)
    elif metric in RATES:
        k1, n1 = rate_counts(a.counts, metric)
        k2, n2 = rate_counts(b.counts, metric)
        difference["low"], difference["high"] = intervals.newcombe(k1, n1, k2, n2, level)
        p = intervals.two_proportions(k1, n1, k2, n2)
        if k1:
            low, high = intervals.katz_log(k2, n2, k1, n1, level)
            ratio = {"value": lower / higher, "low": low, "high": high}
    elif first.error and second.error:
        covariance = 0.0
        if metric in a.influences:
            covariance = surveyed.covariance(a.influences[metric], b.influences[metric])
        error = math.sqrt(max(0.0, first.error**2 + second.error**2 - 2 * covariance))
        if error:
            df = _df(first, second)
            quantile = intervals.z_value(level) if df is None else intervals.t_value(df, level)
            half = quantile * error
            difference["low"], difference["high"] = difference["value"] - half, difference["value"] + half
            z = difference["value"] / error
            p = math.erfc(z / math.sqrt(2)) if df is None else intervals.t_tail(z, df)
    return {
        "a": a.name,
        "b": b.name,
        "difference": difference,
        "ratio": ratio,
        "p": p,
        "p_holm": None,
        "judged": judged,
    }


def _df(first: Estimate, second: Estimate) -> int | None:
    """The smaller degrees of freedom; None for independent rows."""
    given = [df for df in (first.df, second.df) if df is not None]
    return min(given) if given else None


def _surveyed_rates(
    a: Group, b: Group, metric: str, level: float
) -> tuple[dict[str, Any], dict[str, Any], float | None]:
    """Weighted or clustered rates: the same methods on effective sizes, with the correlation of shared entities."""
    first, second = a.estimates[metric], b.estimates[metric]
    higher, lower = cast(float, first.value), cast(float, second.value)
    difference: dict[str, Any] = {"value": higher - lower, "low": None, "high": None}
    ratio: dict[str, Any] = {"value": lower / higher if higher else None, "low": None, "high": None}
    df = _df(first, second)
    if (
        first.n_effective is None
        or second.n_effective is None
        or first.df is None
        or second.df is None
        or not df
    ):
        return difference, ratio, None
    covariance = surveyed.covariance(a.influences[metric], b.influences[metric])
    errors = cast(float, first.error) * cast(float, second.error)
    r = max(-1.0, min(1.0, covariance / errors)) if errors else 0.0
    ends = [
        (cast(float, e.value), *survey.rate_interval(cast(float, e.value), e.n_effective, e.df, level))
        for e in (first, second)
        if e.n_effective is not None and e.df is not None
    ]
    low, high = intervals.mover(ends[0], ends[1], r)
    difference["low"], difference["high"] = max(-1.0, low), min(1.0, high)
    variance = cast(float, first.error) ** 2 + cast(float, second.error) ** 2 - 2 * covariance
    p = 1.0
    if variance > 0:
        p = intervals.t_tail(difference["value"] / math.sqrt(variance), df)
    if higher:
        # On the log scale from the ends of both rates; a rate of 0 has no lower end there.
        above, below = ends[0], ends[1]
        if below[0] == 0:
            ratio["low"], ratio["high"] = 0.0, below[2] / above[1] if above[1] else None
        else:
            logs = [tuple(math.log(v) if v > 0 else -math.inf for v in e) for e in (below, above)]
            down, up = intervals.mover(logs[0], logs[1], r)  # type: ignore[arg-type]
            ratio["low"], ratio["high"] = math.exp(down), math.exp(up)
    return difference, ratio, p
