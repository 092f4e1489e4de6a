"""Criteria, limits and metrics in words: one wording for the plan's form, the plan, the run and the bias report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.analysis.disparities import DISPARITIES
from apps.analysis.metrics import LABELS
from apps.analysis.verdicts import OTHER_LABELS

# One line each, for people who do not compute them every day.
METRIC_WORDS: dict[str, str] = {
    "selection_rate": "Share of all cases the model calls positive.",
    "base_rate": "Share of all cases that are positive by their verified label.",
    "accuracy": "Share of all cases the model gets right. Hides which kind of error is made.",
    "tpr": "Of the truly positive cases, the share the model finds.",
    "fnr": "Of the truly positive cases, the share the model misses.",
    "fpr": "Of the truly negative cases, the share the model wrongly calls positive.",
    "tnr": "Of the truly negative cases, the share the model rightly leaves alone.",
    "ppv": "Of the cases called positive, the share that truly are.",
    "fdr": "Of the cases called positive, the share that are not.",
    "npv": "Of the cases called negative, the share that truly are.",
    "for": "Of the cases called negative, the share that are positive.",
    "fn_share": "Of all errors, the share that are missed positives.",
    "balanced_accuracy": "Mean of the true positive and the true negative rate.",
    "f1": "Harmonic mean of precision and recall.",
    "mcc": "Correlation of prediction and label, from -1 to 1.",
    "auc": "Chance that a positive case gets a higher score than a negative one. Needs scores.",
    "average_precision": "Mean precision over all thresholds, weighted by the positives each adds. Needs scores.",
    "brier": "Mean squared distance of score and outcome; smaller is better. Needs scores from 0 to 1.",
    "log_loss": "Mean surprise at the outcome given the score; smaller is better. Needs scores from 0 to 1.",
    "ece": "Mean distance of score and observed rate over ten score bands. Needs scores from 0 to 1.",
    "calibration_gap": "Mean score minus base rate: above 0 the model expects too many positives. Needs scores.",
    "calibration_slope": "1 when scores spread as far as outcomes do; below 1 they are too extreme. "
    "Needs scores from 0 to 1.",
    "calibration_intercept": "0 when scores are right on average, in log odds; below 0 they are too high. Needs scores "
    "from 0 to 1.",
    "undecided_rate": "Of all cases, the share whose score lies in the plan's band of undecided scores. Needs scores.",
}
RULE_WORDS = {
    "point": "the value itself",
    "lower": "the lower end of its 95 % interval",
    "upper": "the upper end of its 95 % interval",
}
LIMIT_RULE_WORDS = {
    "point": "the value itself",
    "near": "breached when even the end of the interval nearest to equality is beyond the limit",
    "far": "kept only when even the end of the interval farthest from equality is within the limit",
}
SIGNS = {"min": "≥", "max": "≤"}


def disparity_words(name: str) -> str:
    """What a disparity compares, in one line."""
    kind, metrics, _ = DISPARITIES[name]
    what = " and the ".join(LABELS[metric][:1].lower() + LABELS[metric][1:] for metric in metrics)
    if kind == "ratio":
        return f"Smallest over largest {what} among the groups: 1 is equal, at least the limit is demanded."
    return f"Largest minus smallest {what} among the groups: 0 is equal, at most the limit is allowed."


@dataclass(frozen=True)
class Line:
    """One criterion or limit in words. `where`: the cases; `bound`: sign and limit; `judged_on`: its rule."""

    id: str
    metric: str
    where: str
    bound: str
    judged_on: str
    min_n: int


def subgroup_words(subgroup: str) -> str:
    return "all cases" if subgroup == "all" else " = ".join(subgroup.split("=", 1))


def criterion_line(one: Mapping[str, Any]) -> Line:
    return Line(
        one["id"],
        metric_label(one["metric"]),
        subgroup_words(one["subgroup"]),
        f"{SIGNS[one['direction']]} {one['limit']}",
        RULE_WORDS[one["rule"]],
        one["min_n"],
    )


def limit_line(one: Mapping[str, Any]) -> Line:
    kind, _, label = DISPARITIES[one["metric"]]
    return Line(
        one["id"],
        label,
        f"between groups of {one['column']}",
        f"{'≤' if kind == 'difference' else '≥'} {one['limit']}",
        LIMIT_RULE_WORDS[one["rule"]],
        one["min_n"],
    )


def metric_label(name: str) -> str:
    return LABELS.get(name) or OTHER_LABELS.get(name, name)


@dataclass(frozen=True)
class Baseline:
    """How good the replaced process is, in words. `bound`: what the model must keep; `n`: None where not known."""

    id: str
    metric: str
    where: str
    bound: str
    n: int | None
    source: str
    judged_on: str


def baseline_line(one: Mapping[str, Any]) -> Baseline:
    return Baseline(
        one["id"],
        metric_label(one["metric"]),
        subgroup_words(one["subgroup"]),
        f"{SIGNS[one['direction']]} {one['value']}",
        one["n"],
        one["source"],
        RULE_WORDS[one["rule"]],
    )
