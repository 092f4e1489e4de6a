"""Differences and ratios between groups: values as in Fairlearn, honest intervals, three-valued verdicts.

A largest-minus-smallest statistic cannot be below zero, so an interval of its own always "finds" bias. Here
every pair of groups has an interval at a level that makes all pairs hold together, and a verdict needs a pair
that shows it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

from apps.analysis import attainable, intervals
from apps.analysis import pairs as pairing
from apps.analysis.errors import InputError
from apps.analysis.groups import Group
from apps.analysis.verdicts import label_of

RULES = ("point", "near", "far")
WITHIN, BREACHED, UNDECIDED = "within", "breached", "undecided"

# name -> (difference or ratio, the metrics compared, plain name)
DISPARITIES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "demographic_parity_difference": ("difference", ("selection_rate",), "Demographic parity, difference"),
    "demographic_parity_ratio": (
        "ratio",
        ("selection_rate",),
        "Demographic parity, ratio (disparate impact)",
    ),
    "equal_opportunity_difference": ("difference", ("tpr",), "Equal opportunity, difference"),
    "equal_opportunity_ratio": ("ratio", ("tpr",), "Equal opportunity, ratio"),
    "predictive_equality_difference": ("difference", ("fpr",), "Predictive equality, difference"),
    "predictive_equality_ratio": ("ratio", ("fpr",), "Predictive equality, ratio"),
    "equalised_odds_difference": ("difference", ("tpr", "fpr"), "Equalised odds, difference"),
    "equalised_odds_ratio": ("ratio", ("tpr", "fpr"), "Equalised odds, ratio"),
    "predictive_parity_difference": ("difference", ("ppv",), "Predictive parity, difference"),
    "predictive_parity_ratio": ("ratio", ("ppv",), "Predictive parity, ratio"),
    "negative_predictive_parity_difference": (
        "difference",
        ("npv",),
        "Negative predictive parity, difference",
    ),
    "accuracy_difference": ("difference", ("accuracy",), "Accuracy, difference"),
    "accuracy_ratio": ("ratio", ("accuracy",), "Accuracy, ratio"),
    "treatment_equality_difference": ("difference", ("fn_share",), "Treatment equality, difference"),
    "treatment_equality_ratio": ("ratio", ("fn_share",), "Treatment equality, ratio"),
    "auc_difference": ("difference", ("auc",), "Area under the ROC curve, difference"),
    "brier_difference": ("difference", ("brier",), "Brier score, difference"),
    "calibration_gap_difference": ("difference", ("calibration_gap",), "Calibration gap, difference"),
    "calibration_slope_difference": ("difference", ("calibration_slope",), "Calibration slope, difference"),
    "calibration_intercept_difference": (
        "difference",
        ("calibration_intercept",),
        "Calibration intercept, difference",
    ),
}
# Of a regression; in the unit of its number, without an upper bound.
REAL_DISPARITIES: dict[str, tuple[str, tuple[str, ...], str]] = {
    "mae_difference": ("difference", ("mae",), "Mean absolute error, difference"),
    "mean_error_difference": ("difference", ("mean_error",), "Bias, difference"),
}
ALL_DISPARITIES = DISPARITIES | REAL_DISPARITIES
UNBOUNDED = frozenset(("calibration_slope_difference", "calibration_intercept_difference", *REAL_DISPARITIES))
ALIASES = {
    "disparate_impact": "demographic_parity_ratio",
    "equalized_odds_difference": "equalised_odds_difference",
    "equalized_odds_ratio": "equalised_odds_ratio",
}
ERRORS = {"fpr", "fn_share", "brier", "calibration_gap", "mae"}  # more is worse
SCORE_METRICS = {"auc", "brier", "calibration_gap", "calibration_slope", "calibration_intercept"}


@dataclass(frozen=True)
class Limit:
    """At most `limit` for a difference, at least `limit` for a ratio. `rule`: which end of a pair's interval counts.

    point: the value alone decides. near: breached when even the end nearest to equality lies beyond the
    limit, within when the value does not. far: within only when even the farthest end keeps the limit,
    breached when the nearest does not.
    """

    metric: str
    limit: float
    rule: str = "near"
    unit: str = ""  # of the numbers, in words

    @property
    def kind(self) -> str:
        return ALL_DISPARITIES[self.metric][0]


def parse_limit(given: Any) -> Limit:
    """A `Limit` from itself or from {"metric", "limit", "rule", "unit"}; `InputError` for what does not exist."""
    if isinstance(given, Limit):
        limit = given
    else:
        try:
            name = str(given["metric"])
            limit = Limit(
                ALIASES.get(name, name),
                float(given["limit"]),
                str(given.get("rule") or "near"),
                str(given.get("unit") or ""),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError("A limit needs a metric and a number.") from error
    if limit.metric not in ALL_DISPARITIES:
        raise InputError(f"There is no disparity “{limit.metric}”; there are {', '.join(ALL_DISPARITIES)}.")
    if limit.rule not in RULES:
        raise InputError(f"A limit's rule is point, near or far, not “{limit.rule}”.")
    if not math.isfinite(limit.limit):
        raise InputError(f"The limit of {limit.metric} must be a finite number, not {limit.limit:g}.")
    if limit.limit < 0 or (limit.limit > 1 and limit.metric not in UNBOUNDED):
        raise InputError(f"The limit of {limit.metric} must lie between 0 and 1.")
    return limit


def enough(group: Group, metric: str, min_n: int) -> bool:
    """Whether the metric has a value in this group and rests on at least `min_n` cases."""
    estimate = group.estimates.get(metric)
    return estimate is not None and estimate.value is not None and estimate.n >= min_n


def compare(
    groups: Sequence[Group], metric: str, min_n: int, level: float, components: int = 1
) -> dict[str, Any]:
    """All pairs of groups on one metric.

    `a` is the group with the higher value, `b` the other. Intervals hold together for all judged pairs (both
    groups with at least `min_n`) and `components` metrics. `p` is of the pooled z-test, `p_holm` adjusted
    over the judged pairs.
    """
    valued = [g for g in groups if metric in g.estimates and g.estimates[metric].value is not None]
    found = list(combinations(valued, 2))
    judged = [enough(a, metric, min_n) and enough(b, metric, min_n) for a, b in found]
    together = intervals.simultaneous(level, sum(judged) * components)
    pairs = [
        pairing.pair(a, b, metric, together, is_judged)
        for (a, b), is_judged in zip(found, judged, strict=True)
    ]
    tested = [pair for pair in pairs if pair["judged"] and pair["p"] is not None]
    for pair, adjusted in zip(tested, intervals.holm([pair["p"] for pair in tested]), strict=True):
        pair["p_holm"] = adjusted
    return {"metric": metric, "level": together, "pairs": pairs}


def summarise(name: str, groups: Sequence[Group], comparisons: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The point value over all groups (largest minus smallest, or smallest over largest) and the pair that makes it."""
    kind, metrics, plain = ALL_DISPARITIES[name]
    pairs = [
        (c["metric"], pair) for c in comparisons for pair in c["pairs"] if pair[kind]["value"] is not None
    ]
    missing = sorted(
        {g.name for g in groups for m in metrics if m not in g.estimates or g.estimates[m].value is None}
    )
    summary: dict[str, Any] = {
        "metric": name,
        "label": plain,
        "kind": kind,
        "of": list(metrics),
        "value": None,
        "low": None,
        "high": None,
        "pair": None,
        "level": comparisons[0]["level"],
        "p_holm": None,
        "without_value": missing,
        "reason": "",
    }
    if not pairs:
        summary["reason"] = "only one group has a value" if len(groups) > 1 else "there is only one group"
        return summary
    pick = max if kind == "difference" else min
    metric, pair = pick(pairs, key=lambda item: item[1][kind]["value"])
    summary |= pair[kind]
    summary["pair"] = [pair["a"], pair["b"]]
    summary["p_holm"] = pair["p_holm"]
    summary["decided_by"] = metric
    return summary


