"""A linear stand-in for the model around one case, in the manner of LIME (Ribeiro, Singh and Guestrin 2016)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from apps.analysis.errors import InputError
from apps.analysis.explain.columns import Columns, Floats, Score, length
from apps.analysis.explain.stability import spearman

WIDTH = 0.75  # of the kernel, times the root of the number of features, as LIME has it


@dataclass(frozen=True)
class LocalFit:
    """effects: (features,), what having the case's own value adds to the score; fit: weighted R² of the linear model;
    agreement: Spearman's correlation with a second seed's effects, None with one feature."""

    features: tuple[str, ...]
    effects: Floats
    fit: float | None
    samples: int
    agreement: float | None


def local_fit(
    score: Score, case: Columns, background: Columns, *, samples: int = 500, seed: int = 0
) -> LocalFit:
    """Fit it twice, with two seeds. case: columns of one row. Raises `InputError` with too few samples to fit."""
    p = len(case)
    if length(case) != 1:
        raise InputError("A local fit is made of one case.")
    if samples < 2 * p + 2:
        raise InputError(f"A local fit of {p} features needs at least {2 * p + 2} samples.")
    effects, fit = _fitted(score, case, background, samples, [seed, 3])
    again, _ = _fitted(score, case, background, samples, [seed, 4])
    return LocalFit(tuple(case), effects, fit, samples, spearman(effects, again) if p > 1 else None)


def _fitted(
    score: Score, case: Columns, background: Columns, samples: int, seed: list[int]
) -> tuple[Floats, float | None]:
    from sklearn.linear_model import LinearRegression

    rng = np.random.default_rng(seed)
    own = rng.random((samples, len(case))) < 0.5
    own[0] = True
    lent = rng.integers(0, length(background), samples)
    mixed = {
        name: np.where(own[:, j], values[0], background[name][lent])
        for j, (name, values) in enumerate(case.items())
    }
    target = score(mixed)
    away = (~own).sum(axis=1)
    weights = np.exp(-away / (WIDTH**2 * len(case)))
    model = LinearRegression().fit(own.astype(np.float64), target, sample_weight=weights)
    flat = float(np.ptp(target)) == 0.0
    fit = None if flat else float(model.score(own.astype(np.float64), target, sample_weight=weights))
    return np.asarray(model.coef_, dtype=np.float64), fit
