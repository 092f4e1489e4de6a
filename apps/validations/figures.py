"""What is measured in the per-case results of a run: figures, undecided share, thresholds, charts, coverage."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from apps.analysis import charts, curves, fairness, intervals, performance, thresholds, undecided, verdicts
from apps.analysis.errors import InputError
from apps.analysis.metrics import RATES, none
from apps.analysis.survey import Design
from apps.core import blobs
from apps.core.digests import number
from apps.validations import cases as per_case
from apps.validations.models import Plan
from apps.validations.plan_parts import UNDECIDED
from apps.validations.rules import subgroup_values
from apps.validations.stored import AREA


def measure(
    cases: pa.Table, groups: list[str], *, scored: bool, design: dict[str, str] | None = None
) -> dict[str, Any]:
    """The performance of all cases, each group, and pairs of columns where they make few enough groups.

    A report of `analysis.fairness`, without groups of `analysis.performance`. `design`: `cases.design_of`.
    """
    score_column = per_case.SCORE if scored else None
    if not groups:
        return performance.report(cases, per_case.LABEL, per_case.PREDICTION, score_column, **(design or {}))
    return fairness.report(
        cases,
        per_case.LABEL,
        per_case.PREDICTION,
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
    judged = [_judged(one, figures, left_open or {}) for one in plan.criteria]
    for one in plan.baselines:
        held = _judged(one | {"limit": one["value"], "min_n": 1}, figures, left_open or {})
        rests = f" on {one['n']:,} cases" if one["n"] else ""
        held["sentence"] += f" The replaced process: {one['value']}{rests} ({one['source']})."
        judged.append(held)
    return judged


def _judged(one: dict[str, Any], figures: dict[str, Any], left_open: dict[str, Any]) -> dict[str, Any]:
    criterion = verdicts.Criterion(
        one["metric"],
        float(one["limit"]),
        one["direction"],
        one["rule"],
        one["min_n"],
        subgroup_values(one["subgroup"]),
    )
    source = left_open if one["metric"] == UNDECIDED else figures
    try:
        estimate = verdicts.find(source, criterion.metric, criterion.subgroup)
        judgement = verdicts.judge(criterion, estimate)
    except (InputError, KeyError) as error:
        estimate = none(0, str(error))
        judgement = verdicts.Judgement(verdicts.UNDECIDED, f"Cannot be judged: {error}", None)
    return {
        "criterion": one["id"],
        "metric": one["metric"],
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


def drawn(plan: Plan, figures: dict[str, Any], sweep: dict[str, Any]) -> list[dict[str, Any]]:
    """Calibration and threshold chart, stored as SVG: {"kind", "title", "digest"}."""
    made = []
    bins = figures["overall"].get("calibration") or []
    if bins:
        title = "Calibration: observed rate against mean score, with 95 % intervals"
        made.append(("calibration", title, charts.calibration(bins, title=title).svg))
    if sweep:
        title = "Rates at every threshold, with 95 % intervals; the locked threshold is marked"
        drawing = curves.sweep(sweep["points"], title=title, locked=float(plan.threshold), band=plan.band)
        made.append(("thresholds", title, drawing.svg))
    return [
        {"kind": kind, "title": title, "digest": blobs.put(svg.encode(), area=AREA).digest}
        for kind, title, svg in made
    ]


def coverage(rows: int, cases: pa.Table) -> dict[str, Any]:
    """Every row of the test set is scored, or the run fails: `rows`, `scored`, `excluded`; `undecided` of them."""
    left = int(pc.sum(cases[per_case.UNDECIDED]).as_py()) if per_case.UNDECIDED in cases.column_names else 0
    return {
        "rows": rows,
        "scored": cases.num_rows,
        "excluded": []
        if rows == cases.num_rows
        else [{"reason": "not answered", "n": rows - cases.num_rows}],
        "undecided": left,
    }
