"""Undecided scores, units and the replaced process from plan to report; reports signed, followed up, compared."""

from __future__ import annotations

import json

import numpy as np
import pytest

from apps.access.signing import content_digest
from apps.analysis import fairness, intervals, paired
from apps.approvals.evaluation import evaluate
from apps.approvals.queries import work_for
from apps.core import jobs
from apps.core.clock import iso, now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from apps.core.outcomes import CheckState
from apps.fairness import queries
from apps.fairness.acts import cancel_report, record_note, request_report, sign_report
from apps.fairness.checks import bias_within_limits
from apps.fairness.models import Note, Report
from apps.packs.gather.gate import signatures
from apps.packs.gather.records import bias_reports
from apps.packs.sections.fairness import fairness as fairness_section
from apps.quality.models import Deviation
from apps.registry.acts import add_author
from apps.registry.models import Version
from apps.trail.models import Entry
from apps.validations import pairing
from apps.validations.cases import read_cases_table
from apps.validations.export import as_csv
from apps.validations.failures import CannotCompute
from apps.validations.stored import read_results
from tests.cast import give
from tests.factories.evidence import CRITERIA, done_report, signed, validated_world

pytestmark = pytest.mark.evidence("run")
OPEN = {"id": "U1", "metric": "undecided_rate", "limit": "0.4", "direction": "max", "rule": "upper"}


@pytest.fixture
def tested(world):
    return validated_world(world, until="run")


@pytest.mark.evidence("frozen")
def test_a_plan_with_a_band_units_and_a_baseline_is_judged_as_it_says(world):
    baselines = [
        {"metric": "tpr", "value": "0.6", "n": 250, "source": "Report Q-17"},
        {"metric": "tnr", "value": "0.999", "source": "Report Q-17"},
    ]
    evidence = validated_world(
        world,
        until="run",
        criteria=[*CRITERIA, OPEN, OPEN | {"id": "U2", "subgroup": "sex=female"}],
        undecided_from="0.3",
        undecided_to="0.7",
        unit_column="patient",
        baselines=baselines,
        no_predecessor="",
    )
    run = evidence.run
    stored, cases = read_results(run.results_digest), read_cases_table(run.cases_digest)
    scores = cases["case_score"].to_numpy()
    left = (scores >= 0.3) & (scores < 0.7)
    assert 0 < left.sum() < 400
    assert stored["coverage"] == {"rows": 400, "scored": 400, "excluded": [], "undecided": int(left.sum())}
    results = {r.criterion: r for r in run.results.all()}
    assert float(results["U1"].value) == pytest.approx(left.mean(), abs=1e-12)
    female = np.array(cases["sex"].to_pylist()) == "female"
    assert float(results["U2"].value) == pytest.approx(left[female].mean(), abs=1e-12)
    decided = cases.filter(~left)
    label, said = (decided[name].to_numpy() for name in ("case_label", "case_prediction"))
    assert float(results["C2"].value) == pytest.approx(said[label == 1].mean(), abs=1e-12)
    assert results["C2"].n == int((label == 1).sum())
    # The replaced process: met where the model is at least as good, a deviation where it is not.
    assert (results["P1"].verdict, results["P2"].verdict) == ("met", "not_met")
    assert "The replaced process: 0.6 on 250 cases (Report Q-17)." in results["P1"].sentence
    assert Deviation.objects.get().criterion == "P2"
    first, second = stored["replaced"]
    ends = intervals.mover(
        (float(first["found"]), float(results["P1"].low), float(results["P1"].high)),
        (0.6, *intervals.wilson(150, 250)),
    )
    assert (float(first["low"]), float(first["high"])) == pytest.approx(ends, abs=1e-9)
    assert second["low"] == ""
    assert [p["threshold"] for p in stored["thresholds"]["points"] if p["locked"]] == ["0.5"]
    assert {chart["kind"] for chart in stored["charts"]} == {"calibration", "thresholds"}
    for table in ("figures", "calibration", "thresholds"):
        assert len(as_csv(run, table, world.bias_tester).splitlines()) > 5

    report = done_report(world, run)
    found = queries.results_of(report)
    assert found["counted_by"] == {"unit": "patient", "weight": ""}
    assert found["report"]["n"] == decided.num_rows
    expected = fairness.report(
        decided, "case_label", "case_prediction", "case_score", ["sex", "site"], entity="case_unit"
    )
    rate = found["report"]["groupings"][0]["groups"][0]["metrics"]["tpr"]
    wanted = expected["groupings"][0]["groups"][0]["metrics"]["tpr"]
    assert float(rate["low"]) == pytest.approx(wanted["low"], abs=1e-12)
    assert int(rate["entities"]) == wanted["entities"]
    assert found["undecided"]["from"] == "0.3"
    assert found["replaced"] == {"reason": "The version was not derived from another one."}


