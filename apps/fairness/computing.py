"""A bias report from the stored per-case results of a run: nothing is scored again, so it can be rerun any time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from apps.analysis import charts, disclosure, fairness, realfairness
from apps.analysis.disparities import ALL_DISPARITIES, ERRORS, SCORE_METRICS
from apps.analysis.verdicts import label_of
from apps.core import blobs
from apps.core.digests import number
from apps.fairness.models import Report
from apps.fairness.states import Verdict
from apps.validations import cases as per_case
from apps.validations.failures import CannotCompute, in_words
from apps.validations.figures import may_cross, undecided_of
from apps.validations.models import Plan, Run
from apps.validations.pairing import compare_runs, replaced_run
from apps.validations.states import Task
from apps.validations.stored import AREA, put_results, read_results
from apps.validations.telling import SECRET, Apart, apart

SCHEMA = "fairness.results/1"
DEFAULT_METRIC = "selection_rate"
UNTOLD_GROUP = "of a group that is not told"
MAX_CURVES = 6  # calibration charts of one report; every group's figures are in its tables


def compute(report: Report, progress: Callable[[int, int, str], None]) -> dict[str, Any]:
    """Compute, judge, draw and store. Returns what `finish_report` takes; raises `CannotCompute`."""
    run, plan = report.run, report.run.plan
    progress(0, 4, "Reading the per-case results")
    with in_words():
        every = per_case.counted(per_case.read_cases_table(run.cases_digest))
        if plan.task == Task.MULTICLASS:
            every = against_rest(every, plan)
        cases = per_case.decided_only(every)
        progress(1, 4, "Computing metrics for each group and pair")
        figures = figures_of(cases, plan, fairness.MIN_N)
        by_min_n = {fairness.MIN_N: figures}
        for limit in plan.bias_limits:
            if limit["min_n"] not in by_min_n:
                by_min_n[limit["min_n"]] = figures_of(cases, plan, limit["min_n"])
    progress(2, 4, "Judging the locked limits")
    left_out = read_results(run.results_digest).get("excluded", {})
    left_open = undecided_of(every, plan)
    found = apart(figures, left_open, left_out)
    summary = [
        without_the_excluded(judged(limit, by_min_n[limit["min_n"]]), limit, left_out, found.shut)
        for limit in plan.bias_limits
    ]
    progress(3, 4, "Drawing the charts")
    failing = failing_of(summary)
    drawn = draw(plan, by_min_n, summary, failing) + draw_calibration(plan, figures)
    drawn = drawn_for_all(drawn, plan, by_min_n, summary, failing, found)
    summary = [without_small_groups(line, figures, found) for line in summary]
    told = {"one_against_rest": plan.positive_value} if plan.task == Task.MULTICLASS else {}
    results = told | {
        "schema": SCHEMA,
        "run": run.ref,
        "plan": plan.ref,
        "version": plan.version.ref,
        "cases_digest": run.cases_digest,
        "report": figures,
        "limits": summary,
        "charts": drawn,
        "counted_by": {"unit": plan.unit_column, "weight": plan.weight_column},
        "undecided": left_open,
        "too_few": too_few(figures, found),
        **({"excluded": left_out} if left_out else {}),
        "replaced": compared_with_replaced(run),
        SECRET: per_case.secret_of(run.cases_digest),
    }
    digest = put_results(results)
    progress(4, 4, "Stored")
    return {
        "results_digest": digest,
        # Nothing secret goes into it: where counts are hidden, a right guess of them would show.
        "cells_digest": "" if found.shut else figures["cells_digest"],
        "chart_digest": main_chart(drawn, summary),
        "summary": summary,
        "verdict": overall(summary),
    }


def without_the_excluded(
    line: dict[str, Any],
    limit: dict[str, Any],
    left_out: dict[str, Any],
    shut: Collection[disclosure.Key] = (),
) -> dict[str, Any]:
    """A kept limit stays kept only where excluding cases made no group of its column vanish, fall below the least n, or
    lose a greater share than the plan lets the whole set lose. `left_out`: `figures.excluded_of` of the run, or {};
    `shut`: the hidden groups, whose excluded cases are not told."""
    if line["verdict"] != Verdict.WITHIN:
        return line
    told: list[str] = []
    for group in left_out.get("groups", ()):
        if group["column"] != limit["column"] or not group["n"]:
            continue
        left = group["rows"] - group["n"]
        if (
            left < limit["min_n"] <= group["rows"]
            or group["n"] > float(left_out["max_share"]) * group["rows"]
        ):
            hidden = frozenset(((group["column"], group["value"]),)) in shut
            where = f"{group['n']:,} of {group['rows']:,} where {group['column']} = {group['value']}"
            told.append(UNTOLD_GROUP if hidden else where)
    if not told:
        return line
    told = list(dict.fromkeys(told))
    sentence = f"{line['sentence']} Cannot be judged as kept: cases were excluded, {'; '.join(told)}."
    return line | {"verdict": str(Verdict.UNDECIDED), "sentence": sentence}


def against_rest(cases: pa.Table, plan: Plan) -> pa.Table:
    """The cases of several classes as cases of two: the class that the plan's limits are about, and all others.

    Label and prediction are 1 for that class, the score is its probability. The plan names it: without one no report
    is requested.
    """
    place = f"{per_case.SCORE}_{plan.classes.index(plan.positive_value) + 1}"
    made = {name: cases[name] for name in cases.column_names if not name.startswith(f"{per_case.SCORE}_")}
    for name in (per_case.LABEL, per_case.PREDICTION):
        made[name] = pc.cast(pc.equal(cases[name], plan.positive_value), pa.int8())
    if place in cases.column_names:
        made[per_case.SCORE] = cases[place]
    return pa.table(made)


def figures_of(cases: pa.Table, plan: Plan, min_n: int) -> dict[str, Any]:
    """The report of `analysis.fairness` on the cases; pairs of columns where they make few enough groups.

    Of a regression that of `analysis.realfairness`.
    """
    if plan.task == Task.REGRESSION:
        return realfairness.report(
            cases,
            per_case.LABEL,
            per_case.PREDICTION,
            list(plan.group_columns),
            intersections=may_cross(cases, list(plan.group_columns)),
            min_n=min_n,
            limits=[
                {name: limit[name] for name in ("metric", "limit", "rule")} | {"unit": plan.target_unit}
                for limit in plan.bias_limits
            ],
            **per_case.design_of(cases, plan.unit_column, plan.weight_column),
        )
    scored = (
        per_case.SCORE in cases.column_names
        and pc.min(cases[per_case.SCORE]).as_py() >= 0
        and pc.max(cases[per_case.SCORE]).as_py() <= 1
    )
    columns = list(plan.group_columns)
    wanted = sorted(
        {
            (limit["metric"], limit["limit"], limit["rule"])
            for limit in plan.bias_limits
            if scored or not _needs_scores(limit["metric"])
        }
    )
    return fairness.report(
        cases,
        per_case.LABEL,
        per_case.PREDICTION,
        per_case.SCORE if scored else None,
        columns,
        intersections=may_cross(cases, columns),
        min_n=min_n,
        limits=[{"metric": m, "limit": limit, "rule": rule} for m, limit, rule in wanted],
        **per_case.design_of(cases, plan.unit_column, plan.weight_column),  # type: ignore[arg-type]
    )


def too_few(figures: dict[str, Any], found: Apart) -> list[dict[str, Any]]:
    """The groups with fewer cases than the minimum n: {"group", "n", "min_n"}. They are shown and not judged.

    Where the model chose which cases are judged, of a hidden group that of the data.
    """
    least = figures["inputs"]["min_n"]
    bare = disclosure.told(figures, found.shut, found.cases) if found.cases else figures
    return [
        {"group": group["name"], "n": group["n"], "min_n": least}
        for grouping in bare["groupings"]
        for group in grouping["groups"]
        if not group["enough"] and group["n"] is not None
    ]


def compared_with_replaced(run: Run) -> dict[str, Any]:
    """`pairing.compare_runs` with the version this one was derived from, on the same cases; else {"reason"}."""
    earlier, reason = replaced_run(run)
    if earlier is None:
        return {"reason": reason}
    try:
        return compare_runs(earlier, run) | {"reason": ""}
    except CannotCompute as error:
        return {"reason": str(error)}


def draw_calibration(plan: Plan, figures: dict[str, Any]) -> list[dict[str, Any]]:
    """A calibration chart for each group of the plan's columns that has enough cases and scores; stored as SVG."""
    drawn = []
    for column in plan.group_columns:
        for group in _grouping(figures, column)["groups"]:
            bins = group.get("calibration") or []
            if not bins or not group["enough"] or len(drawn) >= MAX_CURVES:
                continue
            title = f"Calibration where {group['name']}, with 95 % intervals"
            digest = blobs.put(charts.calibration(bins, title=title).svg.encode(), area=AREA).digest
            drawn.append(
                {
                    "column": column,
                    "metric": "calibration",
                    "group": group["name"],
                    "title": title,
                    "digest": digest,
                }
            )
    return drawn


