"""How far two samples of one column lie apart: PSI, KS, Wasserstein, chi-square, Cramér's V, Jensen-Shannon.

Sources: PSI as the symmetrised Kullback-Leibler sum over bins, its size without drift after Yurdakul (2018): about
(1/n + 1/m) times chi-square with bins - 1 degrees of freedom. The limits 0.1 and 0.2 are convention, not theory.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
BINS = 10


def edges_of(baseline: Floats, bins: int = BINS) -> list[float]:
    """Inner edges of the bins: quantiles of the baseline without repeats. The outer bins are open."""
    wanted = np.quantile(baseline, np.arange(1, bins) / bins, method="inverted_cdf")
    return [float(edge) for edge in np.unique(wanted)]


def shares(counts: npt.NDArray[np.int64], half: bool) -> Floats:
    """Shares of the bins; `half`: with half a case added to each, where some bin of either sample is empty."""
    c = counts + 0.5 if half else counts.astype(np.float64)
    return np.asarray(c / c.sum())


def psi(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    """Population stability index of two arrays of counts over the same bins."""
    half = bool((first == 0).any() or (second == 0).any())
    p, q = shares(first, half), shares(second, half)
    return float(((q - p) * np.log(q / p)).sum())


def psi_noise(n: int, m: int, bins: int, level: float = 0.95) -> float:
    """What PSI stays below in 95 of 100 samples of these sizes when nothing has changed."""
    from scipy.special import chdtri

    return (1 / n + 1 / m) * float(chdtri(bins - 1, 1 - level)) if bins > 1 else 0.0


def jensen_shannon(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> float:
    """Jensen-Shannon distance with logarithms to base 2: 0 the same, 1 nothing in common."""
    p, q = shares(first, False), shares(second, False)
    middle = (p + q) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(p > 0, p * np.log2(p / middle), 0) + np.where(q > 0, q * np.log2(q / middle), 0)
    return math.sqrt(max(0.0, float(terms.sum()) / 2))


def kolmogorov_smirnov(first: Floats, second: Floats) -> tuple[float, float, float]:
    """(statistic, two-sided p, Wasserstein distance) of two sorted samples, from one merge."""
    from scipy.stats import kstwo

    merged = np.concatenate([first, second])
    merged.sort(kind="stable")
    below = np.searchsorted(first, merged, "right") / len(first)
    other = np.searchsorted(second, merged, "right") / len(second)
    gap = np.abs(below - other)
    distance = float((gap[:-1] * np.diff(merged)).sum())
    n, m = len(first), len(second)
    statistic = float(gap.max())
    size = max(1, round(n * m / (n + m)))
    return statistic, float(min(1.0, max(0.0, kstwo.sf(statistic, size)))), distance


def chi_square(first: npt.NDArray[np.int64], second: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Test that two arrays of counts have the same shares: `statistic`, `df`, `p`, `cramers_v`, `expected_below_5`."""
    from scipy.special import chdtrc

    table = np.array([first, second], dtype=np.float64)
    table = table[:, table.sum(axis=0) > 0]
    total = table.sum()
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0) / total
    df = table.shape[1] - 1
    if df < 1:
        return {"statistic": 0.0, "df": 0, "p": 1.0, "cramers_v": 0.0, "expected_below_5": 0}
    statistic = float(((table - expected) ** 2 / expected).sum())
    return {
        "statistic": statistic,
        "df": df,
        "p": float(chdtrc(df, statistic)),
        "cramers_v": math.sqrt(statistic / total),
        "expected_below_5": int((expected < 5).sum()),
    }


def aligned(first: Mapping[str, int], second: Mapping[str, int]) -> tuple[list[str], Any, Any]:
    """(categories of both, sorted; counts of the first; counts of the second)."""
    names = sorted(set(first) | set(second))
    counts = [np.array([side.get(name, 0) for name in names], dtype=np.int64) for side in (first, second)]
    return names, counts[0], counts[1]
