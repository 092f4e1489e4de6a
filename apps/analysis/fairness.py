"""The bias report: metrics per group and pair of attributes, disparities, verdicts. See docs/statistics.md."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.analysis import cells as counting
from apps.analysis import disparities as disparity
from apps.analysis import groups as making
from apps.analysis import intervals
from apps.analysis.errors import InputError
from apps.analysis.jsonform import engine
from apps.analysis.prepare import prepare
from apps.analysis.readers import open_table

SCHEMA = "countersign.fairness/1"
MIN_N = 30
MAX_GROUPS = making.MAX_GROUPS

_SURVEYED = (
    "Weighted and clustered rows: errors linearised and summed by entity, t quantiles with entities minus 1 degrees of "
    "freedom; rates: Wilson on the effective n; pairs: the same with the correlation of shared entities, at a level "
    "that holds for all judged pairs of a grouping together (Bonferroni); p-values adjusted by Holm."
)


def report(
    source: Any,
    label: str,
    prediction: str | None = None,
    score: str | None = None,
    groups: Sequence[str] = (),
    *,
    intersections: bool = False,
    positive: object = 1,
    threshold: float | None = None,
    min_n: int = MIN_N,
    limits: Sequence[Any] = (),
    level: float = intervals.LEVEL,
    weight: str | None = None,
    entity: str | None = None,
    threads: int = 1,
) -> dict[str, Any]:
    """Compute the bias report of a binary classifier.

    `source`: path, columns, list of dicts or frame (see `readers.open_table`). `groups`: attribute columns;
    `intersections` adds every pair of them. `positive`: the value of label and prediction that counts as
    positive. `threshold`: makes the prediction from the score where there is no prediction column. `min_n`: a
    group's metric that rests on fewer cases is shown but not judged. `limits`: see `disparities.Limit`.
    `weight`: a column of positive weights; `entity`: the column that says which rows belong to one unit: both
    make intervals linearised and summed by entity.
    Returns a JSON-able dict. Raises `InputError` with one sentence.
    """
    if not groups:
        raise InputError("Name at least one group column.")
    if min_n < 1 or not 0.5 < level < 1:
        raise InputError("The minimum n must be at least 1 and the level between 0.5 and 1.")
    wanted = [disparity.parse_limit(limit) for limit in limits]
    if score is None and (
        lost := [w.metric for w in wanted if disparity.SCORE_METRICS & set(_metrics(w.metric))]
    ):
        raise InputError(f"A limit on {lost[0]} needs a score column.")
    with open_table(source, threads=threads, engine_counts=True) as table:
        prepared = prepare(
            table, label, prediction, score, groups, positive, threshold, weight=weight, entity=entity
        )
        material = making.gather(table, prepared)
        file_format = table.format
    every = making.every_grouping(material, intersections)
    overall = making.groups_of(material, (), level)[0][1]
    groupings = [_grouping(material, at, wanted, min_n, level) for at in every]
    found = prepared.cells
    return {
        "schema": SCHEMA,
        "inputs": {
            "label": label,
            "prediction": prediction,
            "score": score,
            "threshold": threshold,
            "groups": list(groups),
            "intersections": intersections,
            "positive": prepared.positive,
            "negative": prepared.negative,
            "min_n": min_n,
            "level": level,
            "limits": [{"metric": w.metric, "limit": w.limit, "rule": w.rule} for w in wanted],
            "format": file_format,
        }
        | {name: column for name, column in (("weight", weight), ("entity", entity)) if column},
        "notes": prepared.notes,
        "n": prepared.rows,
        "overall": making.group_form(overall, {}, min_n),
        "groupings": groupings,
        "verdict": _overall_verdict(groupings) if wanted else None,
        "cells": len(found),
        "cells_digest": counting.cells_digest(found, list(groups)),
        "engine": engine(),
        "method": _SURVEYED
        if weight or entity
        else (
            f"Rates: Wilson {level:.0%} intervals. Pairs: Newcombe (difference) and Katz log (ratio) at a level that "
            "holds for all judged pairs of a grouping together (Bonferroni); p-values adjusted by Holm."
        ),
    }


def _metrics(name: str) -> tuple[str, ...]:
    return disparity.DISPARITIES[name][1]


def _grouping(
    material: making.Material,
    at: tuple[int, ...],
    limits: Sequence[disparity.Limit],
    min_n: int,
    level: float,
) -> dict[str, Any]:
    keyed = making.groups_of(material, at, level)
    attributes = [material.prepared.groups[i] for i in at]
    groups = [group for _, group in keyed]
    available = [
        name
        for name, (_, metrics, _) in disparity.DISPARITIES.items()
        if material.ranked is not None or not disparity.SCORE_METRICS & set(metrics)
    ]
    made: dict[tuple[str, int], dict[str, Any]] = {}

    def comparisons(name: str) -> list[dict[str, Any]]:
        metrics = _metrics(name)
        for metric in metrics:
            if (metric, len(metrics)) not in made:
                made[metric, len(metrics)] = disparity.compare(groups, metric, min_n, level, len(metrics))
        return [made[metric, len(metrics)] for metric in metrics]

    return {
        "attributes": attributes,
        "groups": [
            making.group_form(group, dict(zip(attributes, key, strict=True)), min_n) for key, group in keyed
        ],
        "disparities": [disparity.summarise(name, groups, comparisons(name)) for name in available],
        "comparisons": [comparison for (_, parts), comparison in sorted(made.items()) if parts == 1],
        "limits": [disparity.judge(limit, groups, comparisons(limit.metric), min_n) for limit in limits],
    }


def _overall_verdict(groupings: Sequence[dict[str, Any]]) -> str:
    verdicts = {limit["verdict"] for grouping in groupings for limit in grouping["limits"]}
    for verdict in (disparity.BREACHED, disparity.UNDECIDED):
        if verdict in verdicts:
            return verdict
    return disparity.WITHIN