def _needs_scores(metric: str) -> bool:
    return bool(set(ALL_DISPARITIES[metric][1]) & SCORE_METRICS)


def _grouping(figures: dict[str, Any], column: str) -> dict[str, Any]:
    found: dict[str, Any] = next(g for g in figures["groupings"] if g["attributes"] == [column])
    return found


def judged(limit: dict[str, Any], figures: dict[str, Any]) -> dict[str, Any]:
    """One locked limit held against the report: the pair that decides, its value, interval and n, and the verdict."""
    kind, of, label = ALL_DISPARITIES[limit["metric"]]
    line: dict[str, Any] = {
        "id": limit["id"],
        "what": f"{label} by {limit['column']}",
        "metric": limit["metric"],
        "kind": kind,
        "column": limit["column"],
        "limit": limit["limit"],
        "rule": limit["rule"],
        "min_n": limit["min_n"],
        "value": "",
        "low": "",
        "high": "",
        "pair": [],
        "n": 0,
        "pair_n": [],
    }
    grouping = _grouping(figures, limit["column"])
    found = next(
        (
            each
            for each in grouping["limits"]
            if (each["metric"], each["limit"], each["rule"])
            == (limit["metric"], float(limit["limit"]), limit["rule"])
        ),
        None,
    )
    if found is None:
        sentence = f"Too little data to tell: {label} needs scores between 0 and 1, and the model gives none."
        return line | {"verdict": str(Verdict.UNDECIDED), "sentence": sentence}
    metric, pair = _deciding_pair(grouping, found, kind, of)
    if pair is not None:
        measured = pair[kind]
        groups = {group["name"]: group for group in grouping["groups"]}
        rests_on = [groups[name]["metrics"][metric]["n"] for name in (pair["a"], pair["b"])]
        line |= {
            "value": number(measured["value"]) or "",
            "low": number(measured["low"]) or "",
            "high": number(measured["high"]) or "",
            "pair": [pair["a"], pair["b"]],
            "n": sum(rests_on),
            "pair_n": rests_on,
        }
    return line | {"verdict": found["verdict"], "sentence": found["sentence"]}


