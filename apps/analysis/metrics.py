"""Metrics of a binary classifier from its counts, each with n and an interval."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import Any, cast

import numpy as np

from apps.analysis import intervals
from apps.analysis.cells import BINS, SCALE, Counts

REPLICATES = 1000


@dataclass(frozen=True)
class Estimate:
    """A value with its interval. `n` is the count it rests on (its denominator); without a value `reason` says why.

    `error` is the standard error where the interval was built from one. For weighted or clustered rows: `df` degrees
    of freedom of the t quantile, `entities` with a case, `n_effective` of a rate.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    method: str
    reason: str = ""
    error: float | None = None
    df: int | None = None
    entities: int | None = None
    n_effective: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The JSON form: the same names; those of weighted and clustered rows only where they are set."""
        found = asdict(self)
        for name in ("df", "entities", "n_effective"):
            if found[name] is None:
                del found[name]
        return found


# name -> (counts in the numerator, counts in the denominator, plain name, what an empty denominator means)
RATES: dict[str, tuple[tuple[str, ...], tuple[str, ...], str, str]] = {
    "selection_rate": (("fp", "tp"), ("tn", "fp", "fn", "tp"), "Selection rate", "no rows"),
    "base_rate": (("fn", "tp"), ("tn", "fp", "fn", "tp"), "Base rate", "no rows"),
    "accuracy": (("tn", "tp"), ("tn", "fp", "fn", "tp"), "Accuracy", "no rows"),
    "tpr": (("tp",), ("fn", "tp"), "True positive rate (recall)", "no positive case"),
    "fnr": (("fn",), ("fn", "tp"), "False negative rate", "no positive case"),
    "fpr": (("fp",), ("tn", "fp"), "False positive rate", "no negative case"),
    "tnr": (("tn",), ("tn", "fp"), "True negative rate (specificity)", "no negative case"),
    "ppv": (("tp",), ("fp", "tp"), "Positive predictive value (precision)", "nothing predicted positive"),
    "fdr": (("fp",), ("fp", "tp"), "False discovery rate", "nothing predicted positive"),
    "npv": (("tn",), ("tn", "fn"), "Negative predictive value", "nothing predicted negative"),
    "for": (("fn",), ("tn", "fn"), "False omission rate", "nothing predicted negative"),
    "fn_share": (("fn",), ("fp", "fn"), "Share of errors that are false negatives", "no error"),
}
OTHERS = {
    "balanced_accuracy": "Balanced accuracy",
    "f1": "F1 score",
    "mcc": "Matthews correlation coefficient",
    "auc": "Area under the ROC curve",
    "average_precision": "Average precision",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "ece": "Expected calibration error",
    "calibration_gap": "Mean score minus base rate",
    "calibration_slope": "Calibration slope",
    "calibration_intercept": "Calibration intercept (in the large)",
}
LABELS = {name: rate[2] for name, rate in RATES.items()} | OTHERS
ALIASES = {
    "recall": "tpr",
    "sensitivity": "tpr",
    "specificity": "tnr",
    "precision": "ppv",
    "prevalence": "base_rate",
    "roc_auc": "auc",
    "false_positive_rate": "fpr",
    "false_negative_rate": "fnr",
    "brier_score": "brier",
}


def canonical_name(metric: str) -> str:
    """The name used in reports for a metric or its alias."""
    return ALIASES.get(metric, metric)


def none(n: int, reason: str) -> Estimate:
    """An estimate that cannot be given, and why."""
    return Estimate(None, None, None, n, "none", reason)


def mean(value: float, variance: float, n: int, level: float, floor: float, ceiling: float) -> Estimate:
    """A mean of `n` values with sample `variance`, normal interval cut off at `floor` and `ceiling`."""
    low, high = intervals.mean_interval(value, variance, n, level)
    error = math.sqrt(max(0.0, variance) / n)
    return Estimate(value, max(floor, low), min(ceiling, high), n, "normal", error=error)


def rate_counts(counts: Counts, name: str) -> tuple[int, int]:
    """(successes, denominator) of one of `RATES`."""
    above, below, _, _ = RATES[name]
    return sum(getattr(counts, c) for c in above), sum(getattr(counts, c) for c in below)


def rate(counts: Counts, name: str, level: float = intervals.LEVEL) -> Estimate:
    """One of `RATES` with Wilson's interval."""
    k, n = rate_counts(counts, name)
    if n == 0:
        return none(0, RATES[name][3])
    return Estimate(k / n, *intervals.wilson(k, n, level), n, "wilson")


def confusion_metrics(counts: Counts, level: float = intervals.LEVEL) -> dict[str, Estimate]:
    """Every metric that the four counts give."""
    found = {name: rate(counts, name, level) for name in RATES}
    found["balanced_accuracy"] = _balanced(found["tpr"], found["tnr"], counts.n)
    found["f1"] = _f1(counts, level)
    found["mcc"] = _mcc(counts, level)
    return found


