"""Two versions on the same cases: runs whose per-case results answer the same rows of the same test table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from apps.analysis import intervals, paired
from apps.analysis import pairedclasses as several
from apps.analysis.survey import Design
from apps.validations import cases as per_case
from apps.validations.failures import CannotCompute, in_words
from apps.validations.models import Plan, Run
from apps.validations.states import RUN_FACTS, PlanState, RunState, Task

MAX_ROWS = 500_000
BY_GROUP = ("selection_rate", "tpr", "fpr", "accuracy")
_FIRST, _SECOND, _FIRST_SCORE, _SECOND_SCORE = "first_said", "second_said", "first_score", "second_score"


def not_comparable(first: Run, second: Run) -> str:
    """Why two runs cannot be compared case by case, in one sentence; empty where they can."""
    if first.pk == second.pk:
        return "Choose two different runs."
    for run in (first, second):
        if run.state != RunState.DONE:
            return f"{run.ref} has no results. {RUN_FACTS[RunState(run.state)]}"
    a, b = first.plan, second.plan
    if a.version.model_id != b.version.model_id:
        return f"{first.ref} and {second.ref} belong to different models."
    if a.test_data.table_digest != b.test_data.table_digest:
        return f"{first.ref} was made on {a.test_data.ref} and {second.ref} on {b.test_data.ref}: not the same cases."
    if a.task != b.task:
        return f"{a.ref} and {b.ref} are about different tasks."
    if a.task == Task.REGRESSION:
        return (
            "Two regressions are not compared case by case: no paired method is computed for their errors. Each run "
            "has its own figures with intervals."
        )
    if a.task == Task.MULTICLASS:
        if (a.label_column, sorted(a.classes)) != (b.label_column, sorted(b.classes)):
            return f"{a.ref} and {b.ref} do not tell the same classes apart."
    elif (a.label_column, a.positive_value) != (b.label_column, b.positive_value):
        return f"{a.ref} and {b.ref} do not call the same outcome positive."
    if (a.test_data.row_count or 0) > MAX_ROWS:
        return f"More than {MAX_ROWS:,} cases are not compared on a page: use manage.py analyse compare."
    return ""


def compare_runs(first: Run, second: Run) -> dict[str, Any]:
    """The report of `analysis.paired` on both runs' stored cases, `groups` besides. Differences: second minus first.

    Each run's own locked threshold decides its predictions. `design` says by which unit and weight of the second
    run's plan the rows are counted. Raises `CannotCompute` with one sentence.
    """
    why = not_comparable(first, second)
    if why:
        raise CannotCompute(why)
    with in_words():
        one, two = (per_case.counted(per_case.read_cases_table(run.cases_digest)) for run in (first, second))
        left_out = len(one) + len(two)
        one, two = _counted_in_both(one, two)
        left_out -= len(one) + len(two)
        keys = _design(one, two, second.plan)
        if second.plan.task == Task.MULTICLASS:
            _refuse_other_cases(one, two)
            found = several.paired_metrics(
                two[per_case.LABEL].to_pylist(),
                one[per_case.PREDICTION].to_pylist(),
                two[per_case.PREDICTION].to_pylist(),
                list(second.plan.classes),
                _design_of(two, keys),
            )
            return found | _told(first, second, left_out) | {"groups": []}
        table = _side_by_side(one, two, keys)
        scored = _FIRST_SCORE in table.column_names
        found = paired.report(
            table,
            per_case.LABEL,
            _FIRST,
            _SECOND,
            first_score=_FIRST_SCORE if scored else None,
            second_score=_SECOND_SCORE if scored else None,
            **keys,  # type: ignore[arg-type]
        )
    shared = [name for name in second.plan.group_columns if name in two.column_names]
    told = _told(first, second, left_out)
    return (
        found
        | told
        | {
            "groups": [
                line for name in shared for line in _by_group(table, two[name].to_pylist(), name, keys)
            ],
        }
    )


def _told(first: Run, second: Run, left_out: int) -> dict[str, Any]:
    """Which runs are compared, and how; `left_out`, where one of them excluded cases that the other counts."""
    return ({"left_out": left_out} if left_out else {}) | {
        "first": {"run": first.ref, "version": first.plan.version.ref, "threshold": first.plan.threshold},
        "second": {"run": second.ref, "version": second.plan.version.ref, "threshold": second.plan.threshold},
        "test_data": second.plan.test_data.ref,
        "design": {"unit": second.plan.unit_column, "weight": second.plan.weight_column},
    }


def _counted_in_both(one: pa.Table, two: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The cases that neither run excluded: a case excluded in one alone cannot be paired."""
    both = np.intersect1d(one[per_case.ROW].to_numpy(), two[per_case.ROW].to_numpy())
    if len(both) == 0:
        raise CannotCompute("No case was counted in both runs.")
    kept = [t.filter(pa.array(np.isin(t[per_case.ROW].to_numpy(), both))) for t in (one, two)]
    return kept[0], kept[1]