def judge(
    limit: Limit, groups: Sequence[Group], comparisons: Sequence[dict[str, Any]], min_n: int
) -> dict[str, Any]:
    """The verdict of one limit on one grouping, with its sentence and the pairs behind it."""
    _, metrics, plain = ALL_DISPARITIES[limit.metric]
    small = sorted({g.name for g in groups for m in metrics if not enough(g, m, min_n)})
    outcomes: list[tuple[str, str, dict[str, Any]]] = []
    for comparison in comparisons:
        for pair in comparison["pairs"]:
            if pair["judged"]:
                outcomes.append((judge_pair(limit, pair[limit.kind]), comparison["metric"], pair))
    verdict = WITHIN if outcomes and not small else UNDECIDED
    decisive: list[tuple[str, dict[str, Any]]] = []
    for wanted in (BREACHED, UNDECIDED):
        if decisive := [(metric, pair) for verdict_, metric, pair in outcomes if verdict_ == wanted]:
            verdict = wanted
            break
    reach = attainable.attainable(
        limit.kind,
        limit.rule,
        limit.limit,
        [pair[limit.kind] for _, _, pair in outcomes],
        comparisons[0]["level"] if comparisons else intervals.LEVEL,
        bounded=limit.metric not in UNBOUNDED,
    )
    return {
        "metric": limit.metric,
        "label": plain,
        "limit": limit.limit,
        "rule": limit.rule,
        "verdict": verdict,
        "too_few": small,
        "pairs": [[metric, pair["a"], pair["b"]] for metric, pair in decisive],
        "attainable": reach,
        "sentence": _sentence(limit, verdict, decisive, outcomes, small, min_n)
        + (attainable.words(reach, limit.kind, limit.unit) if verdict != BREACHED else ""),
    }