def _deciding_pair(
    grouping: dict[str, Any], found: dict[str, Any], kind: str, of: tuple[str, ...]
) -> tuple[str, dict[str, Any] | None]:
    """(metric, pair) behind the verdict: of the pairs that decide, else of all, the one farthest from equality."""
    decisive = {tuple(each) for each in found["pairs"]}
    every = [
        (comparison["metric"], pair)
        for comparison in grouping["comparisons"]
        if comparison["metric"] in of
        for pair in comparison["pairs"]
        if pair[kind]["value"] is not None
    ]
    chosen = [(m, p) for m, p in every if (m, p["a"], p["b"]) in decisive] or every
    if not chosen:
        return of[0], None
    return max(chosen, key=lambda item: item[1]["difference"]["value"])


def overall(summary: list[dict[str, Any]]) -> str:
    """Breached if any limit is, else undecided if any is, else within; empty when the plan sets no limits."""
    found = {line["verdict"] for line in summary}
    return next((str(v) for v in (Verdict.BREACHED, Verdict.UNDECIDED, Verdict.WITHIN) if v in found), "")


def without_small_groups(
    line: dict[str, Any], figures: dict[str, Any], found: Apart | None = None
) -> dict[str, Any]:
    """A judged limit as it is signed, sent on and shown to everybody: no figure of a small group (`disclosure`)."""
    grouping = _grouping(figures, line["column"])
    names = disclosure.names_of(grouping, found.shut if found else disclosure.hidden_of(figures))
    sizes = {group["name"]: group["n"] for group in grouping["groups"]}
    # Of a group of few that was judged the sentence may say that it has no value.
    few = {name for name, n in sizes.items() if line["min_n"] <= n < disclosure.LEAST}
    if not names & {*line["pair"], *few}:
        return line
    made = line | dict.fromkeys(("value", "low", "high"), "") | {"pair": [], "n": 0, "pair_n": []}
    cases = found.cases if found else {}
    sizes |= {
        group["name"]: cases.get(disclosure.key_of(group), group["n"])
        for group in grouping["groups"]
        if group["name"] in names
    }
    small = [name for name, n in sizes.items() if n < line["min_n"]]
    return made | {"sentence": disclosure.coarse(line["verdict"], small)}


