"""One validation run: the portal itself executes the frozen model on the vault set and judges the locked criteria.

Nothing is written here but content-addressed files; the record is written by the act that takes the outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from apps.analysis import intervals
from apps.analysis.errors import InputError
from apps.core import blobs
from apps.core.digests import plain
from apps.datasets.states import Partition
from apps.registry.models import Version
from apps.validations import cases as per_case
from apps.validations.answering import Scored, answered, reading, score
from apps.validations.catalogue import OF_GAP
from apps.validations.failures import CannotCompute, in_words
from apps.validations.figures import (
    against_replaced,
    bounded,
    coverage,
    drawn,
    excluded_of,
    judge,
    judged_exclusion,
    measure,
    observed_of,
    swept,
    undecided_of,
    worst_case,
)
from apps.validations.models import Plan, Run
from apps.validations.sandbox import SandboxError
from apps.validations.states import Task, Verdict
from apps.validations.stored import put_results
from apps.validations.telling import SECRET, without_small_groups

SCHEMA = "validations.results/1"
GAP_ROWS = 250_000
Report = Callable[[int, int, str], None]


def execute(run: Run, report: Report) -> dict[str, Any]:
    """Score twice, compute, judge, store. Returns the outcome that `finish_run` takes; raises `CannotCompute`."""
    plan = run.plan
    rows = plan.test_data.row_count or 0
    report(0, 2 * rows, "Checking the bytes of model and data")
    with in_words():
        model_path = blobs.checked_path(plan.version.artefact_digest)
        data_path = blobs.checked_path(plan.test_data.table_digest, area="vault")
        unit = plan.unit_column or plan.test_data.entity_column
        cases = per_case.read_cases(data_path, reading(plan, unit=unit, weight=plan.weight_column))
        first = score(
            plan, model_path, data_path, lambda done, _: report(done, 2 * rows, "Scoring the test cases")
        )
        second = score(
            plan,
            model_path,
            data_path,
            lambda done, _: report(rows + done, 2 * rows, "Scoring again, to compare"),
        )
        report(2 * rows, 2 * rows, "Computing metrics")
        found = answered(plan, cases, first)
        every_row, scored = found.cases, found.scored
        cases = per_case.counted(every_row)
        judged = per_case.decided_only(every_row)
        design = per_case.design_of(cases, plan.unit_column, plan.weight_column)
        about: dict[str, Any] = {
            "scored": scored,
            "design": design,
            "task": plan.task,
            "classes": plan.classes,
        }
        figures = measure(judged, plan.group_columns, **about)
        every = figures if plan.band is None else measure(cases, [], **about)
        left_open = undecided_of(cases, plan)
        sweep = swept(cases, plan) if scored and plan.task == Task.BINARY else {}
        seen = observed_of(plan, cases)
        charts = drawn(plan, every, sweep, seen)
    left_out = excluded_of(plan, every_row)
    worst = worst_case(plan, figures, left_out)
    judgements = [*bounded(judge(plan, figures, left_open), worst), *judged_exclusion(plan, left_out)]
    judgements, worst = (
        without_small_groups(lines, figures, left_open, left_out) for lines in (judgements, worst)
    )
    report(2 * rows, 2 * rows, "Comparing with the training data")
    results = {
        "schema": SCHEMA,
        "plan": plan.ref,
        "version": plan.version.ref,
        "artefact_digest": plan.version.artefact_digest,
        "test_table_digest": plan.test_data.table_digest,
        "scores_digest": first.digest,
        "repeat_identical": first.digest == second.digest,
        "threshold": plan.threshold,
        "labels_differing_from_threshold": found.differing,
        "scores_are_probabilities": scored,
        "warnings": [*found.warnings, *_repeated_units(plan, cases)],
        "coverage": coverage(rows, every_row),
        "report": figures,
        "undecided": left_open,
        "all_cases": every["overall"],
        "thresholds": sweep,
        "charts": charts,
        "judgements": judgements,
        "replaced": against_replaced(plan, judgements),
        "gap": training_gap(plan, model_path, every),
    }
    if plan.task != Task.BINARY:
        results |= {
            "task": plan.task,
            "classes": plan.classes,
            "target_unit": plan.target_unit,
            "observed": seen,
        }
    if left_out:
        results |= {"excluded": left_out, "worst_case": worst}
    report(2 * rows, 2 * rows, "Storing results")
    cases_digest = per_case.put_cases(every_row)
    results[SECRET] = per_case.secret_of(cases_digest)
    return {
        "results_digest": put_results(results),
        "cases_digest": cases_digest,
        "environment": plain(
            {"runtime": first.runtime, "isolation": first.isolation, "model": _model_facts(first)}
        ),
        "repeat_identical": first.digest == second.digest,
        "verdict": overall(judgements),
        "judgements": judgements,
    }


def _model_facts(scored: Scored) -> dict[str, Any]:
    said = asdict(scored.info)
    return {
        key: said[key] for key in ("format", "producer", "ir_version", "opset", "estimator", "classes")
    } | {"columns": list(scored.columns)}


def _repeated_units(plan: Plan, cases: pa.Table) -> list[str]:
    """What to say where one unit has several rows and the plan does not count by unit."""
    if plan.unit_column or per_case.UNIT not in cases.column_names:
        return []
    units = len(pc.unique(cases[per_case.UNIT]))
    if units == cases.num_rows:
        return []
    return [
        f"{cases.num_rows:,} rows belong to {units:,} units ({plan.test_data.entity_column}), and the plan takes rows "
        "as independent: the intervals are too narrow. A plan that names the unit column counts by unit."
    ]


def overall(judgements: list[dict[str, Any]]) -> str:
    """The run's verdict: not met if any criterion is not met, else undecided if any is, else met."""
    found = {one["verdict"] for one in judgements}
    return next((str(v) for v in (Verdict.NOT_MET, Verdict.UNDECIDED) if v in found), str(Verdict.MET))


