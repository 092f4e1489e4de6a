"""Metrics of a classifier of several classes, from its confusion table; each class also against the rest.

Intervals of averages: delete-one jackknife over the cells of the table (Efron and Stein 1981), on the logit scale,
MCC on Fisher's z. The jackknife's part of each row in the error also serves weights and entities.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals, surveyed
from apps.analysis.cells import Counts
from apps.analysis.errors import InputError
from apps.analysis.metrics import Estimate, confusion_metrics, mean, none
from apps.analysis.ranking import Ranked
from apps.analysis.ranking import auc as area
from apps.analysis.readers import Table
from apps.analysis.survey import Design, mean_of

Floats = npt.NDArray[np.float64]
MAX_CLASSES = 60
# Single-precision probabilities add to 1 within this much: the square root of its rounding, as scikit-learn takes it.
SUM_TOLERANCE = float(np.sqrt(np.finfo(np.float32).eps))
_EPS = float(np.finfo(np.float64).eps)
_AVERAGED = ("precision", "recall", "f1")


@dataclass(frozen=True)
class Classes:
    """`names`: canonical values, sorted or as they were given; per row of the file its label `y` and prediction `p` as
    places in `names`.

    `scores`: (n, k) probabilities in the order of `names`, or None.
    """

    names: list[str]
    y: npt.NDArray[np.int64]
    p: npt.NDArray[np.int64]
    scores: Floats | None


def open_classes(
    table: Table, label: str, prediction: str, scores: dict[str, str], names: Sequence[str] = ()
) -> Classes:
    """Read label, prediction and probabilities; creates the table `classified` (`row_`, `place`).

    `names`: every class there may be, in order, whether or not it occurs; else those that occur, sorted.
    """
    texts = {role: table.column(name).text for role, name in (("y", label), ("p", prediction))}
    arrow = table.arrow(f"SELECT {texts['y']} AS y, {texts['p']} AS p FROM data")
    for role, name, words in (("y", label, "label"), ("p", prediction, "prediction")):
        if bad := arrow[role].null_count:
            raise InputError(f"The {words} column “{name}” is empty in {bad:,} of {table.rows:,} rows.")
    found = sorted(set(arrow["y"].unique().to_pylist()) | set(arrow["p"].unique().to_pylist()))
    if names:
        if strange := sorted(set(found) - set(names)):
            raise InputError(
                f"“{label}” or “{prediction}” holds {', '.join(strange[:5])}, which is none of the classes."
            )
        found = list(names)
    if len(found) > MAX_CLASSES:
        raise InputError(
            f"“{label}” and “{prediction}” have {len(found):,} classes; at most {MAX_CLASSES} are compared."
        )
    places = {name: i for i, name in enumerate(found)}
    y, p = (np.array([places[v] for v in arrow[role].to_pylist()], dtype=np.int64) for role in ("y", "p"))
    table.all(
        "CREATE OR REPLACE TEMP TABLE classified AS SELECT row_, row_ - 1 AS place FROM"
        " (SELECT row_number() OVER () AS row_ FROM data)"
    )
    return Classes(found, y, p, _probabilities(table, found, scores))


def _probabilities(table: Table, names: list[str], scores: dict[str, str]) -> Floats | None:
    if not scores:
        return None
    if set(scores) != set(names):
        lost = sorted(set(names) ^ set(scores))
        raise InputError(f"Every class needs one score column: {', '.join(lost)} is in only one of the two.")
    parts = ", ".join(f"{table.column(scores[name]).number} AS s{i}" for i, name in enumerate(names))
    arrow = table.arrow(f"SELECT {parts} FROM data")
    for i, name in enumerate(names):
        if bad := arrow[f"s{i}"].null_count:
            raise InputError(f"The score column “{scores[name]}” is missing or not a number in {bad:,} rows.")
    made = np.column_stack([arrow[f"s{i}"].to_numpy() for i in range(len(names))])
    if outside := int(((made < 0) | (made > 1)).any(axis=1).sum()):
        raise InputError(f"Scores of the classes lie outside 0 to 1 in {outside:,} rows.")
    if off := int((np.abs(made.sum(axis=1) - 1) > SUM_TOLERANCE).sum()):
        raise InputError(f"The scores of the classes do not add to 1 in {off:,} rows.")
    return made


def metrics(
    model: Classes, place: npt.NDArray[np.int64], design: Design | None, level: float
) -> dict[str, Any]:
    """Estimates over some rows of the file; `more`: the confusion table and each class against the rest."""
    y, p, k, n = model.y[place], model.p[place], len(model.names), len(place)
    weights = design.weights if design is not None else np.ones(n)
    table = np.bincount(y * k + p, weights, minlength=k * k).astype(np.float64).reshape(k, k)
    counts = np.bincount(y * k + p, minlength=k * k).reshape(k, k)
    kinds = y * k + p
    values = averages(table)
    found: dict[str, Any] = {}
    changed = _leave_one_out(table, counts)
    for name, value in values.items():
        if math.isnan(value):
            found[name] = none(n, "labels or predictions are all of one class")
            continue
        found[name] = _interval(
            name, value, {c: v[name] for c, v in changed.items()}, counts, kinds, design, level
        )
    hits = y == p
    if design is None:
        right = int(hits.sum())
        found["accuracy"] = Estimate(right / n, *intervals.wilson(right, n, level), n, "wilson")
    else:
        found["accuracy"] = surveyed.share(hits, design, level)
    if model.scores is not None:
        found["log_loss"] = _log_loss(model.scores[place], y, design, level)
    found["more"] = {
        "confusion": counts.tolist(),
        "classes": [_one_against_rest(model, i, y, p, place, design, level) for i in range(k)],
    }
    return found


def averages(table: Floats) -> dict[str, float]:
    """Macro, micro and weighted precision, recall and F1, balanced accuracy and MCC of a (k, k) table, labels in rows.

    A class that is neither a label nor a prediction is left out; a precision or recall of 0/0 is 0, as in scikit-learn.
    """
    hits, true, said = np.diag(table), table.sum(axis=1), table.sum(axis=0)
    there = (true + said) > 0
    hits, true, said = hits[there], true[there], said[there]
    with np.errstate(divide="ignore", invalid="ignore"):
        per = {
            "precision": np.where(said > 0, hits / said, 0.0),
            "recall": np.where(true > 0, hits / true, 0.0),
            "f1": 2 * hits / (true + said),
        }
    n = table.sum()
    found: dict[str, float] = {}
    for name in _AVERAGED:
        found[f"{name}_macro"] = float(per[name].mean())
        found[f"{name}_micro"] = float(hits.sum() / n)
        found[f"{name}_weighted"] = float((per[name] * true).sum() / n)
    found["balanced_accuracy"] = float(per["recall"][true > 0].mean())
    spread = (n * n - (said * said).sum()) * (n * n - (true * true).sum())
    found["mcc"] = (
        float((n * hits.sum() - (said * true).sum()) / math.sqrt(spread)) if spread > 0 else math.nan
    )
    return found


def _leave_one_out(table: Floats, counts: npt.NDArray[np.int64]) -> dict[int, dict[str, float]]:
    """cell -> averages without one row of it (of its mean weight)."""
    k = len(table)
    found = {}
    for cell in np.flatnonzero(counts):
        less = table.copy().ravel()
        less[cell] -= less[cell] / counts.ravel()[cell]
        if less.sum() > 0:
            found[int(cell)] = averages(less.reshape(k, k))
    return found


def _interval(
    name: str,
    value: float,
    without: dict[int, float],
    counts: npt.NDArray[np.int64],
    kinds: npt.NDArray[np.int64],
    design: Design | None,
    level: float,
) -> Estimate:
    n = int(counts.sum())
    if n < 2 or any(math.isnan(v) for v in without.values()):
        return Estimate(value, None, None, n, "none", "no interval: it has no value without one of the rows")
    sizes = counts.ravel()
    parts = {cell: value - v for cell, v in without.items()}  # of one row of the cell
    mean_part = sum(sizes[cell] * part for cell, part in parts.items()) / n
    df: int | None = None
    entities: int | None = None
    method = "jackknife"
    if design is None:
        variance = (n - 1) / n * sum(sizes[c] * (part - mean_part) ** 2 for c, part in parts.items())
        quantile = intervals.z_value(level)
    else:
        lookup = np.zeros(len(sizes))
        weight = np.bincount(kinds, design.weights, minlength=len(sizes))
        for cell, part in parts.items():
            lookup[cell] = part * sizes[cell] / weight[cell]
        variance, m = design.variance(lookup[kinds] * design.weights)
        if m < 2:
            return Estimate(value, None, None, n, "none", "no interval from a single entity", entities=m)
        df, entities, method, quantile = m - 1, m, "jackknife by entity, t", intervals.t_value(m - 1, level)
    error = math.sqrt(variance)
    floor = -1.0 if name == "mcc" else 0.0
    if not floor < value < 1 or error == 0:
        return Estimate(value, None, None, n, "none", "no interval: at the end of the scale", df=df)
    if name == "mcc":
        half = quantile * error / (1 - value * value)
        low, high = math.tanh(math.atanh(value) - half), math.tanh(math.atanh(value) + half)
        method += ", Fisher z"
    else:
        scaled = error * quantile / intervals.z_value(level)
        low, high = intervals.logit_interval(value, scaled, level)
        method += ", logit"
    return Estimate(value, low, high, n, method, error=error, df=df, entities=entities)


def _log_loss(scores: Floats, y: npt.NDArray[np.int64], design: Design | None, level: float) -> Estimate:
    clipped = np.clip(scores, _EPS, 1 - _EPS)
    losses = -np.log(clipped[np.arange(len(y)), y] / clipped.sum(axis=1))
    if design is not None:
        return mean_of(losses, design, level, 0.0)
    if len(y) < 2:
        return Estimate(float(losses.mean()), None, None, 1, "none", "no interval from a single row")
    return mean(float(losses.mean()), float(losses.var(ddof=1)), len(y), level, 0.0, math.inf)


def _one_against_rest(
    model: Classes,
    i: int,
    y: npt.NDArray[np.int64],
    p: npt.NDArray[np.int64],
    place: npt.NDArray[np.int64],
    design: Design | None,
    level: float,
) -> dict[str, Any]:
    is_label, is_said = (y == i).astype(np.int8), (p == i).astype(np.int8)
    tn, fp, fn, tp = (int(c) for c in np.bincount(2 * is_label.astype(np.int64) + is_said, minlength=4))
    counts = Counts(tn=tn, fp=fp, fn=fn, tp=tp)
    if design is None:
        found = confusion_metrics(counts, level)
    else:
        found, _ = surveyed.metrics(is_label, is_said, None, design, level)
    if model.scores is not None:
        ranked = Ranked(model.scores[place, i], is_label, design)
        found["auc"] = area(ranked.blocks(slice(None)), level)
    return {
        "class": model.names[i],
        "counts": {"tn": tn, "fp": fp, "fn": fn, "tp": tp},
        "metrics": {name: estimate.as_dict() for name, estimate in sorted(found.items())},
    }
