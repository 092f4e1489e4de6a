"""The stored results of a run or bias report as a page shows them: tables of every figure, charts, confusion, lines."""

from __future__ import annotations

from typing import Any

from apps.core import blobs
from apps.validations.catalogue import unit_of
from apps.validations.export import TABLES, estimates_of
from apps.validations.states import Task
from apps.validations.stored import AREA
from apps.web.criteria import SIGNS, metric_label, subgroup_words

SWEPT = ("selection_rate", "tpr", "tnr", "ppv", "npv")  # of a threshold, in the page's table; the CSV has all
WEIGHTS = (25, 50, 75)  # per cent of the largest cell: the border grows by one step at each


def grouping_tables(figures: dict[str, Any], target_unit: str = "") -> list[dict[str, Any]]:
    """All groupings as two tables each: every metric of every group, every pair of groups on every metric.

    `target_unit`: of a regression's number; the metrics that have it say so.
    """
    if not figures:
        return []
    least = figures.get("inputs", {}).get("min_n", 30)
    overall = {"name": "all cases", "enough": True} | figures["overall"]
    whole = {"attributes": ["all cases"], "groups": [overall | {"name": "all cases"}], "comparisons": []}
    made = []
    for grouping in (whole, *figures.get("groupings", ())):
        groups = [
            {
                "group": group["name"],
                "label": with_unit(metric_label(metric, of_class), metric, target_unit),
                "estimate": estimate,
                "few": (estimate["n"] or 0) < least,
            }
            for group in grouping["groups"]
            for of_class, metric, estimate in estimates_of(group)
        ]
        pairs = [
            {
                **pair,
                "label": with_unit(metric_label(comparison["metric"]), comparison["metric"], target_unit),
                "level": comparison["level"],
            }
            for comparison in grouping.get("comparisons", ())
            for pair in comparison["pairs"]
        ]
        sizes = [
            {"name": group["name"], "n": group["n"], "few": not group.get("enough", group["n"] >= least)}
            for group in grouping["groups"]
        ]
        name = " and ".join(grouping["attributes"])
        made.append({"name": name, "sizes": sizes, "groups": groups, "pairs": pairs})
    return made


def confusion(figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Rows of the confusion matrix: label, and two cells {n, share, weight, right}; `weight` 0 to 3 by size."""
    counts = figures["overall"]["counts"]
    largest = max([*counts.values(), 1])
    total = sum(counts.values())

    def cell(name: str, right: bool) -> dict[str, Any]:
        n = counts[name]
        share = 100 * n / total if total else 0.0
        weight = sum(100 * n / largest >= step for step in WEIGHTS)
        return {"n": n, "share": f"{share:.1f} %", "weight": weight, "right": right}

    return [
        {"label": "positive", "cells": [cell("tp", True), cell("fn", False)]},
        {"label": "negative", "cells": [cell("fp", False), cell("tn", True)]},
    ]


def class_confusion(results: dict[str, Any]) -> dict[str, Any]:
    """The matrix of several classes: `names`, and `rows` of {"label", "n", "cells"} as in `confusion`; {} without."""
    if results.get("task") != Task.MULTICLASS:
        return {}
    names, counts = results["classes"], results["all_cases"]["confusion"]
    rows = []
    for i, row in enumerate(counts):
        total = sum(row)
        cells = [
            {
                "n": n,
                "share": f"{100 * n / total:.1f} %" if total else "–",
                "weight": sum(100 * n / total >= step for step in WEIGHTS) if total else 0,
                "right": i == j,
            }
            for j, n in enumerate(row)
        ]
        rows.append({"label": names[i], "n": total, "cells": cells})
    return {"names": names, "rows": rows}


def observed_tables(results: dict[str, Any]) -> dict[str, Any]:
    """Of a regression its `bands`, and `sizes` of its errors as {"from", "to", "n"}; {} of other tasks."""
    seen = results.get("observed") or {}
    return {"bands": seen["bands"], "sizes": list(TABLES["errors"](results))} if seen else {}


def worst_rows(results: dict[str, Any], target_unit: str) -> list[dict[str, Any]]:
    """Each criterion had every excluded case gone wrong, in words; empty where none was excluded."""
    return [
        one
        | {
            "label": metric_label(one["metric"], one["class"]),
            "where": subgroup_words(one["subgroup"]),
            "bound": f"{SIGNS[one['direction']]} {one['limit']} {unit_of(one['metric'], target_unit)}".strip(),
        }
        for one in results.get("worst_case", ())
    ]


def run_charts(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The charts of a run with their SVG, compared with its digest, and the rows of the table under each."""
    if not results.get("charts"):
        return []
    rows = {"calibration": calibration_rows(results), "thresholds": threshold_rows(results)}
    return [
        chart | {"svg": blobs.read(chart["digest"], area=AREA).decode(), "rows": rows.get(chart["kind"], [])}
        for chart in results.get("charts", ())
    ]


def calibration_rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    overall = results.get("all_cases") or results["report"]["overall"]
    return list(overall.get("calibration") or ())


def threshold_rows(results: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        point | {"shown": [point["metrics"][name] for name in SWEPT]}
        for point in (results.get("thresholds") or {}).get("points", ())
    ]


def undecided_rows(left_open: dict[str, Any]) -> list[dict[str, Any]]:
    """The undecided share of all cases and of each group: {"name", "estimate"}."""
    if not left_open:
        return []
    rows = [{"name": "all cases", "estimate": left_open["overall"]["metrics"]["undecided_rate"]}]
    for grouping in left_open["groupings"]:
        rows += [
            {"name": group["name"], "estimate": group["metrics"]["undecided_rate"]}
            for group in grouping["groups"]
        ]
    return rows


def paired_lines(found: dict[str, Any]) -> list[dict[str, Any]]:
    """Each compared metric of a paired report with its words; empty where nothing was compared."""
    unit = found.get("unit", "")
    return [
        _paired_line(name.partition(":")[0], one, unit) | {"n": one["difference"]["n"]}
        for name, one in found.get("metrics", {}).items()
    ]


def paired_groups(found: dict[str, Any]) -> list[dict[str, Any]]:
    return [_paired_line(line["metric"], line, found.get("unit", "")) for line in found.get("groups", ())]


def _paired_line(metric: str, one: dict[str, Any], target_unit: str) -> dict[str, Any]:
    return one | {"label": with_unit(metric_label(metric, one.get("class", "")), metric, target_unit)}


def with_unit(label: str, metric: str, target_unit: str) -> str:
    """The name of a metric with the unit of its numbers, where it has one: "Mean absolute error, mg/L"."""
    unit = unit_of(metric, target_unit)
    return f"{label}, {unit}" if unit else label
