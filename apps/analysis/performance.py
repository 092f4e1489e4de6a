"""The performance report of a model on labelled cases, by task. Document: docs/statistics.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from apps.analysis import cells as counting
from apps.analysis import classes, intervals, ordering, regression
from apps.analysis import groups as making
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.metrics import Estimate
from apps.analysis.prepare import prepare
from apps.analysis.readers import open_table
from apps.analysis.survey import Design
from apps.analysis.taskrows import rows_of

SCHEMA = "countersign.performance/1"
TASKS = ("binary", "multiclass", "regression", "ranking")
MIN_N = 30
Compute = Callable[[Any, Design | None], dict[str, Any]]


def report(
    source: Any,
    label: str,
    prediction: str | None = None,
    score: str | None = None,
    *,
    task: str = "binary",
    positive: object = 1,
    threshold: float | None = None,
    groups: Sequence[str] = (),
    intersections: bool = False,
    weight: str | None = None,
    entity: str | None = None,
    scores: dict[str, str] | None = None,
    names: Sequence[str] = (),
    k: int = ordering.K,
    level: float = intervals.LEVEL,
    threads: int = 1,
) -> dict[str, Any]:
    """Every metric over all cases in `overall`, per group and pair in `groupings` (shapes of the bias report).

    `task` "binary": as in `fairness.report`, with calibration bins and cells digest. "multiclass": `label` and
    `prediction` of up to 60 classes; `scores`: class -> column of its probability; `names`: all classes in order, where
    one may not occur. "regression": `prediction` and
    `label` are numbers. "ranking": `label` is a relevance (number, 0 is none), `score` orders; `entity` then names
    the lists (queries), `k` the places that count. Raises `InputError` with one sentence.
    """
    if task not in TASKS:
        raise InputError(f"A task is binary or regression, multiclass or ranking, not “{task}”.")
    extra: dict[str, Any] = {}
    with open_table(source, threads=threads, engine_counts=task == "binary") as table:
        if task == "binary":
            prepared = prepare(
                table, label, prediction, score, groups, positive, threshold, weight=weight, entity=entity
            )
            material = making.gather(table, prepared)
            every = making.every_grouping(material, intersections)
            overall = making.group_form(making.groups_of(material, (), level)[0][1], {}, MIN_N)
            if not groups:
                del overall["enough"]
            found = [
                {
                    "attributes": [groups[i] for i in at],
                    "groups": [
                        making.group_form(group, dict(zip([groups[i] for i in at], key, strict=True)), MIN_N)
                        for key, group in making.groups_of(material, at, level)
                    ],
                }
                for at in every
            ]
            extra = {
                "positive": prepared.positive,
                "cells_digest": counting.cells_digest(prepared.cells, list(groups)),
                "notes": prepared.notes,
            }
        else:
            roles: dict[str, tuple[str, str | None]]
            compute: Compute
            if task == "regression":
                roles = {"y": (label, "label"), "p": (_named(prediction, "prediction"), "prediction")}
                compute = lambda rows, design: regression.metrics(rows["y"], rows["p"], level, design)  # noqa: E731
            elif task == "ranking":
                roles = {"y": (label, "label"), "s": (_named(score, "score"), "score")}
                compute = lambda rows, design: ordering.metrics(rows["y"], rows["s"], design, k, level)  # noqa: E731
            else:
                model = classes.open_classes(
                    table, label, _named(prediction, "prediction"), scores or {}, names
                )
                roles = {}
                compute = lambda rows, design: classes.metrics(model, rows["place"], design, level)  # noqa: E731
                extra["classes"] = model.names
            rows, design, codes, notes = rows_of(table, roles, groups, weight, entity)
            overall, found = _grouped(rows, design, codes, groups, intersections, compute)
            extra["notes"] = notes
        return (
            {
                "schema": SCHEMA,
                "inputs": {
                    "label": label,
                    "prediction": prediction,
                    "score": score,
                    "task": task,
                    "threshold": threshold,
                    "level": level,
                    "format": table.format,
                }
                | {name: value for name, value in (("weight", weight), ("entity", entity)) if value}
                | ({"groups": list(groups)} if groups else {})
                | ({"scores": scores} if scores else {})
                | ({"k": k} if task == "ranking" else {}),
                "n": table.rows,
                "overall": overall,
                "engine": engine(),
            }
            | ({"groupings": found} if groups else {})
            | extra
        )


def _named(column: str | None, role: str) -> str:
    if column is None:
        raise InputError(f"Name the {role} column.")
    return column


def _grouped(
    rows: dict[str, Any],
    design: Design | None,
    codes: making.Codes,
    groups: Sequence[str],
    intersections: bool,
    compute: Compute,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """(overall, groupings) of a task without cells."""

    def form(name: str, values: dict[str, str], chosen: Any) -> dict[str, Any]:
        part = {key: column[chosen] for key, column in rows.items()}
        estimates = compute(part, design.take(chosen) if design is not None else None)
        more = estimates.pop("more", {})
        shown: dict[str, Estimate] = estimates
        metrics = {key: estimate.as_dict() for key, estimate in sorted(shown.items())}
        n = len(next(iter(part.values())))
        return {"name": name, "values": values, "n": n, "metrics": metrics} | more

    groupings = []
    for at in making.positions(len(groups), intersections):
        combined = making.combine(codes, at)
        assert combined is not None
        attributes = [groups[i] for i in at]
        keyed = sorted((making.key_of(codes, at, int(code)), code) for code in np.unique(combined))
        made = []
        for key, code in keyed:
            values = dict(zip(attributes, key, strict=True))
            name = ", ".join(f"{a} = {v or '(missing)'}" for a, v in values.items())
            made.append(form(name, values, combined == code))
        groupings.append({"attributes": attributes, "groups": made})
    return form("all", {}, slice(None)), groupings
