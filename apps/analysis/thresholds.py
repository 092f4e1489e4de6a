"""Threshold sweep: the rates at every threshold of a grid, the locked threshold marked. See docs/statistics.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals, surveyed
from apps.analysis.cells import Counts
from apps.analysis.errors import InputError
from apps.analysis.groups import gather
from apps.analysis.jsonform import engine
from apps.analysis.metrics import Estimate, confusion_metrics
from apps.analysis.prepare import prepare
from apps.analysis.readers import open_table

SCHEMA = "countersign.thresholds/1"
STEPS = 20
MOST = 1000
SHOWN = ("selection_rate", "tpr", "fpr", "tnr", "ppv", "npv", "accuracy", "balanced_accuracy", "f1", "mcc")


def report(
    source: Any,
    label: str,
    score: str,
    *,
    locked: float | None = None,
    thresholds: Sequence[float] = (),
    positive: object = 1,
    weight: str | None = None,
    entity: str | None = None,
    level: float = intervals.LEVEL,
    threads: int = 1,
) -> dict[str, Any]:
    """`points[]`, rising: `threshold`, `locked`, `counts`, `metrics`. A case is positive at a score >= threshold.

    Without `thresholds` the grid is 0, 0.05 … 1; the `locked` one is always among them. Raises `InputError`.
    """
    wanted = [float(t) for t in thresholds] or [i / STEPS for i in range(STEPS + 1)]
    if locked is not None:
        wanted.append(float(locked))
    if len(wanted) > MOST:
        raise InputError(f"{len(wanted):,} thresholds were named; at most {MOST:,} are swept.")
    if bad := [t for t in wanted if not 0 <= t <= 1]:
        raise InputError(f"A threshold lies between 0 and 1, not at {bad[0]:g}.")
    grid = sorted(set(wanted))
    with open_table(source, threads=threads, engine_counts=True) as table:
        prepared = prepare(table, label, None, score, (), positive, grid[0], weight=weight, entity=entity)
        material = gather(table, prepared)
        file_format, rows = table.format, table.rows
    y, s = material.rows["y"], material.rows["s"]
    points = []
    for threshold in grid:
        p = (s >= threshold).astype(np.int8)
        counts = _counts(y, p)
        if material.design is None:
            estimates: dict[str, Estimate] = confusion_metrics(counts, level)
        else:
            estimates, _ = surveyed.metrics(y, p, None, material.design, level)
        points.append(
            {
                "threshold": threshold,
                "locked": threshold == locked,
                "counts": {"tn": counts.tn, "fp": counts.fp, "fn": counts.fn, "tp": counts.tp},
                "metrics": {name: estimates[name].as_dict() for name in SHOWN},
            }
        )
    return {
        "schema": SCHEMA,
        "inputs": {
            "label": label,
            "score": score,
            "locked": locked,
            "positive": prepared.positive,
            "level": level,
            "format": file_format,
        }
        | {name: value for name, value in (("weight", weight), ("entity", entity)) if value},
        "n": rows,
        "points": points,
        "notes": [
            *prepared.notes,
            "The intervals hold for each threshold alone: a threshold picked from this table for its figures needs "
            "other data to confirm them.",
        ],
        "engine": engine(),
    }


def _counts(y: npt.NDArray[np.int8], p: npt.NDArray[np.int8]) -> Counts:
    tn, fp, fn, tp = (int(c) for c in np.bincount(2 * y.astype(np.int64) + p, minlength=4))
    return Counts(tn=tn, fp=fp, fn=fn, tp=tp)