def failing(outcomes: Sequence[dict[str, Any]], metric: str) -> list[str]:
    """Names of the groups on the worse side of a breached limit on `metric`, for a chart of that metric.

    `outcomes`: `limits` of one grouping. The worse side is the lower value, except for errors (`ERRORS`).
    """
    pairs = [pair for outcome in outcomes if outcome["verdict"] == BREACHED for pair in outcome["pairs"]]
    return sorted({higher if metric in ERRORS else lower for name, higher, lower in pairs if name == metric})


def judge_pair(limit: Limit, measured: dict[str, Any]) -> str:
    """Verdict of one pair's {"value", "low", "high"}; see `Limit` for the three rules."""
    value, low, high = measured["value"], measured["low"], measured["high"]
    if value is None:
        return WITHIN if limit.kind == "ratio" else UNDECIDED  # nothing selected in either group: equal
    if limit.rule == "point":
        return BREACHED if _beyond(limit, value) else WITHIN
    if low is None or high is None:
        return UNDECIDED
    if limit.kind == "difference":
        near, far = max(0.0, low), max(abs(low), abs(high))
    else:
        near, far = min(1.0, high), min(low, 1 / high if high else 0.0)
    if _beyond(limit, near):
        return BREACHED
    return UNDECIDED if _beyond(limit, value if limit.rule == "near" else far) else WITHIN


def _beyond(limit: Limit, value: float) -> bool:
    return value > limit.limit if limit.kind == "difference" else value < limit.limit


def _sentence(
    limit: Limit,
    verdict: str,
    decisive: list[tuple[str, dict[str, Any]]],
    outcomes: list[tuple[str, str, dict[str, Any]]],
    small: list[str],
    min_n: int,
) -> str:
    bound = f"limit {'at most' if limit.kind == 'difference' else 'at least'} {limit.limit:g} {limit.unit}".strip()
    if decisive:
        metric, pair = max(decisive, key=lambda d: d[1]["difference"]["value"])
        measured = pair[limit.kind]
        ends = "" if measured["low"] is None else f" ({measured['low']:z.3f} to {measured['high']:z.3f})"
        which, value = label_of(metric).lower(), f"{measured['value']:z.3f} {limit.unit}".strip()
        what = f"{limit.kind} of the {which} between {pair['a']} and {pair['b']} is {value}{ends}"
        if verdict == BREACHED:
            return f"Limit breached: the {what}; {bound}."
        return f"Too little data to tell: the {what}; {bound}."
    if small:
        names = ", ".join(small[:5]) + (" and others" if len(small) > 5 else "")
        return f"Too little data to tell: fewer than {min_n} cases or no value in {names}; {bound}."
    if not outcomes:
        return f"Too little data to tell: there are no two groups to compare; {bound}."
    kept = "the one comparison keeps it" if len(outcomes) == 1 else f"all {len(outcomes)} comparisons keep it"
    return f"Within limit: {kept}; {bound}."
