"""Intervals and p-values for rates, in closed form.

All intervals are two-sided at `level` (0.95 unless told). Counts are integers, or a fractional number of
successes where the text says so. Returned pairs are (low, high). Sources: Wilson 1927; Newcombe 1998
(Statistics in Medicine 17:857 and 17:873, method 10); Katz et al. 1978 with Walter's half added to each count
where a count is zero; Holm 1979; DeLong 1988.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

LEVEL = 0.95
_NORMAL = NormalDist()


def z_value(level: float = LEVEL) -> float:
    """The two-sided normal quantile of `level`, e.g. 1.959964 for 0.95."""
    if not 0 < level < 1:
        raise ValueError("a level lies between 0 and 1")
    return _NORMAL.inv_cdf(0.5 + level / 2)


def t_value(df: float, level: float = LEVEL) -> float:
    """The two-sided quantile of Student's t with `df` degrees of freedom."""
    from scipy.special import stdtrit

    return float(stdtrit(df, 0.5 + level / 2))


def t_tail(t: float, df: float) -> float:
    """Two-sided p-value of Student's t."""
    from scipy.special import stdtr

    return float(2 * stdtr(df, -abs(t)))


def wilson(successes: float, n: float, level: float = LEVEL) -> tuple[float, float]:
    """Wilson's score interval for a proportion; exact 0 and 1 at the borders."""
    if n <= 0 or not 0 <= successes <= n:
        raise ValueError("successes must lie between 0 and a positive n")
    z2 = z_value(level) ** 2
    centre = (successes + z2 / 2) / (n + z2)
    half = math.sqrt(z2) * math.sqrt(successes * (n - successes) / n + z2 / 4) / (n + z2)
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return low, high


def mover(
    first: tuple[float, float, float], second: tuple[float, float, float], correlation: float = 0.0
) -> tuple[float, float]:
    """Interval for `first - second`, each (value, low, high), both at one level.

    Method of variance estimates recovery (Zou and Donner 2008); with Wilson intervals and no `correlation` this is
    Newcombe's method 10.
    """
    a, la, ua = first
    b, lb, ub = second
    gap, r = a - b, 2 * correlation
    below, above = a - la, ua - a
    low = below**2 - r * below * (ub - b) + (ub - b) ** 2
    high = above**2 - r * above * (b - lb) + (b - lb) ** 2
    return gap - math.sqrt(max(0.0, low)), gap + math.sqrt(max(0.0, high))


def newcombe(
    successes_1: float, n_1: float, successes_2: float, n_2: float, level: float = LEVEL
) -> tuple[float, float]:
    """Newcombe's interval (method 10) for the difference of two independent proportions, first minus second."""
    first = (successes_1 / n_1, *wilson(successes_1, n_1, level))
    second = (successes_2 / n_2, *wilson(successes_2, n_2, level))
    low, high = mover(first, second)
    return max(-1.0, low), min(1.0, high)


def katz_log(
    successes_1: float, n_1: float, successes_2: float, n_2: float, level: float = LEVEL
) -> tuple[float, float]:
    """Katz's log interval for the ratio of two independent proportions, first over second.

    Where a count of successes is zero, or all succeed in both samples, a half is added to each count (Walter
    1975); the low end is then 0 when the first count is zero, the high end is infinite when the second is.
    """
    if n_1 <= 0 or n_2 <= 0:
        raise ValueError("both samples need rows")
    a, m, b, n = successes_1, n_1, successes_2, n_2
    if a == 0 or b == 0 or (a == m and b == n):
        a, m, b, n = a + 0.5, m + 0.5, b + 0.5, n + 0.5
    log_ratio = math.log(a / m) - math.log(b / n)
    half = z_value(level) * math.sqrt(max(0.0, 1 / a - 1 / m + 1 / b - 1 / n))
    low = 0.0 if successes_1 == 0 else math.exp(log_ratio - half)
    high = math.inf if successes_2 == 0 else math.exp(log_ratio + half)
    return low, high


def simultaneous(level: float, comparisons: int) -> float:
    """The level of each of several intervals so that all hold together with `level` (Bonferroni)."""
    return 1 - (1 - level) / max(1, comparisons)


def two_proportions(successes_1: float, n_1: float, successes_2: float, n_2: float) -> float:
    """Two-sided p-value of the pooled z-test that two independent proportions are equal."""
    pooled = (successes_1 + successes_2) / (n_1 + n_2)
    variance = pooled * (1 - pooled) * (1 / n_1 + 1 / n_2)
    if variance == 0:
        return 1.0
    z = (successes_1 / n_1 - successes_2 / n_2) / math.sqrt(variance)
    return math.erfc(abs(z) / math.sqrt(2))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's adjusted p-values, in the order given."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = highest
    return adjusted


def mean_interval(mean: float, variance: float, n: int, level: float = LEVEL) -> tuple[float, float]:
    """Normal interval of a mean of `n` values with sample variance `variance` (ddof 1)."""
    half = z_value(level) * math.sqrt(max(0.0, variance) / n)
    return mean - half, mean + half


def logit_interval(value: float, error: float, level: float = LEVEL) -> tuple[float, float]:
    """Interval of a value in (0, 1) with standard error `error`, symmetric on the logit scale."""
    centre = math.log(value / (1 - value))
    half = z_value(level) * error / (value * (1 - value))
    return 1 / (1 + math.exp(half - centre)), 1 / (1 + math.exp(-half - centre))