def failing_of(summary: list[dict[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """(column, metric) -> the groups that break a limit on it: the worse of the deciding pair."""
    failing: dict[tuple[str, str], set[str]] = {}
    for line in summary:
        for metric in ALL_DISPARITIES[line["metric"]][1]:
            if line["verdict"] == Verdict.BREACHED:
                higher, lower = line["pair"]
                failing.setdefault((line["column"], metric), set()).add(higher if metric in ERRORS else lower)
    return failing


def draw(
    plan: Plan,
    by_min_n: dict[int, dict[str, Any]],
    summary: list[dict[str, Any]],
    failing: dict[tuple[str, str], set[str]],
) -> list[dict[str, Any]]:
    """One forest plot per group column and metric that a limit judges, else of the selection rate; stored as SVG."""
    wanted: dict[tuple[str, str], int] = {}
    for line in summary:
        for metric in ALL_DISPARITIES[line["metric"]][1]:
            wanted.setdefault((line["column"], metric), line["min_n"])
    for column in plan.group_columns:
        if not any(column == c for c, _ in wanted):
            usual = "mean_error" if plan.task == Task.REGRESSION else DEFAULT_METRIC
            wanted[column, usual] = fairness.MIN_N
    drawn = []
    for (column, metric), min_n in wanted.items():
        grouping = _grouping(by_min_n[min_n], column)
        if metric not in grouping["groups"][0]["metrics"]:
            continue
        title = f"{label_of(metric)} by {column}, with 95 % intervals"
        marks = charts.marks(grouping, metric, min_n, sorted(failing.get((column, metric), ())))
        axis = f"{label_of(metric)} ({plan.target_unit})" if plan.target_unit else label_of(metric)
        svg = charts.forest(marks, title=title, axis=axis).svg
        digest = blobs.put(svg.encode(), area=AREA).digest
        drawn.append({"column": column, "metric": metric, "title": title, "digest": digest})
    return drawn


def drawn_for_all(
    drawn: list[dict[str, Any]],
    plan: Plan,
    by_min_n: dict[int, dict[str, Any]],
    summary: list[dict[str, Any]],
    failing: dict[tuple[str, str], set[str]],
    found: Apart,
) -> list[dict[str, Any]]:
    """The charts, each with `told` where something is hidden: the digest of the drawing without the figures of small
    groups, "" where none is left."""
    bare = {min_n: disclosure.told(each, found.shut, found.cases) for min_n, each in by_min_n.items()}
    if bare == by_min_n:
        return drawn
    again = draw(plan, bare, summary, failing) + draw_calibration(plan, bare[fairness.MIN_N])
    told = {(each["column"], each["metric"], each.get("group")): each["digest"] for each in again}
    return [
        each | {"told": told.get((each["column"], each["metric"], each.get("group")), "")} for each in drawn
    ]


def main_chart(drawn: list[dict[str, Any]], summary: list[dict[str, Any]]) -> str:
    """The digest of the chart that shows the worst verdict."""
    for verdict in (Verdict.BREACHED, Verdict.UNDECIDED, Verdict.WITHIN):
        for line in summary:
            for chart in drawn:
                shown = (line["column"], ALL_DISPARITIES[line["metric"]][1])
                if line["verdict"] == verdict and chart["column"] == shown[0] and chart["metric"] in shown[1]:
                    return _open(chart)
    return _open(drawn[0]) if drawn else ""


def _open(chart: dict[str, Any]) -> str:
    """The digest of a chart that everybody may see."""
    return str(chart.get("told", chart["digest"]))
