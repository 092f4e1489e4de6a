"""The bias report of a regression: errors of each group, and differences of their means between groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from apps.analysis import disparities, intervals, performance
from apps.analysis.cells import Counts
from apps.analysis.groups import Group
from apps.analysis.metrics import Estimate

COMPARED = ("mae", "mean_error")  # means of independent rows or units: their differences have an interval


def report(
    source: Any,
    label: str,
    prediction: str,
    groups: Sequence[str],
    *,
    intersections: bool = False,
    min_n: int = 30,
    limits: Sequence[Any] = (),
    weight: str | None = None,
    entity: str | None = None,
    level: float = intervals.LEVEL,
) -> dict[str, Any]:
    """The regression report of `performance`, with `comparisons` and `limits` in each grouping as a bias report has.

    Intervals of a difference are normal (by unit: t), at a level that holds for all judged pairs of a metric together.
    A unit with rows in both groups counts as if its errors there were unrelated. There are no cells: `cells_digest` is
    empty. Raises `InputError` with one sentence.
    """
    wanted = [disparities.parse_limit(limit) for limit in limits]
    found = performance.report(
        source,
        label,
        prediction,
        task="regression",
        groups=groups,
        intersections=intersections,
        weight=weight,
        entity=entity,
        level=level,
    )
    for grouping in found["groupings"]:
        members = [
            Group(
                each["name"],
                Counts(tn=0, fp=0, fn=0, tp=0),
                {metric: Estimate(**each["metrics"][metric]) for metric in COMPARED},
            )
            for each in grouping["groups"]
        ]
        compared = {metric: disparities.compare(members, metric, min_n, level) for metric in COMPARED}
        for each in grouping["groups"]:
            each["enough"] = each["n"] >= min_n
        grouping["comparisons"] = [compared[metric] for metric in COMPARED]
        grouping["limits"] = [
            disparities.judge(
                one, members, [compared[m] for m in disparities.ALL_DISPARITIES[one.metric][1]], min_n
            )
            for one in wanted
        ]
    found["inputs"]["min_n"] = min_n
    return found | {
        "cells_digest": "",
        "method": f"Errors: {level:.0%} intervals of the mean. Pairs: normal interval of the difference"
        f"{' by unit (t)' if weight or entity else ''} at a level that holds for all judged pairs of a grouping "
        "together (Bonferroni); p-values adjusted by Holm.",
    }
