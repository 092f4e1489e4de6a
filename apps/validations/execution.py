"""One validation run: the portal itself executes the frozen model on the vault set and judges the locked criteria.

Nothing is written here but content-addressed files; the record is written by the act that takes the outcome.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa

from apps.analysis import fairness, intervals, performance, verdicts
from apps.analysis.errors import InputError
from apps.analysis.metrics import none
from apps.core import blobs
from apps.core.digests import number, plain
from apps.datasets.states import Partition
from apps.registry.models import Version
from apps.validations import cases as per_case
from apps.validations.failures import CannotCompute, in_words
from apps.validations.models import Plan, Run
from apps.validations.rules import subgroup_values
from apps.validations.sandbox import SandboxError, ScoreResult, score
from apps.validations.states import Verdict
from apps.validations.stored import put_results

SCHEMA = "validations.results/1"
GAP_METRICS = ("auc", "balanced_accuracy", "accuracy")
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
        cases = per_case.labelled(
            data_path,
            plan.label_column,
            plan.positive_value,
            plan.group_columns,
            plan.test_data.entity_column,
        )
        first = _score(
            plan, model_path, data_path, lambda done, _: report(done, 2 * rows, "Scoring the test cases")
        )
        second = _score(
            plan,
            model_path,
            data_path,
            lambda done, _: report(rows + done, 2 * rows, "Scoring again, to compare"),
        )
        report(2 * rows, 2 * rows, "Computing metrics")
        decided, differing = per_case.predictions(first, float(plan.threshold))
        scored = per_case.is_probability(first)
        cases = per_case.with_answers(cases, first, decided)
        figures = measure(cases, plan.group_columns if cases.num_rows else [], scored=scored)
    judgements = judge(plan, figures)
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
        "labels_differing_from_threshold": differing,
        "scores_are_probabilities": scored,
        "warnings": list(first.warnings),
        "report": figures,
        "judgements": judgements,
        "gap": training_gap(plan, model_path, figures),
    }
    report(2 * rows, 2 * rows, "Storing results")
    return {
        "results_digest": put_results(results),
        "cases_digest": per_case.put_cases(cases),
        "environment": plain(
            {"runtime": first.runtime, "isolation": first.isolation, "model": _model_facts(first)}
        ),
        "repeat_identical": first.digest == second.digest,
        "verdict": overall(judgements),
        "judgements": judgements,
    }


def _score(
    plan: Plan, model_path: Path, data_path: Path, progress: Callable[[int, int], None] | None
) -> ScoreResult:
    return score(
        model_path,
        plan.version.artefact_format,
        data_path,
        features=list(plan.version.features) or None,
        positive=plan.positive_value,
        threshold=float(plan.threshold),
        progress=progress,
    )


def _model_facts(scored: ScoreResult) -> dict[str, Any]:
    said = asdict(scored.info)
    return {
        key: said[key] for key in ("format", "producer", "ir_version", "opset", "estimator", "classes")
    } | {"columns": list(scored.columns)}


def measure(cases: pa.Table, groups: list[str], *, scored: bool) -> dict[str, Any]:
    """The performance of all cases and of each group: a report of `analysis.fairness` or `analysis.performance`."""
    score_column = per_case.SCORE if scored else None
    if groups:
        return fairness.report(cases, per_case.LABEL, per_case.PREDICTION, score_column, groups)
    return performance.report(cases, per_case.LABEL, per_case.PREDICTION, score_column)


def judge(plan: Plan, figures: dict[str, Any]) -> list[dict[str, Any]]:
    """Each criterion of the plan held against the figures, in the form of a `Result`."""
    judged = []
    for one in plan.criteria:
        criterion = verdicts.Criterion(
            one["metric"],
            float(one["limit"]),
            one["direction"],
            one["rule"],
            one["min_n"],
            subgroup_values(one["subgroup"]),
        )
        try:
            estimate = verdicts.find(figures, criterion.metric, criterion.subgroup)
            judgement = verdicts.judge(criterion, estimate)
        except InputError as error:
            estimate = none(0, str(error))
            judgement = verdicts.Judgement(verdicts.UNDECIDED, f"Cannot be judged: {error}", None)
        judged.append(
            {
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
        )
    return judged


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
        cases = per_case.labelled(path, plan.label_column, plan.positive_value, [])
        answers = _score(plan, model_path, path, None)
        decided, _ = per_case.predictions(answers, float(plan.threshold))
        scored = per_case.is_probability(answers)
        trained = measure(per_case.with_answers(cases, answers, decided), [], scored=scored)
    except (SandboxError, InputError, CannotCompute, blobs.BlobDamaged) as error:
        return {"data": used.ref, "reason": str(error)}
    gaps = []
    for metric in GAP_METRICS:
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