def _refuse_other_cases(one: pa.Table, two: pa.Table) -> None:
    if not one[per_case.ROW].equals(two[per_case.ROW]) or not one[per_case.LABEL].equals(two[per_case.LABEL]):
        raise CannotCompute("The stored cases of the two runs are not the same rows with the same labels.")


def _design_of(table: pa.Table, keys: dict[str, str]) -> Design | None:
    """Weights and units of the rows; None where every row stands for itself."""
    if not keys:
        return None
    rows = len(table)
    weights = table[keys["weight"]].to_numpy() if "weight" in keys else np.ones(rows)
    units: Any = np.arange(rows)
    if "entity" in keys:
        told = table[keys["entity"]].to_numpy(zero_copy_only=False).astype(str)
        units = np.unique(told, return_inverse=True)[1]
    return Design(weights.astype(np.float64), units.astype(np.int64))


def _design(one: pa.Table, two: pa.Table, plan: Plan) -> dict[str, str]:
    """The unit and weight columns of the second run's plan, as far as its cases hold them."""
    return per_case.design_of(two, plan.unit_column, plan.weight_column)


def _side_by_side(one: pa.Table, two: pa.Table, keys: dict[str, str]) -> pa.Table:
    """Label, both predictions, both scores where both lie within 0 and 1, and what the design needs."""
    _refuse_other_cases(one, two)
    columns: dict[str, Any] = {
        per_case.LABEL: two[per_case.LABEL],
        _FIRST: one[per_case.PREDICTION],
        _SECOND: two[per_case.PREDICTION],
    }
    both = [t[per_case.SCORE].to_numpy() for t in (one, two) if per_case.SCORE in t.column_names]
    if len(both) == 2 and all(((s >= 0) & (s <= 1)).all() for s in both):
        columns |= {_FIRST_SCORE: pa.array(both[0]), _SECOND_SCORE: pa.array(both[1])}
    columns |= {name: two[name] for name in keys.values()}
    return pa.table(columns)


def _by_group(table: pa.Table, values: list[Any], column: str, keys: dict[str, str]) -> list[dict[str, Any]]:
    """Paired rates within each group: {"group", "metric", "n", "first", "second", "difference", "p"}."""
    names = np.array(["(missing)" if value is None else str(value) for value in values])
    y, p1, p2 = (table[name].to_numpy().astype(bool) for name in (per_case.LABEL, _FIRST, _SECOND))
    design = _design_of(table, keys)
    lines = []
    for name in sorted(set(names.tolist())):
        chosen = names == name
        part = None if design is None else design.take(chosen)
        for metric in BY_GROUP:
            found = paired.paired_rate(metric, y[chosen], p1[chosen], p2[chosen], part, intervals.LEVEL)
            lines.append({"group": f"{column} = {name}", "metric": metric, "n": int(chosen.sum()), **found})
    return lines


def replaced_run(run: Run) -> tuple[Run | None, str]:
    """(newest finished run, on the same cases, of the version this one was derived from; else why there is none)."""
    parent = run.plan.version.parent_id
    if parent is None:
        return None, "The version was not derived from another one."
    rows = (
        Run.objects.filter(
            plan__version_id=parent,
            plan__state=PlanState.LOCKED,
            state=RunState.DONE,
        )
        .select_related("plan__version__model", "plan__test_data__dataset")
        .order_by("-number")
    )
    reason = "The version it was derived from has no finished run."
    for found in rows:
        reason = not_comparable(found, run)
        if not reason:
            return found, ""
    return None, reason
