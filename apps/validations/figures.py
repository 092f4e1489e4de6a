"""What is measured in the per-case results of a run: figures, undecided share, thresholds, charts, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from apps.analysis import (
    charts,
    curves,
    fairness,
    intervals,
    performance,
    residuals,
    taskcharts,
    thresholds,
    undecided,
    verdicts,
)
from apps.analysis.errors import InputError
from apps.analysis.metrics import RATES, Estimate, none
from apps.analysis.survey import Design
from apps.core import blobs
from apps.core.digests import number
from apps.validations import cases as per_case
from apps.validations import exclusions
from apps.validations.catalogue import EXCLUDED, UNDECIDED, unit_of
from apps.validations.models import Plan
from apps.validations.rules import ALL, subgroup_values
from apps.validations.states import Task
from apps.validations.stored import AREA


def measure(
    cases: pa.Table,
    groups: list[str],
    *,
    scored: bool,
    design: dict[str, str] | None = None,
    task: str = Task.BINARY,
    classes: Sequence[str] = (),
) -> dict[str, Any]:
    """The performance of all cases, each group, and pairs of columns where they make few enough groups.

    Of two classes a report of `analysis.fairness`, without groups and for other tasks of `analysis.performance`.
    `design`: `cases.design_of`.
    """
    label, said = per_case.LABEL, per_case.PREDICTION
    if task != Task.BINARY:
        crossed = bool(groups) and may_cross(cases, groups)
        more: dict[str, Any] = {"groups": groups, "intersections": crossed, **(design or {})}
        if task == Task.MULTICLASS:
            columns = {name: f"{per_case.SCORE}_{i}" for i, name in enumerate(classes, start=1)}
            more |= {"names": classes, "scores": columns if scored else None}
        return performance.report(cases, label, said, task=task, **more)
    score_column = per_case.SCORE if scored else None
    if not groups:
        return performance.report(cases, label, said, score_column, **(design or {}))
    return fairness.report(
        cases,
        label,
        said,
        score_column,
        groups,
        intersections=may_cross(cases, groups),
        **(design or {}),  # type: ignore[arg-type]
    )


def may_cross(cases: pa.Table, groups: list[str]) -> bool:
    """Whether pairs of the group columns make few enough groups to be reported."""
    sizes = [len(pc.unique(cases[name])) for name in groups]
    return len(groups) > 1 and all(a * b <= fairness.MAX_GROUPS for a, b in combinations(sizes, 2))


def undecided_of(cases: pa.Table, plan: Plan) -> dict[str, Any]:
    """The undecided share of all cases and of each group, with the band; {} where the plan states none."""
    if plan.band is None:
        return {}
    flags = cases[per_case.UNDECIDED].to_numpy().astype(bool)
    design = None
    if keys := per_case.design_of(cases, plan.unit_column, plan.weight_column):
        rows = len(flags)
        weights = cases[per_case.WEIGHT].to_numpy() if "weight" in keys else np.ones(rows)
        units: Any = np.arange(rows)
        if "entity" in keys:
            units = np.unique(
                cases[per_case.UNIT].to_numpy(zero_copy_only=False).astype(str), return_inverse=True
            )[1]
        design = Design(weights.astype(np.float64), units.astype(np.int64))
    groups = {name: cases[name].to_pylist() for name in plan.group_columns}
    return {"from": plan.undecided_from, "to": plan.undecided_to} | undecided.report(flags, groups, design)


def judge(
    plan: Plan, figures: dict[str, Any], left_open: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """Each criterion and each baseline of the plan held against the figures, in the form of a `Result`.

    `left_open`: the report of the undecided share, where the plan states a band.
    """
    judged = [_judged(one, figures, left_open or {}, plan.target_unit) for one in plan.criteria]
    for one in plan.baselines:
        held = _judged(one | {"limit": one["value"], "min_n": 1}, figures, left_open or {}, plan.target_unit)
        rests = f" on {one['n']:,} cases" if one["n"] else ""
        held["sentence"] += f" The replaced process: {one['value']}{rests} ({one['source']})."
        judged.append(held)
    return judged


def _judged(
    one: dict[str, Any], figures: dict[str, Any], left_open: dict[str, Any], target_unit: str = ""
) -> dict[str, Any]:
    criterion = verdicts.Criterion(
        one["metric"],
        float(one["limit"]),
        one["direction"],
        one["rule"],
        one["min_n"],
        subgroup_values(one["subgroup"]),
        one.get("class", ""),
        unit_of(one["metric"], target_unit),
    )
    source = left_open if one["metric"] == UNDECIDED else figures
    try:
        estimate = verdicts.find(source, criterion.metric, criterion.subgroup, criterion.of_class)
        judgement = verdicts.judge(criterion, estimate)
    except (InputError, KeyError) as error:
        estimate = none(0, str(error))
        judgement = verdicts.Judgement(verdicts.UNDECIDED, f"Cannot be judged: {error}", None)
    return {
        "criterion": one["id"],
        "metric": one["metric"],
        **({"of_class": criterion.of_class} if criterion.of_class else {}),
        "subgroup": one["subgroup"],
        "n": estimate.n,
        "value": number(estimate.value) or "",
        "low": number(estimate.low) or "",
        "high": number(estimate.high) or "",
        "method": estimate.method[:60],
        "limit": one["limit"],
        "direction": one["direction"],
        "rule": one["rule"],
        "verdict": judgement.verdict,
        "sentence": judgement.sentence,
    }


def against_replaced(plan: Plan, judgements: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Per baseline the difference model minus replaced process; with an interval for a rate whose n is known."""
    found = {one["criterion"]: one for one in judgements}
    lines = []
    for one in plan.baselines:
        held, line = found[one["id"]], {**one, "found": "", "difference": "", "low": "", "high": ""}
        if held["value"]:
            before, after = float(one["value"]), float(held["value"])
            line |= {"found": held["value"], "difference": number(after - before)}
            if one["n"] and (one["metric"] in RATES or one["metric"] == UNDECIDED) and held["low"]:
                wilson = intervals.wilson(before * one["n"], one["n"])
                low, high = intervals.mover(
                    (after, float(held["low"]), float(held["high"])), (before, *wilson)
                )
                line |= {"low": number(low), "high": number(high)}
        lines.append(line)
    return lines


