"""Permutation importance: how much worse the model separates the labels when one column is shuffled.

Breiman (2001), Random Forests, section 10; Fisher, Rudin and Dominici (2019). The interval is DeLong's for two
paired AUCs (DeLong et al. 1988) on the placements averaged over the repeats: it covers which cases were drawn.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.analysis.errors import InputError
from apps.analysis.explain.columns import Columns, Floats, Score, length

Z95 = 1.959963984540054
AUC, CHANGE = "auc_drop", "score_change"
WORDS = {AUC: "drop in AUC when shuffled", CHANGE: "mean change of the score when shuffled"}


@dataclass(frozen=True)
class Importance:
    """value: mean over the repeats, 95 % interval over the n cases; spread: standard deviation over the repeats."""

    feature: str
    value: float
    low: float
    high: float
    spread: float
    n: int
    repeats: int
    measure: str


def permutation_importance(
    score: Score,
    columns: Columns,
    labels: NDArray[np.int8] | None,
    *,
    repeats: int = 5,
    seed: int = 0,
) -> list[Importance]:
    """The importance of each column, in the columns' order.

    labels: (n,), 1 positive and 0 negative. Without labels, or with one class only, the measure is the mean absolute
    change of the score instead of the drop in AUC. Raises `InputError` with fewer than two cases or no repeat.
    """
    n = length(columns)
    if n < 2 or repeats < 1:
        raise InputError("Permutation importance needs at least two cases and one repeat.")
    two = labels is not None and 0 < int((labels == 1).sum()) < n
    rng = np.random.default_rng([seed, 1])
    base = score(columns)
    found = []
    for name in columns:
        orders = [rng.permutation(n) for _ in range(repeats)]
        shuffled = [score({**columns, name: columns[name][order]}) for order in orders]
        if two and labels is not None:
            found.append(_auc_drop(name, base, shuffled, labels == 1))
        else:
            found.append(_change(name, base, shuffled))
    return found


def auc(scores: Floats, positive: NDArray[np.bool_]) -> float:
    """The area under the ROC curve; ties count half."""
    return float(_placements(scores, positive)[0].mean())


def _placements(scores: Floats, positive: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Of each positive the share of negatives below it, of each negative the share of positives above it."""
    pos, neg = scores[positive], scores[~positive]
    low, high = np.sort(neg), np.sort(pos)
    of_pos = (np.searchsorted(low, pos, "left") + np.searchsorted(low, pos, "right")) / (2 * len(neg))
    of_neg = 1 - (np.searchsorted(high, neg, "left") + np.searchsorted(high, neg, "right")) / (2 * len(pos))
    return of_pos, of_neg


def _auc_drop(name: str, base: Floats, shuffled: list[Floats], positive: NDArray[np.bool_]) -> Importance:
    of_pos, of_neg = _placements(base, positive)
    each = [_placements(scores, positive) for scores in shuffled]
    lost_pos = of_pos - np.mean([p for p, _ in each], axis=0)
    lost_neg = of_neg - np.mean([q for _, q in each], axis=0)
    drops = [float(of_pos.mean() - p.mean()) for p, _ in each]
    error = float(np.sqrt(_variance(lost_pos) / len(lost_pos) + _variance(lost_neg) / len(lost_neg)))
    return _made(name, float(np.mean(drops)), error, drops, len(base), AUC)


def _change(name: str, base: Floats, shuffled: list[Floats]) -> Importance:
    moved = np.abs(np.array(shuffled) - base)
    by_case = moved.mean(axis=0)
    error = float(np.sqrt(_variance(by_case) / len(by_case)))
    return _made(name, float(by_case.mean()), error, list(moved.mean(axis=1)), len(base), CHANGE)


def _variance(values: Floats) -> float:
    return float(values.var(ddof=1)) if len(values) > 1 else 0.0


def _made(name: str, value: float, error: float, drops: list[float], n: int, measure: str) -> Importance:
    spread = float(np.std(drops, ddof=1)) if len(drops) > 1 else 0.0
    return Importance(name, value, value - Z95 * error, value + Z95 * error, spread, n, len(drops), measure)
