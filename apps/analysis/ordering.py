"""Metrics of a ranking: precision at k and NDCG (Järvelin and Kekäläinen 2002) per list, AUC and average precision.

Without lists there is one list of all cases. Ties in the score share their places: each metric is its mean over the
orders of tied cases (McSherry and Najork 2008).
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals
from apps.analysis.errors import InputError
from apps.analysis.metrics import Estimate, none
from apps.analysis.ranking import Ranked, auc, average_precision
from apps.analysis.survey import Design

Floats = npt.NDArray[np.float64]
K = 10
REPLICATES = 400


def metrics(relevance: Floats, scores: Floats, design: Design | None, k: int, level: float) -> dict[str, Any]:
    """Estimates of `precision_at_k`, `ndcg`, `ndcg_at_k`, and where relevance is 0 or 1 `auc`, `average_precision`.

    `design.units` are the lists; their metrics are averaged with equal weight, with a t interval. A list without any
    relevance has no NDCG and is left out of it.
    """
    if k < 1:
        raise InputError("k is at least 1.")
    if (relevance < 0).any():
        raise InputError(f"A relevance is negative in {int((relevance < 0).sum()):,} rows.")
    found: dict[str, Any] = {}
    if design is None or len(np.unique(design.units)) < 2:
        found |= _one_list(relevance, scores, k, level)
    else:
        found |= _lists(relevance, scores, design, k, level)
    if set(np.unique(relevance)) <= {0.0, 1.0}:
        ranks = np.unique(scores, return_inverse=True)[1] / max(1, len(scores))
        blocks = Ranked(ranks, relevance.astype(np.int8), design).blocks(slice(None))
        found["auc"] = auc(blocks, level)
        found["average_precision"] = average_precision(blocks, level)
    return found


def one(relevance: Floats, scores: Floats, k: int | None) -> tuple[float, float]:
    """(precision at k, NDCG at k) of one list; NDCG is NaN without relevance; k None is the whole list."""
    n = len(scores)
    k = n if k is None else min(k, n)
    order = np.argsort(-scores, kind="stable")
    ranked, gains = scores[order], relevance[order]
    starts = np.flatnonzero(np.r_[True, ranked[1:] != ranked[:-1]])
    sizes = np.diff(np.r_[starts, n])
    mean_gain = np.repeat(np.add.reduceat(gains, starts) / sizes, sizes)
    mean_hit = np.repeat(np.add.reduceat((gains > 0).astype(float), starts) / sizes, sizes)
    discount = 1 / np.log2(np.arange(k) + 2)
    best = float((np.sort(relevance)[::-1][:k] * discount).sum())
    ndcg = float((mean_gain[:k] * discount).sum()) / best if best > 0 else math.nan
    return float(mean_hit[:k].sum()) / k, ndcg


def _one_list(relevance: Floats, scores: Floats, k: int, level: float) -> dict[str, Estimate]:
    n = len(scores)
    at = min(k, n)
    precision, ndcg_k = one(relevance, scores, k)
    _, ndcg = one(relevance, scores, None)
    low, high = intervals.wilson(precision * at, at, level)
    found = {"precision_at_k": Estimate(precision, low, high, at, "wilson")}
    values = {"ndcg": ndcg, "ndcg_at_k": ndcg_k}
    if math.isnan(ndcg):
        return found | {name: none(n, "nothing is relevant") for name in values}
    order = np.lexsort((relevance, scores))
    relevance, scores = relevance[order], scores[order]
    seed = int.from_bytes(hashlib.sha256(relevance.tobytes() + scores.tobytes()).digest()[:8], "big")
    random = np.random.Generator(np.random.PCG64(seed))
    drawn: dict[str, list[float]] = {name: [] for name in values}
    for _ in range(REPLICATES):
        rows = random.integers(0, n, n)
        for name, places in (("ndcg", None), ("ndcg_at_k", k)):
            again = one(relevance[rows], scores[rows], places)[1]
            if not math.isnan(again):
                drawn[name].append(again)
    for name, value in values.items():
        ends = np.quantile(drawn[name], [(1 - level) / 2, (1 + level) / 2])
        method = f"percentile bootstrap of cases, {REPLICATES}"
        found[name] = Estimate(value, float(ends[0]), float(ends[1]), n, method)
    return found


def _lists(relevance: Floats, scores: Floats, design: Design, k: int, level: float) -> dict[str, Estimate]:
    order = np.argsort(design.units, kind="stable")
    units = design.units[order]
    starts = np.flatnonzero(np.r_[True, units[1:] != units[:-1]])
    parts = [order[a:b] for a, b in zip(starts, np.r_[starts[1:], len(order)], strict=True)]
    at_k = np.array([one(relevance[rows], scores[rows], k) for rows in parts])
    whole = np.array([one(relevance[rows], scores[rows], None)[1] for rows in parts])
    found = {}
    for name, values in (("precision_at_k", at_k[:, 0]), ("ndcg_at_k", at_k[:, 1]), ("ndcg", whole)):
        found[name] = _mean_of_lists(values[~np.isnan(values)], level)
    return found


def _mean_of_lists(values: Floats, level: float) -> Estimate:
    m = len(values)
    if m == 0:
        return none(0, "nothing is relevant in any list")
    value = float(values.mean())
    if m < 2:
        return Estimate(value, None, None, m, "none", "no interval from a single list")
    error = float(values.std(ddof=1)) / math.sqrt(m)
    half = intervals.t_value(m - 1, level) * error
    return Estimate(
        value,
        max(0.0, value - half),
        min(1.0, value + half),
        m,
        "mean of lists, t",
        error=error,
        df=m - 1,
        entities=m,
    )
