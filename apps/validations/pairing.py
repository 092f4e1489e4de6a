"""Two versions on the same cases: runs whose per-case results answer the same rows of the same test table."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyarrow as pa

from apps.analysis import paired, pairedtasks
from apps.validations import cases as per_case
from apps.validations.failures import CannotCompute, in_words
from apps.validations.models import Run
from apps.validations.states import RUN_FACTS, PlanState, RunState, Task

MAX_ROWS = 500_000
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
        if (a.label_column, a.target_unit) != (b.label_column, b.target_unit):
            return f"{a.ref} and {b.ref} do not predict the same number in the same unit."
    elif a.task == Task.MULTICLASS:
        if (a.label_column, sorted(a.classes)) != (b.label_column, sorted(b.classes)):
            return f"{a.ref} and {b.ref} do not tell the same classes apart."
    elif (a.label_column, a.positive_value) != (b.label_column, b.positive_value):
        return f"{a.ref} and {b.ref} do not call the same outcome positive."
    if (a.test_data.row_count or 0) > MAX_ROWS:
        return f"More than {MAX_ROWS:,} cases are not compared on a page: use manage.py analyse compare."
    return ""


def compare_runs(first: Run, second: Run) -> dict[str, Any]:
    """The report of `analysis.paired` or `analysis.pairedtasks` on both runs' stored cases, `groups` besides.

    Differences: second minus first. Each run's own locked threshold decides its predictions. `design` says by which
    unit and weight of the second run's plan the rows are counted, `unit` of what a regression is. Raises
    `CannotCompute` with one sentence.
    """
    why = not_comparable(first, second)
    if why:
        raise CannotCompute(why)
    with in_words():
        one, two = (per_case.counted(per_case.read_cases_table(run.cases_digest)) for run in (first, second))
        left_out = len(one) + len(two)
        one, two = _counted_in_both(one, two)
        left_out -= len(one) + len(two)
        plan = second.plan
        keys = per_case.design_of(two, plan.unit_column, plan.weight_column)
        groups = [name for name in plan.group_columns if name in two.column_names]
        table = _side_by_side(one, two, {*keys.values(), *groups})
        if plan.task == Task.BINARY:
            scored = _FIRST_SCORE in table.column_names
            found = paired.report(
                table,
                per_case.LABEL,
                _FIRST,
                _SECOND,
                first_score=_FIRST_SCORE if scored else None,
                second_score=_SECOND_SCORE if scored else None,
                groups=groups,
                **keys,  # type: ignore[arg-type]
            )
        else:
            found = pairedtasks.report(
                table,
                per_case.LABEL,
                _FIRST,
                _SECOND,
                task=str(plan.task),
                names=list(plan.classes),
                groups=groups,
                **keys,  # type: ignore[arg-type]
            )
    return found | _told(first, second, left_out) | {"groups": found.get("groups", [])}


def _told(first: Run, second: Run, left_out: int) -> dict[str, Any]:
    """Which runs are compared, and how; `left_out`, where one of them excluded cases that the other counts."""
    besides = {"left_out": left_out, "unit": second.plan.target_unit}
    return {name: value for name, value in besides.items() if value} | {
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


def _side_by_side(one: pa.Table, two: pa.Table, more: set[str]) -> pa.Table:
    """Label, both predictions, both scores of two classes where both lie within 0 and 1, and the columns `more`."""
    if not one[per_case.ROW].equals(two[per_case.ROW]) or not one[per_case.LABEL].equals(two[per_case.LABEL]):
        raise CannotCompute("The stored cases of the two runs are not the same rows with the same labels.")
    columns: dict[str, Any] = {
        per_case.LABEL: two[per_case.LABEL],
        _FIRST: one[per_case.PREDICTION],
        _SECOND: two[per_case.PREDICTION],
    }
    both = [t[per_case.SCORE].to_numpy() for t in (one, two) if per_case.SCORE in t.column_names]
    if len(both) == 2 and all(((s >= 0) & (s <= 1)).all() for s in both):
        columns |= {_FIRST_SCORE: pa.array(both[0]), _SECOND_SCORE: pa.array(both[1])}
    columns |= {name: two[name] for name in sorted(more)}
    return pa.table(columns)


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
