"""The performance report of a model on labelled cases, by task. Document: docs/statistics.md."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from apps.analysis import cells as counting
from apps.analysis import checks, classes, intervals, limits, ordering, regression
from apps.analysis import groups as making
from apps.analysis.canonical import identifier
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.metrics import Estimate
from apps.analysis.prepare import MAX_ATTRIBUTES, prepare
from apps.analysis.readers import Table, open_table
from apps.analysis.survey import Design

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
            rows, design, codes, notes = _rows(table, roles, groups, weight, entity)
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


def _rows(
    table: Table,
    roles: dict[str, tuple[str, str | None]],
    groups: Sequence[str],
    weight: str | None,
    entity: str | None,
) -> tuple[dict[str, Any], Design | None, making.Codes, list[str]]:
    """The numbers of the named columns, their design and group codes; refuses what is not a number."""
    if table.rows == 0:
        raise InputError("The table has a header but no rows.")
    if len(groups) > MAX_ATTRIBUTES:
        raise InputError(f"{len(groups)} group columns were named; at most {MAX_ATTRIBUTES} are compared.")
    limits.check_rows(table.rows, len(groups))
    parts = [f"{table.column(name).number} AS {role}" for role, (name, _) in roles.items()]
    notes: list[str] = []
    join = ""
    for i, group in enumerate(groups):
        checks.few_values(table, group)
        text = table.column(group).text
        table.all(
            f"CREATE OR REPLACE TEMP TABLE map_g{i} AS SELECT {text} AS t, count(*) AS n FROM data GROUP BY t"
        )
        notes += checks.group_values(table, f"g{i}", group)
        parts.append(f"coalesce({text}, '') AS g{i}")
    if weight:
        checks.weights(table, weight)
        parts.append(f"{table.column(weight).number} AS w")
    if entity:
        checks.entities(table, entity)
        notes += checks.entity_notes(table, entity)
        parts.append("entity.i AS e")
        join = f"JOIN entity ON data.{identifier(entity)} IS NOT DISTINCT FROM entity.raw"
    if not roles:
        parts.append("place")
        join += " JOIN classified USING (row_)"
    source = "data" if roles else "(SELECT *, row_number() OVER () AS row_ FROM data) AS data"
    arrow = table.arrow(f"SELECT {', '.join(parts)} FROM {source} {join}")
    for role, (name, words) in roles.items():
        if bad := arrow[role].null_count:
            raise InputError(
                f"The {words} column “{name}” is missing or not a number in {bad:,} of {table.rows:,} rows."
            )
    # One order of the rows: sums of floating-point numbers depend on it.
    keys = [arrow[name].to_numpy(zero_copy_only=False) for name in arrow.column_names]
    coded = [np.unique(key, return_inverse=True)[1] if key.dtype == object else key for key in keys]
    arrow = arrow.take(np.lexsort(coded))
    rows = {n: arrow[n].to_numpy() for n in arrow.column_names if not n.startswith("g")}
    design = None
    if weight or entity:
        weights = rows["w"] if weight else np.ones(arrow.num_rows)
        units = rows["e"].astype(np.int64) if entity else np.arange(arrow.num_rows)
        design = Design(weights, units)
    codes: making.Codes = []
    for i in range(len(groups)):
        encoded = arrow[f"g{i}"].combine_chunks().dictionary_encode()
        codes.append((encoded.dictionary.to_pylist(), encoded.indices.to_numpy().astype(np.int64)))
    return rows, design, codes, notes


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
