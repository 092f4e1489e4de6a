"""Criteria, limits and metrics in words: one wording for the plan's form, the plan, the run and the bias report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.analysis.disparities import ALL_DISPARITIES
from apps.analysis.verdicts import label_of
from apps.validations.catalogue import unit_of
from apps.validations.states import Task

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
    "excluded_rate": "Of all cases, the share that could not be judged and was excluded with a reason.",
    "undecided_rate": "Of all cases, the share whose score lies in the plan's band of undecided scores. Needs scores.",
}
# Where they mean something else of several classes, and those of a regression.
TASK_WORDS: dict[Task, dict[str, str]] = {
    Task.BINARY: {},
    Task.MULTICLASS: {
        "accuracy": "Share of all cases given their right class. Hides which classes are mistaken.",
        "balanced_accuracy": "Mean over the classes of the share of their cases that is found.",
        "f1_macro": "Mean of the F1 scores of the classes, each counting alike however rare.",
        "f1_weighted": "Mean of the F1 scores of the classes, each counting by its cases.",
        "mcc": "Correlation of prediction and label over all classes, at most 1.",
        "log_loss": "Mean surprise at the true class given the probabilities; smaller is better.",
        "tpr": "Of the cases of one class, the share the model gives that class. Needs the class.",
        "ppv": "Of the cases the model gives one class, the share that truly are of it. Needs the class.",
    },
    Task.REGRESSION: {
        "mae": "Mean distance of prediction and truth, in the unit of the number.",
        "rmse": "Root of the mean squared distance: large errors weigh more. In the unit of the number.",
        "r2": "Share of the spread of the truth that the predictions explain; 0 is no better than the mean.",
        "mean_error": "Mean of predicted minus true: above 0 the model is too high. Errors up and down cancel out.",
    },
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


def metric_words(name: str, task: Task = Task.BINARY) -> str:
    """What a metric means for this task, in one line."""
    return TASK_WORDS[task].get(name) or METRIC_WORDS[name]


def disparity_words(name: str) -> str:
    """What a disparity compares, in one line."""
    kind, metrics, _ = ALL_DISPARITIES[name]
    said = [label_of(metric) for metric in metrics]
    what = " and the ".join(words[:1].lower() + words[1:] for words in said)
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


def criterion_line(one: Mapping[str, Any], target_unit: str = "") -> Line:
    return Line(
        one["id"],
        metric_label(one["metric"], one.get("class", "")),
        subgroup_words(one["subgroup"]),
        f"{SIGNS[one['direction']]} {one['limit']} {unit_of(one['metric'], target_unit)}".strip(),
        RULE_WORDS[one["rule"]],
        one["min_n"],
    )


def limit_line(one: Mapping[str, Any], target_unit: str = "") -> Line:
    kind, _, label = ALL_DISPARITIES[one["metric"]]
    return Line(
        one["id"],
        label,
        f"between groups of {one['column']}",
        f"{'≤' if kind == 'difference' else '≥'} {one['limit']} {target_unit}".strip(),
        LIMIT_RULE_WORDS[one["rule"]],
        one["min_n"],
    )


def metric_label(name: str, of_class: str = "") -> str:
    """The plain name of a metric, with the class it is of."""
    return f"Class {of_class}: {label_of(name)}" if of_class else label_of(name)


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


def baseline_line(one: Mapping[str, Any], target_unit: str = "") -> Baseline:
    return Baseline(
        one["id"],
        metric_label(one["metric"], one.get("class", "")),
        subgroup_words(one["subgroup"]),
        f"{SIGNS[one['direction']]} {one['value']} {unit_of(one['metric'], target_unit)}".strip(),
        one["n"],
        one["source"],
        RULE_WORDS[one["rule"]],
    )
