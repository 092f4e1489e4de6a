"""The performance report of a model on labelled cases, binary or regression. Document: docs/statistics.md."""

from __future__ import annotations

from typing import Any

from apps.analysis import cells as counting
from apps.analysis import intervals, regression
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.metrics import calibration_bins, confusion_metrics, score_metrics
from apps.analysis.prepare import prepare
from apps.analysis.ranking import Ranked
from apps.analysis.readers import Table, open_table

SCHEMA = "countersign.performance/1"


def report(
    source: Any,
    label: str,
    prediction: str | None = None,
    score: str | None = None,
    *,
    task: str = "binary",
    positive: object = 1,
    threshold: float | None = None,
    level: float = intervals.LEVEL,
    threads: int = 1,
) -> dict[str, Any]:
    """Every metric over all cases, in `overall` (shaped as in the bias report, so `verdicts.find` reads both).

    `task` "binary": as in `fairness.report`, with calibration bins and cells digest. "regression":
    `prediction` and `label` are numbers; MAE, RMSE, R squared, mean error. Raises `InputError` with one
    sentence.
    """
    if task not in ("binary", "regression"):
        raise InputError(f"A task is binary or regression, not “{task}”.")
    extra: dict[str, Any] = {}
    with open_table(source, threads=threads) as table:
        if task == "regression":
            overall = _regression(table, label, prediction, level)
        else:
            overall, extra = _binary(table, label, prediction, score, positive, threshold, level)
        return {
            "schema": SCHEMA,
            "inputs": {
                "label": label,
                "prediction": prediction,
                "score": score,
                "task": task,
                "threshold": threshold,
                "level": level,
                "format": table.format,
            },
            "n": table.rows,
            "overall": overall,
            "engine": engine(),
        } | extra


def _binary(
    table: Table,
    label: str,
    prediction: str | None,
    score: str | None,
    positive: object,
    threshold: float | None,
    level: float,
) -> tuple[dict[str, Any], dict[str, Any]]:
    prepared = prepare(table, label, prediction, score, (), positive, threshold)
    found = counting.count_cells(table.con.table("prepared"), (), scored=prepared.scored)
    counts = counting.gather(found, ())[()]
    estimates = confusion_metrics(counts, level)
    if prepared.scored:
        arrow = table.arrow("SELECT s, y FROM prepared")
        ranked = Ranked(arrow["s"].to_numpy(), arrow["y"].to_numpy())
        estimates |= score_metrics(counts, level)
        for _, more in ranked.metrics(None, level):
            estimates |= more
    overall = {
        "name": "all",
        "values": {},
        "n": counts.n,
        "counts": {"tn": counts.tn, "fp": counts.fp, "fn": counts.fn, "tp": counts.tp},
        "metrics": {name: estimate.as_dict() for name, estimate in sorted(estimates.items())},
        "calibration": calibration_bins(counts, level) if counts.scored else [],
    }
    extra = {"positive": prepared.positive, "cells_digest": counting.cells_digest(found, [])}
    return overall, extra


def _regression(table: Table, label: str, prediction: str | None, level: float) -> dict[str, Any]:
    if prediction is None:
        raise InputError("Name the prediction column.")
    if table.rows == 0:
        raise InputError("The table has a header but no rows.")
    y, p = table.column(label).number, table.column(prediction).number
    arrow = table.arrow(f"SELECT {y} AS y, {p} AS p FROM data")
    for name, role in (("y", f"label column “{label}”"), ("p", f"prediction column “{prediction}”")):
        if bad := arrow[name].null_count:
            raise InputError(f"The {role} is missing or not a number in {bad:,} of {table.rows:,} rows.")
    estimates = regression.metrics(arrow["y"].to_numpy(), arrow["p"].to_numpy(), level)
    return {
        "name": "all",
        "values": {},
        "n": table.rows,
        "metrics": {name: estimate.as_dict() for name, estimate in sorted(estimates.items())},
    }
