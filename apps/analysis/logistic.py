"""The calibration line of scores: logistic regression of the label on the logit of the score (Cox 1958).

`slope`: of the line with its own intercept; 1 where scores are neither too extreme nor too timid. `intercept`: with the
slope held at 1 (calibration in the large); 0 where scores are neither too high nor too low on the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
_STEPS = 50
_ENOUGH = 1e-12


@dataclass(frozen=True)
class Line:
    """`slope`: (intercept, slope) or None; `intercept`: number or None; `errors`: of intercept and slope.

    `bread`: inverse information of the two-parameter fit. `reason`: why there is no line.
    """

    slope: tuple[float, float] | None
    intercept: float | None
    errors: tuple[float, float] = (math.nan, math.nan)
    bread: Floats | None = None
    reason: str = ""

    def influence(self, blocks: Any, which: int) -> Floats:
        """Each row's part in the error of intercept (0) or slope (1), weights included."""
        x = _logit(blocks.scores)[blocks.place]
        if which == 0:
            off = blocks.labels - _expit(float(self.intercept or 0) + x)
            return np.asarray(off * self.errors[0] ** 2 * blocks.design.weights)
        assert self.slope is not None
        assert self.bread is not None
        off = blocks.labels - _expit(self.slope[0] + self.slope[1] * x)
        return np.asarray((self.bread[1, 0] + self.bread[1, 1] * x) * off * blocks.design.weights)


def _logit(scores: Floats) -> Floats:
    return np.asarray(np.log(scores) - np.log1p(-scores))


def _expit(x: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp(np.minimum(-x, 700.0))))  # beyond that a double overflows


def fit(scores: Floats, pos: Floats, neg: Floats, start: tuple[float, float] | None = None) -> Line:
    """Fit to blocks of equal score with sums of positives and negatives, by Newton's method."""
    if pos.sum() == 0 or neg.sum() == 0:
        return Line(None, None, reason="only one class")
    border = (scores <= 0) | (scores >= 1)
    if border.any():
        return Line(None, None, reason="scores of exactly 0 or 1 have no logit")
    x, n = _logit(scores), pos + neg
    a, information = 0.0, 1.0
    for _ in range(_STEPS):
        p = _expit(a + x)
        information = float((n * p * (1 - p)).sum())
        step = float((pos - n * p).sum()) / information if information > 0 else math.inf
        a += max(-4.0, min(4.0, step))
        if abs(step) < _ENOUGH * max(1.0, abs(a)):
            break
    else:
        return Line(None, None, reason="the line does not converge")
    errors = [math.sqrt(1 / information), math.nan]
    if len(scores) < 2:
        return Line(None, a, (errors[0], math.nan), reason="every score is the same")
    beta = np.array(start or (0.0, 1.0))
    for _ in range(_STEPS):
        p = _expit(beta[0] + beta[1] * x)
        w, off = n * p * (1 - p), pos - n * p
        sw, swx, swxx = w.sum(), (w * x).sum(), (w * x * x).sum()
        determinant = sw * swxx - swx * swx
        if not determinant > 1e-12 * sw * swxx:
            break
        bread = np.array([[swxx, -swx], [-swx, sw]]) / determinant
        change = bread @ np.array([off.sum(), (off * x).sum()])
        if not np.isfinite(change).all() or abs(beta[1]) > 1e4:
            break
        longest = float(np.abs(change).max())
        beta = beta + change * min(1.0, 8.0 / longest if longest else 1.0)
        if longest < _ENOUGH * max(1.0, float(np.abs(beta).max())):
            slope = (float(beta[0]), float(beta[1]))
            return Line(slope, a, (errors[0], math.sqrt(bread[1, 1])), bread)
    return Line(None, a, (errors[0], math.nan), reason="the scores separate the labels: the line has no end")
