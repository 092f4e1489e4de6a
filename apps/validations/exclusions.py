"""Cases that cannot be judged: why, how many, and what the figures would be had all of them gone wrong. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from apps.analysis.metrics import canonical_name

NO_LABEL = "label is missing"
STRANGE_LABEL = "label is none of the classes"
NO_NUMBER = "label is not a finite number"
BAD_WEIGHT = "weight is missing or not positive"
NO_INPUT = "a whole-number input is empty"
NO_SCORE = "score is missing or not finite"
OUTSIDE = "score lies outside 0 to 1"
NOT_ONE = "probabilities do not add to 1"
STRANGE_SAID = "prediction is none of the classes"
REASONS = (
    NO_LABEL, STRANGE_LABEL, NO_NUMBER, BAD_WEIGHT, NO_INPUT, NO_SCORE, OUTSIDE, NOT_ONE, STRANGE_SAID
)  # fmt: skip
_HIGHER = frozenset(("accuracy", "tpr", "tnr", "ppv", "npv", "selection_rate", "base_rate"))
_LOWER = frozenset(("fnr", "fpr", "fdr", "for", "fn_share"))
Figures = Mapping[str, Any]


def by_reason(reasons: Sequence[str | None]) -> list[dict[str, Any]]:
    """[{"reason", "n"}] of the cases that have one, in the order of `REASONS`."""
    found: dict[str, int] = {}
    for reason in reasons:
        if reason is not None:
            found[reason] = found.get(reason, 0) + 1
    return [{"reason": reason, "n": found[reason]} for reason in REASONS if reason in found]


def worst(metric: str, figures: Figures, excluded: int, *, of_class: str = "") -> tuple[float | None, str]:
    """(the value had every excluded case gone as wrong as it can, "") or (None, why there is no such bound).

    `figures`: the group of a report that the criterion is about; `excluded`: cases of that group left out. The bound
    holds whatever the labels and predictions of these cases are; for a rate whose more is better it is a floor, for an
    error rate a ceiling.
    """
    name = canonical_name(metric)
    part = figures
    if of_class:
        part = next(one for one in figures["classes"] if one["class"] == of_class)
    estimate = part["metrics"].get(name)
    if estimate is None or estimate["value"] is None:
        return None, "the metric has no value"
    value, n = float(estimate["value"]), int(estimate["n"])
    if excluded == 0:
        return value, ""
    if name in _HIGHER:
        return value * n / (n + excluded), ""
    if name in _LOWER:
        return (value * n + excluded) / (n + excluded), ""
    if name == "brier":
        return (value * n + excluded) / (n + excluded), ""
    bound = _BOUNDS.get(name)
    if bound is None:
        return None, "one case can move this metric without a bound"
    found = bound(part, excluded)
    return (found, "") if found is not None else (None, "one case can move this metric without a bound")


def _f1(part: Figures, excluded: int) -> float | None:
    """Each wrong case is one miss or one false alarm more."""
    counts = part.get("counts")
    if counts is None:
        return None
    return 2 * counts["tp"] / (2 * counts["tp"] + counts["fp"] + counts["fn"] + excluded)


def _balanced(part: Figures, excluded: int) -> float | None:
    """Mean of the classes' recalls, the excluded cases put where they lower it most: greedy, each recall is convex."""
    counts, table = part.get("counts"), part.get("confusion")
    if counts is not None:
        pairs = [(counts["tp"], counts["tp"] + counts["fn"]), (counts["tn"], counts["tn"] + counts["fp"])]
    elif table is not None:
        if not all(map(sum, table)):
            return None  # a class without a counted case has no recall, and its excluded cases would have one
        pairs = [(row[i], sum(row)) for i, row in enumerate(table)]
    else:
        return None
    heap = [(-(hits / n - hits / (n + 1)), hits, n) for hits, n in pairs]
    heapq.heapify(heap)
    for _ in range(excluded):
        _, hits, n = heapq.heappop(heap)
        heapq.heappush(heap, (-(hits / (n + 1) - hits / (n + 2)), hits, n + 1))
    return sum(hits / n for _, hits, n in heap) / len(heap)


def _area(part: Figures, excluded: int) -> float | None:
    """Every pair with an excluded case is ranked wrongly; their labels are such that most pairs are."""
    counts = part.get("counts")
    if counts is None:
        return None
    positive, negative = counts["tp"] + counts["fn"], counts["tn"] + counts["fp"]
    right = float(part["metrics"]["auc"]["value"]) * positive * negative
    more = min(max((excluded + negative - positive) // 2, 0), excluded)
    return right / ((positive + more) * (negative + excluded - more))


_BOUNDS: dict[str, Callable[[Figures, int], float | None]] = {
    "f1": _f1,
    "balanced_accuracy": _balanced,
    "auc": _area,
}