def training_gap(plan: Plan, model_path: Path, figures: dict[str, Any]) -> dict[str, Any]:
    """The same metrics on the data the version was trained on, and how much better it is there (Annex 22 draft 7.1)."""
    used = _training_data(plan.version)
    if used is None:
        return {"data": "", "reason": "No training data version is declared."}
    if (used.row_count or 0) > GAP_ROWS:
        return {"data": used.ref, "reason": f"More than {GAP_ROWS:,} rows: not scored in a run."}
    try:
        path = blobs.checked_path(used.table_digest, area=used.area)
        cases = per_case.read_cases(path, reading(plan, groups=False))
        found = answered(plan, cases, score(plan, model_path, path, None))
        trained = measure(
            per_case.counted(found.cases), [], scored=found.scored, task=plan.task, classes=plan.classes
        )
    except (SandboxError, InputError, CannotCompute, blobs.BlobDamaged) as error:
        return {"data": used.ref, "reason": str(error)}
    gaps = []
    for metric in OF_GAP[Task(plan.task)]:
        train = trained["overall"]["metrics"].get(metric)
        test = figures["overall"]["metrics"].get(metric)
        if train and test and train["value"] is not None and test["value"] is not None:
            low, high = _gap_interval(train, test)
            gaps.append(
                {
                    "metric": metric,
                    "train": train["value"],
                    "train_n": train["n"],
                    "test": test["value"],
                    "test_n": test["n"],
                    "gap": train["value"] - test["value"],
                    "low": low,
                    "high": high,
                }
            )
    return {"data": used.ref, "reason": "", "metrics": gaps}


def _gap_interval(train: dict[str, Any], test: dict[str, Any]) -> tuple[float | None, float | None]:
    """95 % interval of training minus test, from the intervals of both (MOVER); none where one has none."""
    ends = [(one["value"], one["low"], one["high"]) for one in (train, test)]
    if any(end is None for one in ends for end in one):
        return None, None
    return intervals.mover(ends[0], ends[1])


def _training_data(version: Version) -> Any:
    link = (
        version.data.filter(dataset_version__partition=Partition.TRAIN)
        .select_related("dataset_version__dataset")
        .order_by("id")
        .first()
    )
    return link.dataset_version if link else None
