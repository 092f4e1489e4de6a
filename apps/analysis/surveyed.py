"""Every metric of a binary classifier for weighted or clustered rows, with each entity's part in its error."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals
from apps.analysis.cells import BINS
from apps.analysis.metrics import RATES, Estimate, none
from apps.analysis.survey import Design, mean_of, ratio_of

Floats = npt.NDArray[np.float64]
_PLACE = {"tn": 0, "fp": 1, "fn": 2, "tp": 3}
REPLICATES = 400
_AT_ONCE = 4_000_000  # numbers drawn at once by the bootstrap


@dataclass(frozen=True)
class Influence:
    """(m,) `parts` of the entities `units` in the error of an estimate."""

    units: npt.NDArray[np.int64]
    parts: Floats


def metrics(
    y: npt.NDArray[np.int8], p: npt.NDArray[np.int8], s: Floats | None, design: Design, level: float
) -> tuple[dict[str, Estimate], dict[str, Influence]]:
    """(estimates, influences) of the rows of one group; `s`: scores or None."""
    units, place = np.unique(design.units, return_inverse=True)
    kind = 2 * y.astype(np.int64) + p
    totals = np.bincount(place * 4 + kind, design.weights, minlength=4 * len(units))
    sums = totals.astype(np.float64).reshape(-1, 4)
    counts = np.bincount(kind, minlength=4)
    found: dict[str, Estimate] = {}
    parts: dict[str, Influence] = {}
    for name, (above, below, _, reason) in RATES.items():
        top = sums[:, [_PLACE[c] for c in above]].sum(axis=1)
        whole = sums[:, [_PLACE[c] for c in below]].sum(axis=1)
        n = int(sum(counts[_PLACE[c]] for c in below))
        found[name], influence = ratio_of(top, whole, n, level, reason)
        parts[name] = Influence(units, influence)
    found["balanced_accuracy"] = _balanced(found, parts, len(y), level)
    found["f1"] = _f1(sums, counts, level)
    found["mcc"] = _mcc(sums, units, len(y), level)
    if s is not None:
        off = s - y
        for name, values, floor in (("brier", off * off, 0.0), ("calibration_gap", off, -1.0)):
            found[name] = mean_of(values, design, level, floor, 1.0)
            mean = float((design.weights * values).sum() / design.weights.sum())
            by_unit = np.bincount(place, design.weights * (values - mean), minlength=len(units))
            parts[name] = Influence(units, by_unit / design.weights.sum())
        found["ece"] = _ece(off, s, design, place, len(units), level)
    return found, parts


def covariance(a: Influence, b: Influence) -> float:
    """Of two estimates over the same entities; 0 where they share none."""
    _, first, second = np.intersect1d(a.units, b.units, assume_unique=True, return_indices=True)
    if len(first) == 0:
        return 0.0
    m = len(np.union1d(a.units, b.units))
    return float((a.parts[first] * b.parts[second]).sum()) * m / max(1, m - 1)


def bins(s: Floats, y: npt.NDArray[np.int8], design: Design, level: float) -> list[dict[str, Any]]:
    """Calibration bins as `metrics.calibration_bins`, weighted."""
    at = np.minimum((s * BINS).astype(np.int64), BINS - 1)
    rows = []
    for i in np.unique(at):
        inside = at == i
        part = design.take(inside)
        whole = part.sums(part.weights)
        estimate, _ = ratio_of(
            part.sums(part.weights * y[inside]), whole, int(inside.sum()), level, "no rows"
        )
        rows.append(
            {
                "from": int(i) / BINS,
                "to": (int(i) + 1) / BINS,
                "n": int(inside.sum()),
                "mean_score": float((part.weights * s[inside]).sum() / part.weights.sum()),
                "rate": estimate.value,
                "low": estimate.low,
                "high": estimate.high,
            }
        )
    return rows


def _balanced(found: dict[str, Estimate], parts: dict[str, Influence], n: int, level: float) -> Estimate:
    tpr, tnr = found["tpr"], found["tnr"]
    if tpr.value is None or tnr.value is None:
        return none(n, tpr.reason or tnr.reason)
    value = (tpr.value + tnr.value) / 2
    if tpr.low is None or tpr.high is None or tnr.low is None or tnr.high is None:
        return Estimate(value, None, None, n, "none", "no interval from a single entity")
    errors = (tpr.error or 0.0) * (tnr.error or 0.0)
    # tpr + tnr is tpr - (-tnr): the correlation changes its sign.
    r = -covariance(parts["tpr"], parts["tnr"]) / errors if errors else 0.0
    first, second = (tpr.value, tpr.low, tpr.high), (-tnr.value, -tnr.high, -tnr.low)
    low, high = intervals.mover(first, second, max(-1.0, min(1.0, r)))
    df = min(tpr.df or 1, tnr.df or 1)
    return Estimate(value, max(0.0, low / 2), min(1.0, high / 2), n, "mover on effective n, t", df=df)


def _f1(sums: Floats, counts: npt.NDArray[np.int64], level: float) -> Estimate:
    n = int(counts[1:].sum())
    q, _ = ratio_of(
        sums[:, 3], sums[:, 1:].sum(axis=1), n, level, "no positive case and nothing predicted positive"
    )
    if q.value is None:
        return q
    ends = [None if v is None else 2 * v / (1 + v) for v in (q.value, q.low, q.high)]
    method = "wilson on effective n, transformed, t" if q.low is not None else q.method
    return replace(q, value=ends[0], low=ends[1], high=ends[2], method=method, error=None)


def _mcc(sums: Floats, units: npt.NDArray[np.int64], n: int, level: float) -> Estimate:
    tn, fp, fn, tp = sums.sum(axis=0)
    predicted, actual, rejected, negative = tp + fp, tp + fn, tn + fn, tn + fp
    if min(predicted, actual, rejected, negative) == 0:
        return none(n, "labels or predictions are all of one class")
    root = math.sqrt(predicted * actual) * math.sqrt(rejected * negative)
    value = float((tp * tn - fp * fn) / root)
    if fp == fn == 0 or tp == tn == 0:
        return Estimate(value, None, None, n, "none", "no interval: labels and predictions never differ")
    slopes = np.array(
        [
            tp / root - value / 2 * (1 / rejected + 1 / negative),
            -fn / root - value / 2 * (1 / predicted + 1 / negative),
            -fp / root - value / 2 * (1 / actual + 1 / rejected),
            tn / root - value / 2 * (1 / predicted + 1 / actual),
        ]
    )
    m = len(units)
    if m < 2:
        return Estimate(value, None, None, n, "none", "no interval from a single entity", entities=m)
    error = math.sqrt(float(((sums @ slopes) ** 2).sum()) * m / (m - 1))
    half = intervals.t_value(m - 1, level) * error / (1 - value * value)
    low, high = math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)
    return Estimate(value, low, high, n, "linearised, Fisher z, t", error=error, df=m - 1, entities=m)


def _ece(
    off: Floats, s: Floats, design: Design, place: npt.NDArray[np.int64], m: int, level: float
) -> Estimate:
    """Resamples entities; the seed comes from the sums, so it is the same each time."""
    at = np.minimum((s * BINS).astype(np.int64), BINS - 1)
    gaps = np.bincount(place * BINS + at, design.weights * off, minlength=m * BINS).reshape(m, BINS)
    weights = np.bincount(place, design.weights, minlength=m)
    value = float(np.abs(gaps.sum(axis=0)).sum() / weights.sum())
    if m < 2:
        return Estimate(value, None, None, len(s), "none", "no interval from a single entity", entities=m)
    seed = int.from_bytes(hashlib.sha256(repr(gaps.sum(axis=0).tolist()).encode()).digest()[:8], "big")
    random = np.random.Generator(np.random.PCG64(seed))
    drawn: list[Floats] = []
    step = max(1, _AT_ONCE // m)
    for start in range(0, REPLICATES, step):
        times = random.poisson(1.0, size=(min(step, REPLICATES - start), m)).astype(np.float64)
        drawn.append(np.abs(times @ gaps).sum(axis=1) / np.maximum(times @ weights, weights.min()))
    low, high = np.quantile(np.concatenate(drawn), [(1 - level) / 2, (1 + level) / 2])
    return Estimate(
        value,
        min(float(low), value),
        max(float(high), value),
        len(s),
        f"poisson bootstrap of entities, {REPLICATES}",
        entities=m,
    )


def share(hits: npt.NDArray[np.bool_], design: Design, level: float) -> Estimate:
    """The weighted share of rows that are hits."""
    estimate, _ = ratio_of(
        design.sums(design.weights * hits), design.sums(design.weights), len(hits), level, "no rows"
    )
    return estimate
