"""Judge an acceptance criterion on an estimate, and find the estimate in a report."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from apps.analysis.errors import InputError
from apps.analysis.metrics import LABELS, Estimate, canonical_name

MET, NOT_MET, UNDECIDED = "met", "not_met", "undecided"
DIRECTIONS = ("min", "max")
RULES = ("point", "lower", "upper")
REGRESSION_LABELS = {
    "mae": "Mean absolute error",
    "mse": "Mean squared error",
    "rmse": "Root mean squared error",
    "r2": "R squared",
    "mean_error": "Bias (mean of predicted minus true)",
}
_AVERAGED = (("precision", "precision"), ("recall", "recall"), ("f1", "F1 score"))
# Averages over the classes: each class alike, each case alike, each class by its cases.
CLASSES_LABELS = {
    f"{metric}_{how}": f"{how.capitalize()} {words}"
    for metric, words in _AVERAGED
    for how in ("macro", "micro", "weighted")
}

# What a criterion may name besides: shares that a plan defines by itself, in reports of the same form.
OTHER_LABELS = {"undecided_rate": "Undecided rate", "excluded_rate": "Share of excluded cases"}
_LABELS = {**REGRESSION_LABELS, **CLASSES_LABELS, **OTHER_LABELS}


def label_of(metric: str) -> str:
    """The plain name of a metric of any task; the name itself where it has none."""
    name = canonical_name(metric)
    return LABELS.get(name) or _LABELS.get(name, name)


@dataclass(frozen=True)
class Criterion:
    """A locked acceptance criterion.

    `metric`: a name of `metrics.LABELS`, an alias, a regression metric or one of `OTHER_LABELS`. `limit`: the value is
    at least (`direction` "min") or at most ("max") this. `rule`: what is compared with the limit, the value ("point")
    or the lower or upper end of its interval. `min_n`: fewer cases decide nothing. `subgroup`: attribute ->
    value, empty for all cases. `of_class`: the class that is held against the rest, where there are several. `unit`: of
    the numbers, in words.
    """

    metric: str
    limit: float
    direction: str = "min"
    rule: str = "point"
    min_n: int = 1
    subgroup: Mapping[str, str] = field(default_factory=dict)
    of_class: str = ""
    unit: str = ""

    def __post_init__(self) -> None:
        if canonical_name(self.metric) not in LABELS and self.metric not in _LABELS:
            raise InputError(f"There is no metric “{self.metric}”.")
        if self.direction not in DIRECTIONS or self.rule not in RULES:
            raise InputError("A criterion's direction is min or max, its rule point, lower or upper.")
        if self.min_n < 1:
            raise InputError("A criterion's minimum n is at least 1.")

    @property
    def label(self) -> str:
        """What is measured, in words."""
        what = label_of(self.metric)
        if self.of_class:
            what = f"Class {self.of_class}: {what}"
        where = ", ".join(f"{key} = {value}" for key, value in self.subgroup.items())
        return f"{what} where {where}" if where else what

    @property
    def sentence(self) -> str:
        """In words, e.g. "Accuracy (lower end of its interval) at least 0.8"."""
        end = {"point": "", "lower": " (lower end of its interval)", "upper": " (upper end of its interval)"}
        bound = f"{self.limit:g} {self.unit}".strip()
        return f"{self.label}{end[self.rule]} {'at least' if self.direction == 'min' else 'at most'} {bound}"


@dataclass(frozen=True)
class Judgement:
    """`verdict`: met, not_met or undecided; `sentence` says why; `compared` is the number held against the limit."""

    verdict: str
    sentence: str
    compared: float | None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: the same names."""
        return {"verdict": self.verdict, "sentence": self.sentence, "compared": self.compared}


def judge(criterion: Criterion, estimate: Estimate) -> Judgement:
    """Hold an estimate against a criterion.

    An acceptance criterion is strict: with rule "lower" an interval that reaches below a minimum fails it.
    Undecided is only what cannot be judged: no value, no interval where one is needed, or fewer than `min_n`
    cases.
    """
    if estimate.value is None:
        return Judgement(
            UNDECIDED, f"Cannot be judged: {criterion.label} has no value ({estimate.reason}).", None
        )
    if estimate.n < criterion.min_n:
        text = (
            f"Too little data to tell: {estimate.n:,} cases, at least {criterion.min_n:,} are needed "
            f"for: {criterion.sentence}."
        )
        return Judgement(UNDECIDED, text, None)
    compared = {"point": estimate.value, "lower": estimate.low, "upper": estimate.high}[criterion.rule]
    if compared is None:
        return Judgement(
            UNDECIDED, f"Cannot be judged: {criterion.label} has no interval ({estimate.reason}).", None
        )
    met = compared >= criterion.limit if criterion.direction == "min" else compared <= criterion.limit
    ends = "" if estimate.low is None else f" ({estimate.low:z.3f} to {estimate.high:z.3f})"
    found = f"{estimate.value:z.3f} {criterion.unit}".strip()
    text = f"{'Met' if met else 'Not met'}: {criterion.sentence}; found {found}{ends}, n = {estimate.n:,}."
    return Judgement(MET if met else NOT_MET, text, compared)


def find(
    report: Mapping[str, Any], metric: str, subgroup: Mapping[str, str] | None = None, of_class: str = ""
) -> Estimate:
    """The estimate of a metric in a performance or fairness report, over all cases or in one group.

    `of_class`: that class against the rest, in a report of several classes.

    `InputError` when the report has no such group or metric: a criterion must not be judged on something
    else.
    """
    group = group_of(report, subgroup or {})
    if group is None:
        where = ", ".join(f"{key} = {value}" for key, value in (subgroup or {}).items())
        raise InputError(f"The report has no group {where}.")
    name = canonical_name(metric)
    if of_class:
        group = next((one for one in group.get("classes", ()) if one["class"] == of_class), None)
        if group is None:
            raise InputError(f"The report has no class {of_class}.")
    if name not in group["metrics"]:
        raise InputError(f"The report has no {label_of(name)}.")
    return Estimate(**group["metrics"][name])


def group_of(report: Mapping[str, Any], subgroup: Mapping[str, str]) -> Mapping[str, Any] | None:
    """The group of a report with these values, all cases for none; None where there is no such group."""
    if not subgroup:
        return dict(report["overall"])
    wanted = {str(key): str(value) for key, value in subgroup.items()}
    every = [group for grouping in report.get("groupings", ()) for group in grouping["groups"]]
    return next((group for group in every if group["values"] == wanted), None)


def judge_report(criterion: Criterion, report: Mapping[str, Any]) -> Judgement:
    """`judge` on the estimate that the criterion names."""
    return judge(criterion, find(report, criterion.metric, criterion.subgroup, criterion.of_class))
