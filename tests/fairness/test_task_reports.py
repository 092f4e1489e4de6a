"""Bias reports of several classes (one against the rest) and of a number (errors of each group)."""

from __future__ import annotations

import numpy as np
import pytest

from apps.core.errors import WrongState
from apps.core.jobs import run_queued
from apps.fairness.acts import request_precondition, request_report
from apps.fairness.models import Report
from apps.validations import cases as per_case
from apps.validations.models import Run
from apps.validations.stored import read_results
from tests.factories.tasks import tasked_world


def reported(world, evidence) -> Report:
    made = request_report(world.bias_tester, evidence.run.pk)
    run_queued()
    return Report.objects.get(pk=made.pk)


def figures(report, column: str) -> dict:
    groupings = read_results(report.results_digest)["report"]["groupings"]
    found = next(g for g in groupings if g["attributes"] == [column])
    return found | {"groups": {g["name"]: g for g in found["groups"]}}


def test_one_class_against_the_rest(world):
    evidence = tasked_world(world, "multiclass")
    report = reported(world, evidence)
    assert (report.state, report.failure, report.verdict) == ("done", "", "within")
    cases = per_case.read_cases_table(evidence.run.cases_digest)
    sex, y, p = (np.array(cases[name].to_pylist()) for name in ("sex", per_case.LABEL, per_case.PREDICTION))
    for name in ("female", "male"):
        chosen = (sex == name) & (y == "malignant")
        found = figures(report, "sex")["groups"][f"sex = {name}"]["metrics"]["tpr"]
        assert found["n"] == chosen.sum()
        assert float(found["value"]) == pytest.approx((p[chosen] == "malignant").mean(), abs=1e-12)


def test_an_earlier_plan_of_several_classes_without_one_to_compare_on(world):
    evidence = tasked_world(world, "multiclass")
    run = Run.objects.select_related("plan").get(pk=evidence.run.pk)
    run.plan.positive_value = ""  # as plans could be locked before
    with pytest.raises(WrongState) as refused:
        request_precondition(run)
    assert "names none that groups are compared on" in refused.value.fact
    assert "names the class" in refused.value.who[0]


def test_errors_of_a_number_by_group(world):
    limits = [
        {"id": "F1", "metric": "mean_error_difference", "column": "sex", "limit": "1", "rule": "near"},
        {"id": "F2", "metric": "mae_difference", "column": "sex", "limit": "0", "rule": "point"},
    ]
    evidence = tasked_world(world, "regression", bias_limits=limits)
    report = reported(world, evidence)
    assert (report.state, report.failure) == ("done", "")
    assert {line["id"]: line["verdict"] for line in report.summary} == {"F1": "within", "F2": "breached"}
    cases = per_case.read_cases_table(evidence.run.cases_digest)
    sex = np.array(cases["sex"].to_pylist())
    off = cases[per_case.PREDICTION].to_numpy() - cases[per_case.LABEL].to_numpy()
    mean = {name: off[sex == name].mean() for name in ("female", "male")}
    grouping = figures(report, "sex")
    for name, value in mean.items():
        assert float(grouping["groups"][f"sex = {name}"]["metrics"]["mean_error"]["value"]) == pytest.approx(
            value, abs=1e-12
        )
    line = next(line for line in report.summary if line["id"] == "F1")
    error = np.sqrt(sum(off[sex == name].var(ddof=1) / (sex == name).sum() for name in mean))
    assert float(line["value"]) == pytest.approx(abs(mean["female"] - mean["male"]), abs=1e-9)
    assert float(line["high"]) - float(line["low"]) == pytest.approx(2 * 1.959963984540054 * error, rel=1e-9)
    assert report.cells_digest == ""
