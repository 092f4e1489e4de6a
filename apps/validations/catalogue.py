"""What each task is judged by, and whether a model's outputs can answer it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from apps.analysis.metrics import LABELS
from apps.analysis.verdicts import label_of
from apps.validations.states import Task

UNDECIDED = "undecided_rate"
EXCLUDED = "excluded_rate"
PER_CLASS = ("tpr", "ppv")  # of one of several classes against the rest
_OF_CLASSES = ("accuracy", "balanced_accuracy", "f1_macro", "f1_weighted", "mcc", "log_loss", *PER_CLASS)
_OF_REALS = ("mae", "rmse", "r2", "mean_error")
# What a criterion may name, by task, with its plain name.
METRICS: dict[Task, dict[str, str]] = {
    Task.BINARY: {**LABELS, UNDECIDED: label_of(UNDECIDED)},
    Task.MULTICLASS: {name: label_of(name) for name in _OF_CLASSES},
    Task.REGRESSION: {name: label_of(name) for name in _OF_REALS},
}
# A plan of medium or high tier judges one of these: they tell one kind of error from the other, or cases from others.
TELLING: dict[Task, frozenset[str]] = {
    Task.BINARY: frozenset(
        "tpr fnr tnr fpr ppv fdr npv for f1 mcc auc average_precision balanced_accuracy".split()
    ),
    Task.MULTICLASS: frozenset(("balanced_accuracy", "f1_macro", "f1_weighted", "mcc", *PER_CLASS)),
    Task.REGRESSION: frozenset(("mae", "rmse", "r2")),
}
NOT_TELLING = {
    Task.BINARY: "accuracy, or a figure of the data, is not enough: add a metric that tells false positives from false "
    "negatives or cases from others, such as sensitivity and specificity",
    Task.MULTICLASS: "accuracy or log loss alone is not enough: add a metric that tells the classes apart, such as "
    "balanced accuracy, macro F1 or the sensitivity of one class",
    Task.REGRESSION: "a bias alone is not enough, errors up and down cancel out in it: add the mean absolute or the "
    "root mean squared error, or R squared",
}
BOUNDS = {
    "mcc": (-1.0, 1.0),
    "calibration_gap": (-1.0, 1.0),
    "log_loss": (0.0, math.inf),
    "calibration_slope": (-math.inf, math.inf),
    "calibration_intercept": (-math.inf, math.inf),
    "mae": (0.0, math.inf),
    "rmse": (0.0, math.inf),
    "r2": (-math.inf, 1.0),
    "mean_error": (-math.inf, math.inf),
}
# These need scores that are probabilities.
OF_PROBABILITIES = frozenset(
    "brier log_loss ece calibration_gap calibration_slope calibration_intercept".split()
)
WITH_UNIT = frozenset(("mae", "rmse", "mean_error"))
# Metrics of which more, or less, is better; only they can be as good as a replaced process.
MORE = frozenset(
    "accuracy tpr tnr ppv npv balanced_accuracy f1 f1_macro f1_weighted mcc auc average_precision r2".split()
)
LESS = frozenset(("fnr", "fpr", "fdr", "for", "brier", "log_loss", "ece", "mae", "rmse", UNDECIDED))
# Compared between training and test data.
OF_GAP = {
    Task.BINARY: ("auc", "balanced_accuracy", "accuracy"),
    Task.MULTICLASS: ("balanced_accuracy", "f1_macro", "accuracy"),
    Task.REGRESSION: ("mae", "rmse", "r2"),
}
_LABELS = ("integer", "text", "boolean")


def unit_of(metric: str, target_unit: str) -> str:
    """The unit of a metric's numbers: that of the target, or its square, where the metric has one."""
    if metric == "mse" and target_unit:
        return f"({target_unit})²"
    return target_unit if metric in WITH_UNIT else ""


def why_not(task: Task, classes: Sequence[str], interface: Mapping[str, Any]) -> str:
    """Why a model with these outputs cannot answer the task, in one sentence; empty where it can, or does not say.

    `interface`: of a version, as `inspect_artefact` found it in the sandbox.
    """
    outputs = interface.get("outputs") or []
    label = next((o for o in outputs if o["type"] in _LABELS), None)
    number = next((o for o in outputs if o["type"] == "number"), None)
    named = [str(name) for name in interface.get("classes") or []]
    width = _width(number["shape"]) if number else None
    if task == Task.REGRESSION:
        if named or label:
            said = (
                f"tells the classes {', '.join(named[:8])} apart"
                if named
                else f"gives a label (“{label['name']}”)"
            )
            return f"The model {said}; a regression needs one real number a case."
        if number is None and len(outputs) > 0 and all(o["type"] != "any" for o in outputs):
            return "The model gives no real number; a regression needs one a case."
        if width not in (None, 1):
            return f"The model gives {width} numbers a case (“{number['name']}”); a regression needs one."
        return ""
    if task == Task.MULTICLASS:
        if named and set(named) != set(classes):
            return f"The model tells {', '.join(named[:12])} apart; these are not the classes of the plan."
        if width == 1 and label is None:
            return f"The model gives one number a case (“{number['name']}”), and no class."
        if width not in (None, len(classes)) and not (width == 1 and label):
            return f"The model gives {width} scores a case (“{number['name']}”); the plan names {len(classes)} classes."
        return ""
    if len(named) > 2 or (width or 0) > 2:
        return f"The model tells {len(named) or width} classes apart: choose several classes."
    return ""


def suggested(interface: Mapping[str, Any]) -> tuple[Task, list[str]]:
    """(task, its classes as far as the file names them) that a model's outputs point to; two classes where unclear."""
    named = [str(name) for name in interface.get("classes") or []]
    if len(named) > 2 or why_not(Task.BINARY, (), interface):
        return Task.MULTICLASS, named
    outputs = interface.get("outputs") or []
    if len(outputs) == 1 and outputs[0]["type"] == "number" and _width(outputs[0]["shape"]) == 1:
        return Task.REGRESSION, []
    return Task.BINARY, []


def _width(shape: Sequence[int | None]) -> int | None:
    """Numbers a row of an output of this shape; None where it does not say."""
    if len(shape) == 1:
        return 1
    return shape[1] if len(shape) == 2 else None
