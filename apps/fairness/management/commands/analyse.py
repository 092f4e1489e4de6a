"""`manage.py analyse`: the analyses on a file, without database, trail or portal. Document: docs/statistics.md."""

from __future__ import annotations

import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from apps.analysis import (
    drift,
    engines,
    fairness,
    ordering,
    paired,
    pairedtasks,
    performance,
    profile,
    schemas,
    shift,
    thresholds,
)
from apps.analysis.errors import InputError
from apps.analysis.jsonform import to_json
from apps.analysis.readers import Where
from apps.analysis.text import lines, visible

_COMMON = ("label", "positive", "weight", "entity", "threads")


class Command(BaseCommand):
    """Exit codes: 0 computed, 2 bad input with one sentence on standard error."""

    help = "Compute a bias, performance, threshold, comparison or drift report or a profile of CSV or Parquet files."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        kinds = parser.add_subparsers(
            dest="kind", required=True, metavar="fairness|performance|thresholds|compare|drift|profile|schema"
        )
        fair = kinds.add_parser("fairness", help="metrics and disparities per group")
        _results(fair)
        _predicted(fair)
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
        perf = kinds.add_parser("performance", help="metrics over all cases and per group")
        _results(perf)
        _predicted(perf)
        perf.add_argument("--task", choices=performance.TASKS, default="binary")
        perf.add_argument(
            "--groups", default="", metavar="COL[,COL…]", help="also per value of these columns"
        )
        perf.add_argument("--intersections", action="store_true", help="also every pair of group columns")
        perf.add_argument(
            "--scores", default="", metavar="CLASS=COL[,…]", help="multiclass: probability of each class"
        )
        perf.add_argument("--k", type=int, default=ordering.K, help="ranking: the places that count")
        sweep = kinds.add_parser("thresholds", help="the rates at every threshold")
        _results(sweep)
        sweep.add_argument("--score", required=True, metavar="COL")
        sweep.add_argument("--locked", type=float, help="the threshold in use, marked")
        sweep.add_argument("--at", default="", metavar="NUMBER[,…]", help="thresholds; else 0, 0.05 … 1")
        pair = kinds.add_parser("compare", help="two versions on the same cases")
        _results(pair)
        for name in ("first", "second"):
            pair.add_argument(
                f"--{name}", required=True, metavar="COL", help=f"prediction of the {name} version"
            )
            pair.add_argument(f"--{name}-score", metavar="COL", help=f"binary: score of the {name} version")
        pair.add_argument("--task", choices=("binary", *pairedtasks.TASKS), default="binary")
        pair.add_argument(
            "--groups", default="", metavar="COL[,COL…]", help="also within each value of these columns"
        )
        moved = kinds.add_parser("drift", help="a current table against a baseline")
        moved.add_argument("baseline")
        moved.add_argument("current")
        moved.add_argument("--columns", default="", metavar="COL[,COL…]", help="else all that both have")
        moved.add_argument(
            "--categorical", default="", metavar="COL[,COL…]", help="numbers that are categories"
        )
        moved.add_argument("--bins", type=int, default=shift.BINS, help="quantile bins of the baseline")
        moved.add_argument("--moderate", type=float, default=drift.MODERATE, help="PSI of a moderate shift")
        moved.add_argument("--large", type=float, default=drift.LARGE, help="PSI of a large shift")
        _output(moved)
        prof = kinds.add_parser("profile", help="what each column holds")
        prof.add_argument("file")
        _output(prof)
        kinds.add_parser("schema", help="the JSON Schema of all reports").add_argument(
            "--json", action="store_true", help="it is JSON in any case"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["kind"] == "schema":
            self.stdout.write(to_json(schemas.load(), indent=1), ending="")
            return
        try:
            report = _compute(options)
        except InputError as error:
            self.stderr.write(visible(str(error)))
            sys.exit(2)
        self.stdout.write(to_json(report) if options["json"] else "\n".join(lines(report)), ending="")
        if not options["json"]:
            self.stdout.write("")


def _output(parser: Any) -> None:
    parser.add_argument("--json", action="store_true", help="the whole report")
    parser.add_argument("--threads", type=int, choices=range(1, 65), default=1, metavar="N")


def _results(parser: Any) -> None:
    parser.add_argument("file", help="a CSV or Parquet file; with another engine its file or table")
    parser.add_argument("--label", required=True, metavar="COL")
    parser.add_argument(
        "--where",
        action="append",
        default=[],
        metavar="COL=VALUE",
        help="only these rows; several must all hold",
    )
    parser.add_argument(
        "--engine",
        choices=(engines.DUCKDB, engines.SPARK, engines.WAREHOUSE),
        default=engines.DUCKDB,
        help="where the rows are counted; the others are extras",
    )
    parser.add_argument("--positive", default="1", metavar="VALUE")
    parser.add_argument("--entity", metavar="COL", help="which rows are of one unit (patient, batch)")
    parser.add_argument("--weight", metavar="COL", help="sampling weights, positive")
    _output(parser)


def _predicted(parser: Any) -> None:
    parser.add_argument("--prediction", metavar="COL")
    parser.add_argument("--score", metavar="COL", help="probability of the positive value")
    parser.add_argument("--threshold", type=float, help="makes the prediction from the score, or checks it")


def _compute(options: dict[str, Any]) -> dict[str, Any]:
    kind = options["kind"]
    if kind == "profile":
        return profile.profile(options["file"], threads=options["threads"])
    if kind == "drift":
        return drift.report(
            options["baseline"],
            options["current"],
            columns=_names(options["columns"]),
            categorical=_names(options["categorical"]),
            bins=options["bins"],
            limits=drift.Limits(options["moderate"], options["large"]),
            threads=options["threads"],
        )
    where = dict(_condition(text) for text in options["where"])
    with engines.opened(options["engine"], options["file"], threads=options["threads"]) as source:
        report = _of_results(kind, Where(source, where) if where else source, options)
    if where:
        report["inputs"]["where"] = where
        only = " and ".join(f"“{name}” = “{value}”" for name, value in where.items())
        report["notes"] = [f"Only the rows with {only}.", *report.get("notes", ())]
    return report


def _of_results(kind: str, source: Any, options: dict[str, Any]) -> dict[str, Any]:
    given = {name: options[name] for name in _COMMON}
    if kind == "thresholds":
        at = [_number(text) for text in _names(options["at"])]
        return thresholds.report(
            source, score=options["score"], locked=options["locked"], thresholds=at, **given
        )
    if kind == "compare":
        sides = {name: options[name] for name in ("first", "second", "first_score", "second_score")}
        given["groups"] = _names(options["groups"])
        if options["task"] == "binary":
            return paired.report(source, **sides, **given)
        if sides.pop("first_score") or sides.pop("second_score"):
            raise InputError("Scores are compared of two classes alone: name no score column.")
        del given["positive"]
        return pairedtasks.report(source, task=options["task"], **sides, **given)
    given |= {name: options[name] for name in ("prediction", "score", "threshold", "intersections")}
    given["groups"] = _names(options["groups"])
    if kind == "performance":
        scores = dict(_scored(text) for text in _names(options["scores"]))
        return performance.report(
            source, task=options["task"], scores=scores or None, k=options["k"], **given
        )
    limits = [_limit(text) for text in options["limit"]]
    return fairness.report(source, min_n=options["min_n"], limits=limits, **given)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise InputError(f"“{text}” is not a number.") from error


def _condition(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name.strip():
        raise InputError(f"A condition is COL=VALUE, not “{text}”.")
    return name.strip(), value


def _scored(text: str) -> tuple[str, str]:
    name, _, column = text.partition("=")
    return name, column


def _limit(text: str) -> dict[str, str]:
    metric, _, rest = text.partition("=")
    number, _, rule = rest.partition(":")
    return {"metric": metric, "limit": number, "rule": rule}
