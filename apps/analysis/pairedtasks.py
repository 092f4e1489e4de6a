"""`paired.report` for the other tasks: a number, or several classes. Document: docs/statistics.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import classes as several
from apps.analysis import groups as making
from apps.analysis import intervals, paired, pairedclasses, pairedvalues
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.readers import Table, open_table
from apps.analysis.survey import Design
from apps.analysis.taskrows import rows_of

TASKS = ("multiclass", "regression")


def report(
    source: Any,
    label: str,
    first: str,
    second: str,
    *,
    task: str,
    names: Sequence[str] = (),
    groups: Sequence[str] = (),
    weight: str | None = None,
    entity: str | None = None,
    level: float = intervals.LEVEL,
    threads: int = 1,
) -> dict[str, Any]:
    """Compare predictions `first` and `second` row by row; differences are second minus first, as `paired.report`.

    "regression": `pairedvalues.paired_metrics`. "multiclass": `pairedclasses.paired_metrics`; `names`: every class in
    order, else those that occur. `groups`: columns; the same lines within each of their values, in `groups`. Raises
    `InputError` with one sentence.
    """
    if task not in TASKS:
        raise InputError(f"A task is binary, multiclass or regression, not “{task}”.")
    with open_table(source, threads=threads) as table:
        if table.rows == 0:
            raise InputError("The table has a header but no rows.")
        if task == "regression":
            found = _numbers(table, label, first, second, groups, weight, entity, level)
        else:
            found = _classes(table, label, first, second, names, groups, weight, entity, level)
        file_format, rows = table.format, table.rows
    return {
        "schema": paired.SCHEMA,
        "inputs": {
            "task": task,
            "label": label,
            "first": first,
            "second": second,
            "level": level,
            "format": file_format,
        }
        | {name: value for name, value in (("weight", weight), ("entity", entity)) if value}
        | ({"groups": list(groups)} if groups else {}),
        "n": rows,
        **found,
        "engine": engine(),
    }


def _numbers(
    table: Table, label: str, first: str, second: str, groups: Any, weight: Any, entity: Any, level: float
) -> dict[str, Any]:
    roles: dict[str, tuple[str, str | None]] = {
        "y": (label, "label"), "p": (first, "first prediction"), "q": (second, "second prediction")
    }  # fmt: skip
    rows, design, codes, notes = rows_of(table, roles, groups, weight, entity)
    y, p, q = (rows[role].astype(np.float64) for role in ("y", "p", "q"))

    def of(chosen: Any, part: Design | None) -> dict[str, Any]:
        return pairedvalues.paired_metrics(y[chosen], p[chosen], q[chosen], part, level)

    lines = paired.in_groups(of, _columns(groups, codes), design)
    return {"metrics": paired.holm(of(slice(None), design)), "notes": notes} | lines


def _classes(
    table: Table,
    label: str,
    first: str,
    second: str,
    names: Any,
    groups: Any,
    weight: Any,
    entity: Any,
    level: float,
) -> dict[str, Any]:
    sides = [several.open_classes(table, label, prediction, {}, names) for prediction in (first, second)]
    rows, design, codes, notes = rows_of(table, {}, groups, weight, entity)
    place = rows["place"]
    y, p, q = (
        np.array(side.names, dtype=object)[values][place]
        for side, values in ((sides[0], sides[0].y), (sides[0], sides[0].p), (sides[1], sides[1].p))
    )
    every = list(names) or sorted({*sides[0].names, *sides[1].names})

    def of(chosen: Any, part: Design | None) -> dict[str, Any]:
        return pairedclasses.paired_metrics(y[chosen], p[chosen], q[chosen], every, part, level)

    lines = paired.in_groups(of, _columns(groups, codes), design)
    return {"metrics": of(slice(None), design), "notes": notes} | lines


def _columns(groups: Sequence[str], codes: making.Codes) -> list[tuple[str, npt.NDArray[np.object_]]]:
    coded = zip(groups, codes, strict=True)
    return [(name, np.array(values, dtype=object)[places]) for name, (values, places) in coded]
