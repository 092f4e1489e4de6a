"""The differences and ratios that locked limits judge, drawn with their limit: one picture per grouping and kind."""

from __future__ import annotations

import hashlib
from typing import Any

from apps.analysis.charts import FAIL, FEW, NONE, OK, Mark, forest
from apps.analysis.disparities import ALL_DISPARITIES
from apps.analysis.verdicts import label_of

STATES = {"within": OK, "breached": FAIL, "undecided": FEW}
AXES = {
    "difference": "Difference, higher minus lower group: 0 is equal, the limit is the most allowed",
    "ratio": "Ratio, lower over higher group: 1 is equal, the limit is the least allowed",
}


def level_of(line: dict[str, Any], results: dict[str, Any]) -> str:
    """The level of the interval of a judged limit, as stored ("0.95", "0.9833…"), or "" where there is none."""
    of = ALL_DISPARITIES[line["metric"]][1]
    for grouping in results.get("report", {}).get("groupings", ()):
        if grouping["attributes"] == [line["column"]]:
            for comparison in grouping["comparisons"]:
                if comparison["metric"] in of:
                    return str(comparison["level"])
    return ""


def draw_limits(report: dict[str, Any], charts: dict[str, str]) -> list[dict[str, str]]:
    """Draw the judged limits of one gathered bias report; SVG by digest into `charts`."""
    groups: dict[tuple[str, str], list[Mark]] = {}
    for line in report["content"]["summary"]:
        groups.setdefault((line["column"], line["kind"]), []).append(_mark(line))
    drawn = []
    for (column, kind), rows in groups.items():
        title = f"{kind.capitalize()}s between groups of {column}, each against its locked limit"
        svg = forest(rows, title=title, axis=AXES[kind]).svg
        digest = f"sha256:{hashlib.sha256(svg.encode()).hexdigest()}"
        charts[digest] = svg
        drawn.append({"column": column, "kind": kind, "title": title, "digest": digest})
    return drawn


def _mark(line: dict[str, Any]) -> Mark:
    def figure(name: str) -> float | None:
        return float(line[name]) if line[name] != "" else None

    metric = label_of(ALL_DISPARITIES[line["metric"]][1][0]).partition(" (")[0]
    named = f"{line['id']} {metric}"
    if line["value"] == "":
        return Mark(named, None, None, None, line["n"], NONE, "not judged", float(line["limit"]))
    state = STATES.get(line["verdict"], FEW)
    return Mark(
        named, figure("value"), figure("low"), figure("high"), line["n"], state, limit=float(line["limit"])
    )
