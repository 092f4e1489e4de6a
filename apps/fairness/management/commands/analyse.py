"""`manage.py analyse`: the analyses on a file, without database, trail or portal. Document: docs/statistics.md."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.analysis import fairness, performance, profile
from apps.analysis.errors import InputError
from apps.analysis.jsonform import to_json


class Command(BaseCommand):
    """Exit codes: 0 computed, 2 bad input with one sentence on standard error."""

    help = "Compute a bias report, a performance report or a profile of a CSV or Parquet file."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(dest="kind", required=True, metavar="fairness|performance|profile")
        fair = kinds.add_parser("fairness", help="metrics and disparities per group")
        _results(fair)
        fair.add_argument("--groups", required=True, metavar="COL[,COL…]", help="group columns")
        fair.add_argument("--intersections", action="store_true", help="also every pair of group columns")
        fair.add_argument(
            "--min-n", type=int, default=fairness.MIN_N, help="fewer cases are shown, not judged"
        )
        fair.add_argument(
            "--limit",
            action="append",
            default=[],
            metavar="DISPARITY=NUMBER[:point|near|far]",
            help="judge a disparity against a limit; may be given several times",
        )
        perf = kinds.add_parser("performance", help="metrics over all cases")
        _results(perf)
        perf.add_argument("--task", choices=("binary", "regression"), default="binary")
        prof = kinds.add_parser("profile", help="what each column holds")
        prof.add_argument("file")
        prof.add_argument("--json", action="store_true")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            report = _compute(options)
        except InputError as error:
            self.stderr.write(str(error))
            sys.exit(2)
        self.stdout.write(to_json(report) if options["json"] else "\n".join(_lines(report)), ending="")
        if not options["json"]:
            self.stdout.write("")


def _results(parser: Any) -> None:
    parser.add_argument("file")
    parser.add_argument("--label", required=True, metavar="COL")
    parser.add_argument("--prediction", metavar="COL")
    parser.add_argument("--score", metavar="COL", help="probability of the positive value")
    parser.add_argument("--threshold", type=float, help="makes the prediction from the score")
    parser.add_argument("--positive", default="1", metavar="VALUE")
    parser.add_argument("--json", action="store_true", help="the whole report")


def _compute(options: dict[str, Any]) -> dict[str, Any]:
    if options["kind"] == "profile":
        return profile.profile(options["file"])
    given = {name: options[name] for name in ("label", "prediction", "score", "threshold", "positive")}
    if options["kind"] == "performance":
        return performance.report(options["file"], task=options["task"], **given)
    groups = [name.strip() for name in options["groups"].split(",") if name.strip()]
    return fairness.report(
        options["file"],
        groups=groups,
        intersections=options["intersections"],
        min_n=options["min_n"],
        limits=[_limit(text) for text in options["limit"]],
        **given,
    )


def _limit(text: str) -> dict[str, str]:
    metric, _, rest = text.partition("=")
    number, _, rule = rest.partition(":")
    return {"metric": metric, "limit": number, "rule": rule}


def _lines(report: dict[str, Any]) -> list[str]:
    """A short text for people."""
    if "columns" in report:
        lines = [f"{report['rows']} rows, {report['duplicate_rows']} duplicates"]
        for column in report["columns"]:
            filled = f"{column['n']} filled, {column['missing']} missing, {column['distinct']} distinct"
            lines.append(f"{column['name']}: {column['type']}, {filled}")
        return lines
    lines = [f"{report['n']} rows"]
    lines += [f"  {name}: {_figure(estimate)}" for name, estimate in report["overall"]["metrics"].items()]
    for grouping in report.get("groupings", ()):
        lines.append(" x ".join(grouping["attributes"]))
        for group in grouping["groups"]:
            rate = _figure(group["metrics"]["selection_rate"])
            lines.append(f"  {group['name']} (n {group['n']}): selection rate {rate}")
        lines += [f"  {d['label']}: {_figure(d)}" for d in grouping["disparities"]]
        lines += [f"  {limit['sentence']}" for limit in grouping["limits"]]
    return lines


def _figure(estimate: dict[str, Any]) -> str:
    if estimate["value"] is None:
        return f"none ({estimate['reason']})"
    if estimate["low"] is None or estimate["high"] is None:
        return f"{estimate['value']:.4f}"
    return f"{estimate['value']:.4f} ({estimate['low']:.4f} to {estimate['high']:.4f})"