def swept(cases: pa.Table, plan: Plan) -> dict[str, Any]:
    """The threshold sweep with the locked threshold among its points; {} where that is no probability."""
    locked = float(plan.threshold)
    if not 0 <= locked <= 1:
        return {}
    keys = per_case.design_of(cases, plan.unit_column, plan.weight_column)
    return thresholds.report(cases, per_case.LABEL, per_case.SCORE, locked=locked, **keys)  # type: ignore[arg-type]


def drawn(
    plan: Plan, figures: dict[str, Any], sweep: dict[str, Any], seen: dict[str, Any] | None = None
) -> list[dict[str, Any]]:
    """The charts of a run by its task, stored as SVG: {"kind", "title", "digest"}. `seen`: `observed_of`."""
    made = []
    bins = figures["overall"].get("calibration") or []
    if bins:
        title = "Calibration: observed rate against mean score, with 95 % intervals"
        made.append(("calibration", title, charts.calibration(bins, title=title).svg))
    if sweep:
        title = "Rates at every threshold, with 95 % intervals; the locked threshold is marked"
        drawing = curves.sweep(sweep["points"], title=title, locked=float(plan.threshold), band=plan.band)
        made.append(("thresholds", title, drawing.svg))
    if plan.task == Task.MULTICLASS and len(plan.classes) <= taskcharts.MAX_DRAWN:
        title = "Labels in rows, predictions in columns; circles are right, squares wrong, sized by share of the label"
        counts = figures["overall"]["confusion"]
        made.append(("confusion", title, taskcharts.confusion(plan.classes, counts, title=title).svg))
    if seen:
        title = "Mean observed against mean predicted value in bands of equal size, with 95 % intervals"
        drawing = taskcharts.observed(seen["bands"], title=title, unit=plan.target_unit)
        made.append(("observed", title, drawing.svg))
        title = "Errors, predicted minus true: mean of each band with 95 % interval, and how often each size occurs"
        drawing = taskcharts.errors(seen["bands"], seen["bars"], title=title, unit=plan.target_unit)
        made.append(("errors", title, drawing.svg))
    return [
        {"kind": kind, "title": title, "digest": blobs.put(svg.encode(), area=AREA).digest}
        for kind, title, svg in made
    ]


def observed_of(plan: Plan, cases: pa.Table) -> dict[str, Any]:
    """Of a regression its bands and bars (`analysis.residuals`), which tell no single case; {} of other tasks."""
    if plan.task != Task.REGRESSION:
        return {}
    truth, said = (
        cases[name].to_numpy().astype(np.float64) for name in (per_case.LABEL, per_case.PREDICTION)
    )
    return {"bands": residuals.bands(truth, said), "bars": residuals.bars(truth, said)}


def excluded_of(plan: Plan, cases: pa.Table) -> dict[str, Any]:
    """How many cases are excluded and why, overall and by group; {} where the plan excludes none.

    Shape: {"max_share", "n", "rows", "share", "reasons": [{"reason", "n"}], "groups": [{"column", "value", "rows",
    "n"}]}.
    """
    if per_case.EXCLUDED not in cases.column_names:
        return {}
    reasons = cases[per_case.EXCLUDED].to_pylist()
    left = np.array([reason is not None for reason in reasons])
    groups = []
    for column in plan.group_columns:
        values = np.array([value or "" for value in cases[column].to_pylist()], dtype=object)
        for value in sorted(set(values.tolist())):
            chosen = values == value
            groups.append(
                {"column": column, "value": value, "rows": int(chosen.sum()), "n": int(left[chosen].sum())}
            )
    return {
        "max_share": plan.max_excluded,
        "n": int(left.sum()),
        "rows": len(reasons),
        "share": float(left.mean()),
        "reasons": exclusions.by_reason(reasons),
        "groups": groups,
    }


