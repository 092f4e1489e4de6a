"""Exact area under the ROC curve with DeLong's interval, and log loss, for many groups from one sort."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals
from apps.analysis.metrics import Estimate, mean, none

Floats = npt.NDArray[np.float64]
_EPS = float(np.finfo(np.float64).eps)


class Ranked:
    """Scores and labels sorted once, by score then label. `scores`: (n,) float in 0..1; `labels`: (n,) 0 or 1."""

    def __init__(self, scores: Floats, labels: npt.NDArray[np.int8]) -> None:
        self.order = np.lexsort((labels, scores))
        self.scores = scores[self.order]
        self.labels = labels[self.order].astype(bool)
        clipped = np.clip(self.scores, _EPS, 1 - _EPS)
        self.losses = -np.log(np.where(self.labels, clipped, 1 - clipped))

    def metrics(
        self, codes: npt.NDArray[np.int64] | None = None, level: float = intervals.LEVEL
    ) -> Iterator[tuple[int, dict[str, Estimate]]]:
        """(code, {"auc", "log_loss"}) per group; `codes`: (n,) group of each row in the original order."""
        if codes is None:
            yield 0, _metrics(self.scores, self.labels, self.losses, level)
            return
        sorted_codes = codes[self.order]
        by_group = np.argsort(sorted_codes, kind="stable")
        grouped = sorted_codes[by_group]
        starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
        for start, stop in zip(starts, np.r_[starts[1:], len(grouped)], strict=True):
            rows = by_group[start:stop]
            yield (
                int(grouped[start]),
                _metrics(self.scores[rows], self.labels[rows], self.losses[rows], level),
            )


def _metrics(
    scores: Floats, labels: npt.NDArray[np.bool_], losses: Floats, level: float
) -> dict[str, Estimate]:
    return {"auc": _auc(scores, labels, level), "log_loss": _log_loss(losses, level)}


def _log_loss(losses: Floats, level: float) -> Estimate:
    n = len(losses)
    value = float(losses.mean())
    if n < 2:
        return Estimate(value, None, None, n, "none", "no interval from a single row")
    return mean(value, float(losses.var(ddof=1)), n, level, 0.0, math.inf)


def _auc(scores: Floats, labels: npt.NDArray[np.bool_], level: float) -> Estimate:
    positives, negatives = scores[labels], scores[~labels]
    m, n = len(positives), len(negatives)
    if m == 0 or n == 0:
        return none(len(scores), "only one class")
    # Twice the number of negatives below each positive (ties count one), and the same seen from the negatives.
    below = np.searchsorted(negatives, positives, "left") + np.searchsorted(negatives, positives, "right")
    above = 2 * m - (
        np.searchsorted(positives, negatives, "left") + np.searchsorted(positives, negatives, "right")
    )
    value = int(below.sum()) / (2 * m * n)
    variance = 0.0
    if m > 1 and n > 1:
        variance = float(np.var(below / (2 * n), ddof=1)) / m + float(np.var(above / (2 * m), ddof=1)) / n
    if variance <= 0 or not 0 < value < 1:
        # DeLong's error is zero for perfect separation: fall back on the smaller class as a sample of that size.
        small = min(m, n)
        low, high = intervals.wilson(value * small, small, level)
        return Estimate(value, low, high, len(scores), "wilson on the smaller class")
    error = math.sqrt(variance)
    return Estimate(
        value, *intervals.logit_interval(value, error, level), len(scores), "delong, logit", error=error
    )
