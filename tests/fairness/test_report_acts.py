"""Bias reports: asked for, computed on stored cases, judged against the locked limits, computed again to the bit."""

from __future__ import annotations

import csv
import io
import itertools

import numpy as np
import pytest
from fairlearn.metrics import (
    MetricFrame,
    count,
    demographic_parity_difference,
    demographic_parity_ratio,
    equalized_odds_difference,
    equalized_odds_ratio,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score, precision_score, roc_auc_score

from apps.access.acts import end_assignment
from apps.access.models import Assignment
from apps.core import blobs, jobs
from apps.core.errors import Conflict, NotAllowed, NotVisible, WrongState
from apps.fairness import queries, work
from apps.fairness.acts import finish_report, request_report
from apps.fairness.computing import compute
from apps.fairness.export import as_csv
from apps.fairness.models import Report
from apps.quality.acts import accept_deviation
from apps.quality.models import Deviation
from apps.trail.models import Entry
from apps.validations.acts import start_run
from apps.validations.cases import read_cases_table
from tests.cast import give
from tests.factories.evidence import BIAS_LIMITS, done_report, signed, validated_world

pytestmark = pytest.mark.evidence("run")


@pytest.fixture
def tested(world):
    return validated_world(world, until="run")


def group_metrics(results: dict, attribute: list[str]) -> dict[str, dict]:
    grouping = next(g for g in results["report"]["groupings"] if g["attributes"] == attribute)
    return {group["values"][0][1]: group["metrics"] for group in grouping["groups"]}


def test_a_report_is_computed_by_the_worker_and_kept(world, tested):
    report = done_report(world, tested.run)
    assert (report.state, report.verdict, report.ref) == ("done", "within", f"B-{report.number}")
    assert [line["id"] for line in report.summary] == ["F1", "F2"]
    assert report.summary[0]["pair"] == ["sex = female", "sex = male"]
    assert report.summary[0]["n"] == sum(report.summary[0]["pair_n"])
    page = queries.report_page(world.author, report.pk)
    assert page.job.state == "done"
    assert report.chart_digest in {chart["digest"] for chart in page.charts}
    assert {chart["column"] for chart in page.charts} == {"sex", "site"}
    assert page.charts[0]["svg"].startswith("<svg")
    assert {tuple(g["attributes"]) for g in page.results["report"]["groupings"]} == {
        ("sex",),
        ("site",),
        ("sex", "site"),
    }
    entry = Entry.objects.filter(act="fairness.finish_report").latest("id")
    assert (entry.actor_name, entry.on_behalf_name) == ("Countersign worker", "Bias Tester Person")
    assert not Deviation.objects.exists()


@pytest.mark.parametrize("column", ["sex", "site"])
def test_values_equal_fairlearn_to_nine_decimals(world, tested, column):
    report = done_report(world, tested.run)
    results = queries.results_of(report)
    cases = read_cases_table(tested.run.cases_digest)
    y, p = cases["case_label"].to_numpy(), cases["case_prediction"].to_numpy()
    groups = np.array(cases[column].to_pylist())
    oracle = MetricFrame(
        metrics={
            "selection_rate": selection_rate,
            "tpr": true_positive_rate,
            "fpr": false_positive_rate,
            "tnr": true_negative_rate,
            "fnr": false_negative_rate,
            "accuracy": accuracy_score,
            "ppv": precision_score,
            "n": count,
        },
        y_true=y,
        y_pred=p,
        sensitive_features=groups,
    ).by_group
    ours = group_metrics(results, [column])
    assert set(ours) == set(oracle.index)
    for group, metric in itertools.product(oracle.index, oracle.columns.drop("n")):
        assert float(ours[group][metric]["value"]) == pytest.approx(oracle.loc[group, metric], abs=1e-9)
    for group in oracle.index:
        at = groups == group
        auc = roc_auc_score(y[at], cases["case_score"].to_numpy()[at])
        assert float(ours[group]["auc"]["value"]) == pytest.approx(auc, abs=1e-9)
        assert ours[group]["accuracy"]["n"] == oracle.loc[group, "n"]
    grouping = next(g for g in results["report"]["groupings"] if g["attributes"] == [column])
    found = {d["metric"]: float(d["value"]) for d in grouping["disparities"] if d["value"] is not None}
    for name, function in {
        "demographic_parity_difference": demographic_parity_difference,
        "demographic_parity_ratio": demographic_parity_ratio,
        "equalised_odds_difference": equalized_odds_difference,
        "equalised_odds_ratio": equalized_odds_ratio,
    }.items():
        assert found[name] == pytest.approx(function(y, p, sensitive_features=groups), abs=1e-9)


def test_run_again_is_a_new_report_with_the_same_digests(world, tested):
    first, second = done_report(world, tested.run), done_report(world, tested.run)
    assert second.number == first.number + 1
    for name in ("results_digest", "cells_digest", "chart_digest", "summary", "verdict"):
        assert getattr(first, name) == getattr(second, name)


@pytest.fixture
def breached(world):
    limits = [
        BIAS_LIMITS[0] | {"id": "F1", "limit": "0", "rule": "point"},
        {
            "id": "F2",
            "metric": "demographic_parity_difference",
            "column": "sex",
            "limit": "0.01",
            "rule": "far",
        },
        BIAS_LIMITS[1] | {"id": "F3"},
    ]
    return validated_world(world, bias_limits=limits)


@pytest.mark.evidence("frozen")
def test_each_breached_or_undecided_limit_opens_its_deviation(world, breached):
    report = breached.report
    assert report.verdict == "breached"
    assert [line["verdict"] for line in report.summary] == ["breached", "undecided", "within"]
    opened = {d.criterion: d for d in Deviation.objects.all()}
    assert set(opened) == {"F1", "F2"}
    assert opened["F2"].description.startswith("Too little data to tell")
    assert all(d.raised_on_behalf_of == world.bias_tester and d.blocking for d in opened.values())


@pytest.mark.evidence("frozen")
def test_who_asked_for_the_report_cannot_accept_what_it_found(world, breached):
    """Not as an approver either: DY8 and DY13 read what was done."""
    give(world, "bias_tester", "approver", world.model)
    deviation = Deviation.objects.get(criterion="F2")
    with pytest.raises(Conflict) as refused:
        accept_deviation(world.bias_tester, deviation.pk, reason="Fine", signature=signed(deviation))
    assert refused.value.rule[:4] in ("DY8:", "DY13")
    accepted = accept_deviation(
        world.approver2, deviation.pk, reason="More data in spring", signature=signed(deviation)
    )
    assert accepted.state == "accepted"


def test_who_may_ask_for_a_report(world, tested):
    with pytest.raises(NotVisible):
        request_report(world.other_developer, tested.run.pk)
    with pytest.raises(NotAllowed) as refused:
        request_report(world.author, tested.run.pk)
    assert refused.value.who == ("Bias Tester Person",)
    assert not Report.objects.exists()


def test_a_developer_of_the_version_may_not_test_it_for_bias(world, tested):
    held = Assignment.objects.get(person=world.author, duty="developer", scope_kind="registry.model")
    end_assignment(world.owner, held.pk, reason="Tests for bias from now on")
    give(world, "author", "bias_tester", world.model)
    with pytest.raises(Conflict) as refused:
        request_report(world.author, tested.run.pk)
    assert refused.value.rule.startswith("DY3")


@pytest.mark.evidence("frozen")
def test_no_report_on_a_run_that_is_not_done(world):
    evidence = validated_world(world, until="locked")
    run = start_run(world.validator, evidence.plan.pk)
    with pytest.raises(WrongState) as refused:
        request_report(world.bias_tester, run.pk)
    assert refused.value.rule == "PC26"


def test_one_report_at_a_time(world, tested):
    first = request_report(world.bias_tester, tested.run.pk, idempotency_key="k")
    assert request_report(world.bias_tester, tested.run.pk, idempotency_key="k").pk == first.pk
    with pytest.raises(WrongState):
        request_report(world.bias_tester, tested.run.pk)
    assert Report.objects.count() == 1


def test_damaged_cases_fail_the_report_with_its_sentence(world, tested):
    path = blobs.path(tested.run.cases_digest, area="vault")
    aside = path.with_suffix(".aside")
    path.rename(aside)
    report = done_report(world, tested.run)
    aside.rename(path)
    assert report.state == "failed"
    assert "missing or differ from their digest" in report.failure
    assert Deviation.objects.get().criterion == "execution"
    assert Entry.objects.get(act="fairness.fail_report").subject_id == str(report.pk)
    assert done_report(world, tested.run).state == "done"


def test_a_claim_taken_over_writes_nothing(world, tested, settings):
    report = request_report(world.bias_tester, tested.run.pk)
    settings.JOB_LEASE_SECONDS = -1
    first = jobs.claim(report.job_id)
    settings.JOB_LEASE_SECONDS = 60
    second = jobs.claim(report.job_id)
    outcome = compute(Report.objects.get(pk=report.pk), lambda *_: None)
    with pytest.raises(jobs.Lost):
        finish_report(work._worker(first), report.pk, job=first, outcome=outcome)
    assert Report.objects.get(pk=report.pk).state == "queued"
    finish_report(work._worker(second), report.pk, job=second, outcome=outcome)
    assert Report.objects.get(pk=report.pk).results_digest == outcome["results_digest"]


@pytest.mark.evidence(None)
def test_the_csv_holds_every_group_pair_and_limit_and_starts_no_formula(world):
    from tests.factories.data import vault_csv

    hostile = vault_csv().replace(b",north,", b",=1+1,")
    report = validated_world(world, test=hostile).report
    rows = list(csv.DictReader(io.StringIO(as_csv(report, world.bias_tester))))
    assert {row["line"] for row in rows} == {"group", "calibration", "difference", "ratio", "limit"}
    assert {row["grouping"] for row in rows if row["line"] == "group"} == {"all", "sex", "site", "sex x site"}
    assert any("=1+1" in row["group"] for row in rows)
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())
    limit = next(row for row in rows if row["line"] == "limit")
    assert (limit["metric"], limit["verdict"]) == ("equal_opportunity_difference", "within")


@pytest.mark.evidence("frozen")
def test_reports_are_seen_by_who_has_a_duty_on_the_model(world, breached):
    assert set(queries.reports(world.author)) == {breached.report}
    assert set(queries.reports(world.inspector, version=breached.version)) == {breached.report}
    assert set(queries.reports(world.other_developer)) == set()
    with pytest.raises(NotVisible):
        queries.report_page(world.other_developer, breached.report.pk)