def judged_exclusion(plan: Plan, found: dict[str, Any]) -> list[dict[str, Any]]:
    """The share of excluded cases held against the locked maximum, in the form of a `Result`; [] without the rule."""
    if not found:
        return []
    n, rows = found["n"], found["rows"]
    estimate = Estimate(n / rows, *intervals.wilson(n, rows), rows, "wilson")
    judgement = verdicts.judge(verdicts.Criterion(EXCLUDED, float(plan.max_excluded), "max"), estimate)
    reasons = "; ".join(f"{one['reason']} in {one['n']:,}" for one in found["reasons"])
    told = f" {n:,} of {rows:,} cases: {reasons}." if n else " No case was excluded."
    return [
        {
            "criterion": EXCLUDED,
            "metric": EXCLUDED,
            "subgroup": ALL,
            "n": rows,
            "value": number(estimate.value) or "",
            "low": number(estimate.low) or "",
            "high": number(estimate.high) or "",
            "method": estimate.method,
            "limit": plan.max_excluded,
            "direction": "max",
            "rule": "point",
            "verdict": judgement.verdict,
            "sentence": judgement.sentence + told,
        }
    ]


def worst_case(plan: Plan, figures: dict[str, Any], found: dict[str, Any]) -> list[dict[str, Any]]:
    """Per criterion and baseline what it would be had every excluded case gone wrong; [] where none was excluded.

    Each: {"id", "metric", "class", "subgroup", "excluded", "value" or "", "limit", "direction", "kept", "reason"}.
    """
    if not found or not found["n"]:
        return []
    lines = []
    for one in (*plan.criteria, *plan.baselines):
        values, limit = subgroup_values(one["subgroup"]), one.get("limit", one.get("value", ""))
        left = found["n"]
        for column, value in values.items():
            left = next(
                (g["n"] for g in found["groups"] if (g["column"], g["value"]) == (column, value)), found["n"]
            )
        line = {
            "id": one["id"],
            "metric": one["metric"],
            "class": one.get("class", ""),
            "subgroup": one["subgroup"],
            "excluded": left,
            "value": "",
            "limit": limit,
            "direction": one["direction"],
            "kept": None,
            "reason": "",
        }
        if plan.weight_column:
            line["reason"] = "rows are weighted: no bound is computed"
        else:
            group = verdicts.group_of(figures, values)
            value, line["reason"] = (
                (None, "the group has no counted case")
                if group is None
                else exclusions.worst(one["metric"], group, left, of_class=one.get("class", ""))
            )
            if value is not None:
                kept = value >= float(limit) if one["direction"] == "min" else value <= float(limit)
                line |= {"value": number(value) or "", "kept": kept}
        lines.append(line)
    return lines


def bounded(judged: list[dict[str, Any]], worst: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`judged` of `judge`, where cases were excluded: met only where it stays so had all of them gone wrong.

    The model itself decides for which cases it gives no usable answer, so leaving them out must never be what meets a
    criterion. `worst`: the lines of `worst_case`, in the same order; [] changes nothing.
    """
    for one, line in zip(judged, worst, strict=True) if worst else ():
        if one["verdict"] != verdicts.MET or line["kept"] or not line["excluded"]:
            continue
        why = line["reason"] or f"it would be {line['value']}, against the limit"
        one["verdict"] = verdicts.UNDECIDED
        one["sentence"] += (
            f" Cannot be judged as met: {line['excluded']:,} of its cases were excluded, and had all of them gone "
            f"wrong: {why}."
        )
    return judged


def coverage(rows: int, cases: pa.Table) -> dict[str, Any]:
    """Every row of the test set is scored, or excluded with a reason, or the run fails: `rows`, `scored`, `excluded`;
    `undecided` of those scored. `cases`: every row."""
    if per_case.EXCLUDED in cases.column_names:
        reasons = exclusions.by_reason(cases[per_case.EXCLUDED].to_pylist())
        cases = per_case.counted(cases)
        left = (
            int(pc.sum(cases[per_case.UNDECIDED]).as_py()) if per_case.UNDECIDED in cases.column_names else 0
        )
        return {"rows": rows, "scored": cases.num_rows, "excluded": reasons, "undecided": left}
    left = int(pc.sum(cases[per_case.UNDECIDED]).as_py()) if per_case.UNDECIDED in cases.column_names else 0
    return {
        "rows": rows,
        "scored": cases.num_rows,
        "excluded": []
        if rows == cases.num_rows
        else [{"reason": "not answered", "n": rows - cases.num_rows}],
        "undecided": left,
    }
