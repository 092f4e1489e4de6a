"""Runs of several classes and of a number: values as scikit-learn has them, the same bytes again, judged and kept."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from sklearn import metrics as oracle

from apps.core.jobs import run_queued
from apps.validations import cases as per_case
from apps.validations.acts import start_run
from apps.validations.models import Run
from apps.validations.stored import read_results
from tests.factories.tasks import CLASSES, tasked_world, trial_csv


def rows_of(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode())))


def stored(run) -> dict:
    return read_results(run.results_digest)


def value(estimate) -> float:
    return float(estimate["value"])


def test_several_classes_as_scikit_learn_has_them(world):
    run = tasked_world(world, "multiclass").run
    assert (run.state, run.failure, run.repeat_identical) == ("done", "", True)
    cases = per_case.read_cases_table(run.cases_digest)
    y = [row["grade"] for row in rows_of(trial_csv())]
    assert cases[per_case.LABEL].to_pylist() == y
    p = cases[per_case.PREDICTION].to_pylist()
    scores = np.column_stack([cases[f"case_score_{i}"].to_numpy() for i in (1, 2, 3)])
    assert p == [CLASSES[i] for i in scores.argmax(axis=1)]
    overall = stored(run)["report"]["overall"]
    found = {name: value(e) for name, e in overall["metrics"].items()}
    names = list(CLASSES)
    assert found["accuracy"] == pytest.approx(oracle.accuracy_score(y, p), abs=1e-12)
    assert found["balanced_accuracy"] == pytest.approx(oracle.balanced_accuracy_score(y, p), abs=1e-12)
    assert found["f1_macro"] == pytest.approx(oracle.f1_score(y, p, average="macro"), abs=1e-12)
    assert found["f1_weighted"] == pytest.approx(oracle.f1_score(y, p, average="weighted"), abs=1e-12)
    assert found["mcc"] == pytest.approx(oracle.matthews_corrcoef(y, p), abs=1e-12)
    order = np.argsort(names)
    normal = scores / scores.sum(axis=1, keepdims=True)
    assert found["log_loss"] == pytest.approx(
        oracle.log_loss(y, normal[:, order], labels=sorted(names)), abs=1e-9
    )
    assert overall["confusion"] == oracle.confusion_matrix(y, p, labels=names).tolist()
    for i, name in enumerate(names):
        one = overall["classes"][i]
        assert one["class"] == name
        assert value(one["metrics"]["tpr"]) == pytest.approx(
            oracle.recall_score(y, p, labels=[name], average=None)[0], abs=1e-12
        )
        assert value(one["metrics"]["ppv"]) == pytest.approx(
            oracle.precision_score(y, p, labels=[name], average=None)[0], abs=1e-12
        )
    judged = {r.criterion: r for r in run.results.all()}
    assert set(judged) == {"C1", "C2", "C3", "C4"}
    assert (judged["C2"].of_class, judged["C1"].of_class) == ("malignant", "")
    assert judged["C2"].sentence.startswith("Met: Class malignant: True positive rate (recall)")
    assert judged["C3"].n == 200
    assert {r.verdict for r in judged.values()} == {"met"}


def test_a_number_as_scikit_learn_has_it(world):
    run = tasked_world(world, "regression").run
    assert (run.state, run.failure, run.repeat_identical) == ("done", "", True)
    cases = per_case.read_cases_table(run.cases_digest)
    y = np.array([float(row["dose"]) for row in rows_of(trial_csv())])
    assert cases[per_case.LABEL].to_numpy() == pytest.approx(y, abs=0)
    p = cases[per_case.PREDICTION].to_numpy()
    results = stored(run)
    found = {name: value(e) for name, e in results["report"]["overall"]["metrics"].items()}
    assert found["mae"] == pytest.approx(oracle.mean_absolute_error(y, p), abs=1e-12)
    assert found["rmse"] == pytest.approx(oracle.root_mean_squared_error(y, p), abs=1e-12)
    assert found["r2"] == pytest.approx(oracle.r2_score(y, p), abs=1e-12)
    assert found["mean_error"] == pytest.approx((p - y).mean(), abs=1e-12)
    assert {r.criterion: r.verdict for r in run.results.all()} == dict.fromkeys(
        ("C1", "C2", "C3", "C4"), "met"
    )
    assert "at most 2 mg/L; found" in run.results.get(criterion="C1").sentence
    assert "mg/L" not in run.results.get(criterion="C2").sentence
    bands = results["observed"]["bands"]
    assert sum(b["n"] for b in bands) == 400
    assert min(b["n"] for b in bands) >= 20
    assert sum(results["observed"]["bars"]["counts"]) == 400


def test_a_number_from_skops_is_judged_as_one_from_onnx(world):
    run = tasked_world(world, "regression", kind="skops").run
    assert (run.state, run.failure, run.repeat_identical) == ("done", "", True)
    assert run.plan.version.artefact_format == "skops"
    found = per_case.read_cases_table(run.cases_digest)[per_case.PREDICTION].to_numpy()
    rows = rows_of(trial_csv())
    wanted = [12 + 3 * float(row["marker"]) + 0.05 * (float(row["age"]) - 50) for row in rows]
    assert found == pytest.approx(wanted, abs=1e-9)
    assert {r.verdict for r in run.results.all()} == {"met"}


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_the_same_bytes_again_and_the_gap_to_training(world, task):
    first = tasked_world(world, task).run
    again = start_run(world.validator, first.plan_id)
    run_queued()
    again = Run.objects.get(pk=again.pk)
    assert again.number != first.number
    assert (again.results_digest, again.cases_digest) == (first.results_digest, first.cases_digest)
    results = stored(first)
    wanted = {
        "multiclass": {"balanced_accuracy", "f1_macro", "accuracy"},
        "regression": {"mae", "rmse", "r2"},
    }
    assert {one["metric"] for one in results["gap"]["metrics"]} == wanted[task]
    kinds = {"multiclass": ["confusion"], "regression": ["observed", "errors"]}
    assert [chart["kind"] for chart in results["charts"]] == kinds[task]
