"""A bias report as CSV: a line per group and metric, per calibration bin, per pair of groups and metric, per limit."""

from __future__ import annotations

import csv
import io
from typing import Any

from apps.access.actors import Actor
from apps.accounts.models import User
from apps.core.csvsafe import disarmed
from apps.fairness.models import Report
from apps.fairness.queries import results_for

COLUMNS = (
    "line",
    "grouping",
    "group",
    "compared_with",
    "metric",
    "value",
    "low",
    "high",
    "n",
    "method",
    "limit",
    "rule",
    "verdict",
    "note",
)


def as_csv(report: Report, actor: Actor | User) -> str:
    """The figures of a finished report as told to `actor`, CRLF line ends, UTF-8.

    Texts that a spreadsheet would run are quoted.
    """
    results = results_for(actor, report)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="")
    writer.writeheader()
    figures = results["report"]
    for grouping in [{"attributes": ["all"], "groups": [figures["overall"]]}, *figures["groupings"]]:
        name = " x ".join(grouping["attributes"])
        for group in grouping["groups"]:
            for metric, estimate in group["metrics"].items():
                writer.writerow(_estimate(name, group["name"], metric, estimate))
        for group in grouping["groups"]:
            for one in group.get("calibration") or ():
                writer.writerow(_bin(name, group["name"], one))
        for comparison in grouping.get("comparisons", ()):
            for pair in comparison["pairs"]:
                for kind in ("difference", "ratio"):
                    writer.writerow(_pair(name, comparison, pair, kind))
    for line in results["limits"]:
        writer.writerow(_limit(line))
    return out.getvalue()


def _estimate(grouping: str, group: str, metric: str, estimate: dict[str, Any]) -> dict[str, Any]:
    return {
        "line": "group",
        "grouping": disarmed(grouping),
        "group": disarmed(group),
        "metric": metric,
        "value": estimate["value"],
        "low": estimate["low"],
        "high": estimate["high"],
        "n": estimate["n"],
        "method": estimate["method"],
        "note": disarmed(estimate["reason"]),
    }


def _bin(grouping: str, group: str, one: dict[str, Any]) -> dict[str, Any]:
    return {
        "line": "calibration",
        "grouping": disarmed(grouping),
        "group": disarmed(group),
        "metric": "observed_rate",
        "value": one["rate"],
        "low": one["low"],
        "high": one["high"],
        "n": one["n"],
        "method": "wilson",
        "note": f"scores {one['from']} to {one['to']}, mean {one['mean_score']}",
    }


def _pair(grouping: str, comparison: dict[str, Any], pair: dict[str, Any], kind: str) -> dict[str, Any]:
    measured = pair[kind]
    return {
        "line": kind,
        "grouping": disarmed(grouping),
        "group": disarmed(pair["a"]),
        "compared_with": disarmed(pair["b"]),
        "metric": comparison["metric"],
        "value": measured["value"],
        "low": measured["low"],
        "high": measured["high"],
        "method": "newcombe" if kind == "difference" else "katz log",
        "note": pair.get("reason") or ("" if pair["judged"] else "too few cases to be judged"),
    }


def _limit(line: dict[str, Any]) -> dict[str, Any]:
    first, second = line["pair"] or ("", "")
    return {
        "line": "limit",
        "grouping": disarmed(line["column"]),
        "group": disarmed(first),
        "compared_with": disarmed(second),
        "metric": line["metric"],
        "value": line["value"],
        "low": line["low"],
        "high": line["high"],
        "n": line["n"],
        "limit": line["limit"],
        "rule": line["rule"],
        "verdict": line["verdict"],
        "note": disarmed(line["sentence"]),
    }
