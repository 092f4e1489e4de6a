"""Permutation importance: how much worse the model does when one column is shuffled.

Breiman (2001), Random Forests, section 10; Fisher, Rudin and Dominici (2019). The interval is DeLong's for two
paired AUCs (DeLong et al. 1988) on the placements averaged over the repeats: it covers which cases were drawn. Of
several classes and of numbers it is the normal interval of the paired losses, of balanced accuracy by class.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.analysis import intervals
from apps.analysis.errors import InputError
from apps.analysis.explain.columns import Columns, Floats, Score, length
from apps.analysis.explain.targets import TWO, Target

Z95 = 1.959963984540054
AUC, CHANGE = "auc_drop", "score_change"
BALANCED, FLIPS, ERROR = "balanced_accuracy_drop", "class_flips", "mae_rise"
WORDS = {
    AUC: "drop in AUC when shuffled",
    CHANGE: "mean change of the score when shuffled",
    BALANCED: "drop in balanced accuracy when shuffled",
    FLIPS: "share of cases that get another class when shuffled",
    ERROR: "rise in mean absolute error when shuffled",
}


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
    labels: NDArray[Any] | None,
    *,
    repeats: int = 5,
    seed: int = 0,
    target: Target = TWO,
) -> list[Importance]:
    """The importance of each column, in the columns' order.

    labels: (n,), 1 positive and 0 negative; of several classes their places; of numbers the true ones. Without labels,
    or with one class only, the measure is the mean absolute change of the score instead of the drop in AUC, of several
    classes the share of cases that get another. Of one class (`target.of`) scores and labels are of it against the
    rest. Raises `InputError` with fewer than two cases or no repeat.
    """
    n = length(columns)
    if n < 2 or repeats < 1:
        raise InputError("Permutation importance needs at least two cases and one repeat.")
    ranked = target.one_score and labels is not None and 0 < int((labels == 1).sum()) < n
    rng = np.random.default_rng([seed, 1])
    base = score(columns)
    found = []
    for name in columns:
        orders = [rng.permutation(n) for _ in range(repeats)]
        shuffled = [score({**columns, name: columns[name][order]}) for order in orders]
        if ranked and labels is not None:
            found.append(_auc_drop(name, base, shuffled, labels == 1))
        elif target.by_case:
            found.append(_class_loss(name, base, shuffled, labels))
        elif target.number and labels is not None:
            found.append(_error_rise(name, base, shuffled, labels))
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


def _class_loss(name: str, base: Floats, shuffled: list[Floats], labels: NDArray[Any] | None) -> Importance:
    """The drop in balanced accuracy (mean recall of the classes that occur); flips of the class without labels."""
    given, others = base[:, 0], [scores[:, 0] for scores in shuffled]
    if labels is None or len(np.unique(labels)) < 2:
        moved = np.array([other != given for other in others], dtype=np.float64)
        by_case = moved.mean(axis=0)
        error = float(np.sqrt(_variance(by_case) / len(by_case)))
        return _made(name, float(by_case.mean()), error, list(moved.mean(axis=1)), len(given), FLIPS)
    lost = np.array([(given == labels) * 1.0 - (other == labels) for other in others])
    places = [labels == place for place in np.unique(labels)]
    drops = [float(np.mean([each[at].mean() for at in places])) for each in lost]
    by_case = lost.mean(axis=0)
    error = float(np.sqrt(sum(_variance(by_case[at], 1.0) / at.sum() for at in places))) / len(places)
    return _made(name, float(np.mean(drops)), error, drops, len(given), BALANCED)


def _error_rise(name: str, base: Floats, shuffled: list[Floats], labels: Floats) -> Importance:
    lost = np.abs(np.array(shuffled) - labels) - np.abs(base - labels)
    by_case = lost.mean(axis=0)
    error = float(np.sqrt(_variance(by_case) / len(by_case)))
    return _made(name, float(by_case.mean()), error, list(lost.mean(axis=1)), len(base), ERROR)


def achieved(answers: Floats, labels: NDArray[Any], target: Target) -> dict[str, Any]:
    """What the shuffled metric is without shuffling, with its 95 % interval: {"metric", "value", "low", "high", "n"}.

    Of numbers the mean absolute error, its interval normal. Of several classes the balanced accuracy; its interval is
    made from Wilson's of each class (variance estimates recovery, Zou and Donner 2008), which has a width also where
    all cases of a class are right.
    """
    n = len(labels)
    if target.number:
        off = np.abs(answers - labels)
        value, error = float(off.mean()), float(np.sqrt(_variance(off) / n))
        return {
            "metric": "mae",
            "value": value,
            "low": max(0.0, value - Z95 * error),
            "high": value + Z95 * error,
            "n": n,
        }
    right = answers[:, 0] == labels
    told = []
    for place in np.unique(labels):
        k, m = int(right[labels == place].sum()), int((labels == place).sum())
        told.append((k / m, *intervals.wilson(k, m)))
    share, low, high = np.array(told).T
    value = float(share.mean())
    down, up = (float(np.sqrt(((share - end) ** 2).sum())) / len(told) for end in (low, high))
    return {
        "metric": "balanced_accuracy",
        "value": value,
        "low": max(0.0, value - down),
        "high": min(1.0, value + up),
        "n": n,
    }


def _change(name: str, base: Floats, shuffled: list[Floats]) -> Importance:
    moved = np.abs(np.array(shuffled) - base)
    by_case = moved.mean(axis=0)
    error = float(np.sqrt(_variance(by_case) / len(by_case)))
    return _made(name, float(by_case.mean()), error, list(moved.mean(axis=1)), len(base), CHANGE)


def _variance(values: Floats, alone: float = 0.0) -> float:
    """alone: what it counts as where there is a single case, which shows no spread."""
    return float(values.var(ddof=1)) if len(values) > 1 else alone


def _made(name: str, value: float, error: float, drops: list[float], n: int, measure: str) -> Importance:
    spread = float(np.std(drops, ddof=1)) if len(drops) > 1 else 0.0
    return Importance(name, value, value - Z95 * error, value + Z95 * error, spread, n, len(drops), measure)