def test_a_report_is_signed_once_by_a_bias_tester_who_did_not_develop(world, tested):
    report = request_report(world.bias_tester, tested.run.pk)
    with pytest.raises(WrongState):
        sign_report(world.bias_tester, report.pk, signature=signed(report))
    run_queued()
    report = Report.objects.get(pk=report.pk)
    with pytest.raises(NotVisible):
        sign_report(world.stranger, report.pk, signature=signed(report))
    for person in ("author", "validator", "approver"):
        with pytest.raises(NotAllowed):
            sign_report(world.people[person], report.pk, signature=signed(report))
    give(world, "stranger", "bias_tester", world.model)
    add_author(world.owner, tested.version.pk, person_id=world.stranger.pk, reason="Wrote the features")
    with pytest.raises(Conflict) as refused:
        sign_report(world.stranger, report.pk, signature=signed(report))
    assert refused.value.rule.startswith("DY3:")
    with pytest.raises(BadInput):
        sign_report(world.bias_tester, report.pk, reason="No", signature=signed(report, decision="rejected"))
    sign_report(world.bias_tester, report.pk, signature=signed(report))
    (standing,) = queries.report_page(world.author, report.pk).signatures
    assert (standing.signature.meaning, standing.valid) == ("review", True)
    assert (
        Entry.objects.filter(act="fairness.sign_report").count() == 1 + 5 + 1
    )  # six refusals are entries too
    with pytest.raises(WrongState) as again:
        sign_report(world.bias_tester, report.pk, signature=signed(report))
    assert "has signed it" in again.value.fact


def test_the_gate_wants_the_signature_of_who_tested_for_bias_and_the_same_figures_need_it_once(world, tested):
    report = done_report(world, tested.run)
    version = Version.objects.select_related("model", "intended_use").get(pk=tested.version.pk)
    outcome = bias_within_limits(version)
    assert (outcome.state, outcome.needs) == (
        CheckState.WAITING,
        (("fairness.sign_report", "fairness.report", report.pk),),
    )
    assert "Sign bias report" in {task.title for task in work_for(world.bias_tester).mine}
    assert "Sign bias report" not in {task.title for task in work_for(world.validator).mine}
    sign_report(world.bias_tester, report.pk, signature=signed(report))
    outcome = bias_within_limits(version)
    assert (outcome.state, outcome.refs) == (CheckState.MET, (report.ref,))
    assert content_digest(report) in outcome.digests
    again = done_report(world, tested.run)
    assert again.results_digest == report.results_digest
    assert bias_within_limits(version).refs == (report.ref,)
    Report.objects.filter(pk=report.pk).update(failure="Edited behind the portal")
    assert bias_within_limits(version).state is CheckState.WAITING


def test_the_pack_names_who_signed_the_report_and_says_when_nobody_did(world, tested):
    report = done_report(world, tested.run)

    def printed():
        charts: dict[str, str] = {}
        version = Version.objects.select_related("model", "intended_use").get(pk=tested.version.pk)
        content = {
            "as_of": iso(now()),
            "gate": {"now": evaluate(version).as_data()},
            "signatures": signatures(version, now()),
            "plans": [],
            "bias_reports": [each | {"limit_charts": []} for each in bias_reports(version, charts)],
            **{name: [] for name in ("probe_plans", "probe_reports", "probe_evidence")},
        }
        return str(fairness_section(content, charts).html)

    assert "nobody: UNSIGNED" in printed()
    assert "no bias tester has signed the newest report" in printed()
    sign_report(world.bias_tester, report.pk, signature=signed(report))
    assert "UNSIGNED" not in printed()
    assert "Bias Tester Person (bias tester)" in printed()
    assert f"valid on {report.ref}" in printed()