def _balanced(tpr: Estimate, tnr: Estimate, n: int) -> Estimate:
    if tpr.value is None or tnr.value is None:
        return none(n, tpr.reason or tnr.reason)
    value = (tpr.value + tnr.value) / 2
    # A rate with a value has an interval.
    low = value - math.hypot(tpr.value - cast(float, tpr.low), tnr.value - cast(float, tnr.low)) / 2
    high = value + math.hypot(cast(float, tpr.high) - tpr.value, cast(float, tnr.high) - tnr.value) / 2
    return Estimate(value, max(0.0, low), min(1.0, high), n, "mover")


def _f1(counts: Counts, level: float) -> Estimate:
    # F1 = 2q/(1+q) rises with q = tp/(tp+fp+fn), a proportion: so do the ends of its Wilson interval.
    n = counts.tp + counts.fp + counts.fn
    if n == 0:
        return none(0, "no positive case and nothing predicted positive")
    low, high = intervals.wilson(counts.tp, n, level)
    value = 2 * counts.tp / (2 * counts.tp + counts.fp + counts.fn)
    return Estimate(value, 2 * low / (1 + low), 2 * high / (1 + high), n, "wilson, transformed")


def _mcc(counts: Counts, level: float) -> Estimate:
    """Matthews correlation; interval by the multinomial delta method on Fisher's z."""
    tn, fp, fn, tp = (float(c) for c in (counts.tn, counts.fp, counts.fn, counts.tp))
    predicted, actual, rejected, negative = tp + fp, tp + fn, tn + fn, tn + fp
    product = predicted * actual * rejected * negative
    if product == 0:
        return none(counts.n, "labels or predictions are all of one class")
    root = math.sqrt(product)
    value = (tp * tn - fp * fn) / root
    if fp == fn == 0 or tp == tn == 0:
        return Estimate(
            value, None, None, counts.n, "none", "no interval: labels and predictions never differ"
        )
    slopes = (
        (tp, tn / root - value / 2 * (1 / predicted + 1 / actual)),
        (tn, tp / root - value / 2 * (1 / rejected + 1 / negative)),
        (fp, -fn / root - value / 2 * (1 / predicted + 1 / negative)),
        (fn, -fp / root - value / 2 * (1 / actual + 1 / rejected)),
    )
    error = math.sqrt(sum(count * slope * slope for count, slope in slopes))
    half = intervals.z_value(level) * error / (1 - value * value)
    centre = math.atanh(value)
    return Estimate(value, math.tanh(centre - half), math.tanh(centre + half), counts.n, "delta, Fisher z")


def score_metrics(counts: Counts, level: float = intervals.LEVEL) -> dict[str, Estimate]:
    """Brier score, calibration gap and expected calibration error from the cells' sums; scores needed."""
    n = counts.n
    brier = counts.error / SCALE / n
    gap = (counts.score / SCALE - counts.tp - counts.fn) / n
    if n < 2:
        few = "no interval from a single row"
        return {
            "brier": Estimate(brier, None, None, n, "none", few),
            "calibration_gap": Estimate(gap, None, None, n, "none", few),
            "ece": Estimate(_ece(counts), None, None, n, "none", few),
        }
    spread = n / (n - 1)
    return {
        "brier": mean(brier, (counts.error2 / SCALE / n - brier**2) * spread, n, level, 0.0, 1.0),
        "calibration_gap": mean(gap, (brier - gap**2) * spread, n, level, -1.0, 1.0),
        "ece": Estimate(_ece(counts), *_ece_interval(counts, level), n, f"count bootstrap, {REPLICATES}"),
    }


def _ece(counts: Counts) -> float:
    return sum(abs(s / SCALE - positives) for _, positives, s in counts.bins.values()) / counts.n


def _ece_interval(counts: Counts, level: float) -> tuple[float, float]:
    """Percentile interval from resampled counts; the seed comes from the counts, so it is the same each time."""
    bins = sorted(counts.bins.items())
    means = np.array([s / SCALE / n for _, (n, _, s) in bins])
    shares = np.array([[n - positives, positives] for _, (n, positives, _) in bins]).ravel() / counts.n
    seed = int.from_bytes(hashlib.sha256(repr(bins).encode()).digest()[:8], "big")
    drawn = np.random.Generator(np.random.PCG64(seed)).multinomial(counts.n, shares, size=REPLICATES)
    drawn = drawn.reshape(REPLICATES, len(bins), 2)
    errors = np.abs(means * drawn.sum(axis=2) - drawn[:, :, 1]).sum(axis=1) / counts.n
    low, high = np.quantile(errors, [(1 - level) / 2, (1 + level) / 2])
    value = _ece(counts)  # resampled errors are biased upwards: the interval is widened to hold the value
    return min(float(low), value), max(float(high), value)


def calibration_bins(counts: Counts, level: float = intervals.LEVEL) -> list[dict[str, Any]]:
    """One row per filled bin of width 0.1: its edges, n, mean score, and the observed rate with Wilson's interval."""
    rows = []
    for i, (n, positives, s) in sorted(counts.bins.items()):
        low, high = intervals.wilson(positives, n, level)
        rows.append(
            {
                "from": i / BINS,
                "to": (i + 1) / BINS,
                "n": n,
                "mean_score": s / SCALE / n,
                "rate": positives / n,
                "low": low,
                "high": high,
            }
        )
    return rows