def test_a_report_is_cancelled_with_a_reason_and_counts_for_nothing(world, tested):
    report = request_report(world.bias_tester, tested.run.pk)
    for person, error in (("stranger", NotVisible), ("validator", NotAllowed), ("author", NotAllowed)):
        with pytest.raises(error):
            cancel_report(world.people[person], report.pk, reason="No")
    with pytest.raises(BadInput):
        cancel_report(world.bias_tester, report.pk)
    taken = jobs.claim(report.job_id)
    stopped = cancel_report(world.bias_tester, report.pk, reason="Wrong run")
    assert (stopped.state, stopped.failure) == ("cancelled", "Wrong run")
    with jobs.Running(taken) as running, pytest.raises(jobs.Lost):
        running.report(1, 4, "Counting")
    with pytest.raises(WrongState) as refused:
        cancel_report(world.bias_tester, report.pk, reason="Again")
    assert refused.value.fact == "It was cancelled."
    assert stopped.history.count() == 3
    entry = Entry.objects.filter(act="fairness.cancel_report", kind="act").latest("id")
    assert json.loads(entry.body)["reason"] == "Wrong run"
    version = Version.objects.select_related("model", "intended_use").get(pk=tested.version.pk)
    assert bias_within_limits(version).state is CheckState.NOT_STARTED
    assert not Deviation.objects.exists()
    assert done_report(world, tested.run).number == report.number + 1


def test_remediation_and_feedback_stand_beside_the_report_with_who_when_and_why(world, tested):
    report = request_report(world.bias_tester, tested.run.pk)
    given = {"kind": "remediation", "text": "Threshold by site looked at", "reason": "West is small"}
    with pytest.raises(WrongState):
        record_note(world.bias_tester, report.pk, **given)
    run_queued()
    for wrong in ({"kind": "praise"}, {"text": " "}, {"text": "x" * 10_001}, {"reason": ""}):
        with pytest.raises(BadInput):
            record_note(world.author, report.pk, **(given | wrong))
    with pytest.raises(NotVisible):
        record_note(world.stranger, report.pk, **given)
    with pytest.raises(NotAllowed):
        record_note(world.inspector, report.pk, **given)
    sign_report(world.bias_tester, report.pk, signature=signed(Report.objects.get(pk=report.pk)))
    record_note(world.author, report.pk, **given)
    record_note(world.bias_tester, report.pk, **(given | {"kind": "feedback", "text": "Users at west agree"}))
    page = queries.report_page(world.bias_tester, report.pk)
    assert [(n.kind, n.written_by.username) for n in page.notes] == [
        ("remediation", "author"),
        ("feedback", "bias_tester"),
    ]
    assert page.signatures[0].valid  # what comes after is no part of what was signed
    assert Note.objects.first().history.count() == 1
    entry = Entry.objects.filter(act="fairness.record_note", kind="act").latest("id")
    assert json.loads(entry.body)["reason"] == "West is small"


def test_two_runs_are_compared_on_the_same_cases_and_others_are_not(world, tested):
    other = type(tested.run).objects.select_related(*("plan__version__model", "plan__test_data__dataset"))
    run = other.get(pk=tested.run.pk)
    twin = other.get(pk=tested.run.pk)
    assert pairing.not_comparable(run, twin) == "Choose two different runs."
    twin.pk = -1
    found = pairing.compare_runs(run, twin)
    cases = read_cases_table(run.cases_digest)
    expected = paired.report(
        cases,
        "case_label",
        "case_prediction",
        "case_prediction",
        first_score="case_score",
        second_score="case_score",
    )
    assert found["metrics"] == expected["metrics"]
    assert found["metrics"]["auc"]["difference"]["value"] == 0
    assert {line["group"] for line in found["groups"]} >= {"sex = female", "site = west"}
    twin.state = "cancelled"
    with pytest.raises(CannotCompute, match="was cancelled"):
        pairing.compare_runs(run, twin)
    assert pairing.replaced_run(run) == (None, "The version was not derived from another one.")
