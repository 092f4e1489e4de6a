"""Runs: the portal executes the frozen model itself, once each, and keeps what failed."""

from __future__ import annotations

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from sklearn.metrics import roc_auc_score

from apps.access import gate
from apps.core import blobs, jobs
from apps.core.errors import Conflict, NotAllowed, NotVisible, WrongState
from apps.datasets.models import DatasetVersion
from apps.quality.models import Deviation
from apps.registry.acts import add_author
from apps.trail.models import Entry
from apps.validations import checks, queries, work
from apps.validations.acts import finish_run, read_cases, start_run
from apps.validations.cases import read_cases_table
from apps.validations.execution import execute
from apps.validations.models import Plan, Result, Run
from apps.validations.stored import read_results
from tests.cast import give
from tests.factories.evidence import CRITERIA, done_run, validated_world

pytestmark = pytest.mark.evidence("locked")


@pytest.fixture
def locked(world):
    return validated_world(world, until="locked")


def test_a_run_is_done_by_the_worker_and_judged(world, locked):
    run = done_run(world, locked.plan)
    assert (run.state, run.verdict, run.repeat_identical, run.failure) == ("done", "met", True, "")
    assert run.plan.version.state == "validated"
    results = {r.criterion: r for r in run.results.all()}
    assert set(results) == {"C1", "C2", "C3"}
    assert results["C3"].subgroup == "sex=female"
    assert results["C2"].method == "wilson"
    assert float(results["C2"].low) < float(results["C2"].value) < float(results["C2"].high)
    assert run.environment["runtime"]["threads"] == 1
    entry = Entry.objects.filter(act="validations.finish_run").latest("id")
    assert (entry.actor_name, entry.on_behalf_name) == ("Countersign worker", "Validator Person")
    assert json.loads(entry.body)["facts"]["results"] == run.results_digest
    assert not Deviation.objects.exists()


def test_per_case_results_lie_in_the_vault_and_give_the_same_auc(world, locked):
    run = done_run(world, locked.plan)
    assert not blobs.exists(run.cases_digest, area="files")
    cases = read_cases_table(run.cases_digest)
    assert cases.column_names == [
        "case_row",
        "case_unit",
        "sex",
        "site",
        "case_label",
        "case_prediction",
        "case_score",
    ]
    assert cases["case_row"].to_pylist() == list(range(1, 401))
    assert cases["case_unit"][0].as_py() == "P10001"
    auc = roc_auc_score(cases["case_label"].to_numpy(), cases["case_score"].to_numpy())
    assert float(run.results.get(criterion="C1").value) == pytest.approx(auc, abs=1e-12)


def test_results_say_how_much_better_the_model_is_on_its_training_data(world, locked):
    found = read_results(done_run(world, locked.plan).results_digest)["gap"]
    assert found["data"] == locked.train.ref
    assert {m["metric"] for m in found["metrics"]} == {"auc", "balanced_accuracy", "accuracy"}
    assert all(m["train_n"] == 300 and m["test_n"] == 400 for m in found["metrics"])


def test_the_same_run_again_has_the_next_number_and_the_same_digests(world, locked):
    first, second = done_run(world, locked.plan), done_run(world, locked.plan)
    assert second.number == first.number + 1
    assert (second.results_digest, second.cases_digest) == (first.results_digest, first.cases_digest)
    assert checks.last_done_run(locked.version) == second  # what the gate rests on


@pytest.mark.evidence("frozen")
def test_a_failed_and_an_undecided_criterion_open_their_deviations(world):
    criteria = [
        CRITERIA[0] | {"limit": "0.999"},
        CRITERIA[1] | {"min_n": 5000},
        {"id": "C9", "metric": "tpr", "subgroup": "site=moon", "limit": "0.5"},
        {"id": "OK", "metric": "tnr", "limit": "0.5"},
    ]
    evidence = validated_world(world, until="run", criteria=criteria)
    assert evidence.run.verdict == "not_met"
    verdicts = dict(evidence.run.results.values_list("criterion", "verdict"))
    assert verdicts == {"C1": "not_met", "C2": "undecided", "C9": "undecided", "OK": "met"}
    opened = {d.criterion: d for d in Deviation.objects.all()}
    assert set(opened) == {"C1", "C2", "C9"}
    assert "no group site = moon" in opened["C9"].description
    assert all(d.blocking and d.raised_on_behalf_of == world.validator for d in opened.values())
    assert evidence.version.state == "validated"


def test_who_may_start_a_run(world, locked):
    with pytest.raises(NotVisible):
        start_run(world.other_developer, locked.plan.pk)
    with pytest.raises(NotAllowed) as refused:
        start_run(world.author, locked.plan.pk)
    assert refused.value.who == ("Validator Person",)
    assert not Run.objects.exists()


@pytest.mark.evidence("frozen")
def test_a_run_on_an_unlocked_plan_is_refused(world):
    evidence = validated_world(world, until="drafted")
    with pytest.raises(WrongState) as refused:
        start_run(world.validator, evidence.plan.pk)
    assert refused.value.rule == "PC24"
    assert "not locked" in refused.value.fact
    offers = {v.act: v for v in gate.offers(world.validator, Plan.objects.get(pk=evidence.plan.pk))}
    assert not offers["validations.start_run"].allowed


def test_who_developed_the_version_may_not_run_it(world, locked):
    give(world, "stranger", "validator", world.model)
    add_author(world.owner, locked.version.pk, person_id=world.stranger.pk, reason="Wrote the features")
    with pytest.raises(Conflict) as refused:
        start_run(world.stranger, locked.plan.pk)
    assert refused.value.rule.startswith("DY1:")
    assert not Run.objects.exists()


def test_one_run_at_a_time_and_a_double_click_is_one_run(world, locked):
    first = start_run(world.validator, locked.plan.pk, idempotency_key="k1")
    assert start_run(world.validator, locked.plan.pk, idempotency_key="k1").pk == first.pk
    with pytest.raises(WrongState) as refused:
        start_run(world.validator, locked.plan.pk)
    assert first.ref in refused.value.fact
    assert Run.objects.count() == 1


def test_progress_counts_cases_and_keeps_a_log(world, locked):
    run = done_run(world, locked.plan)
    page = queries.run_page(world.author, run.pk)
    assert (page.job.done, page.job.total, page.job.state) == (800, 800, "done")
    assert "Scoring again" in page.job.log
    assert len(page.results) == 3


def test_a_claim_taken_over_writes_nothing(world, locked, settings):
    """Two workers hold one job: the first one's end is refused whole, the second's stands."""
    run = start_run(world.validator, locked.plan.pk)
    settings.JOB_LEASE_SECONDS = -1
    first = jobs.claim(run.job_id)
    settings.JOB_LEASE_SECONDS = 60
    second = jobs.claim(run.job_id)
    assert (first.attempt, second.attempt) == (1, 2)
    outcome = execute(Run.objects.get(pk=run.pk), lambda *_: None)
    entries = Entry.objects.filter(kind="act").count()
    with pytest.raises(jobs.Lost):
        finish_run(work._worker(first), run.pk, job=first, outcome=outcome)
    assert Run.objects.get(pk=run.pk).state == "queued"
    assert not Result.objects.exists()
    assert Entry.objects.filter(kind="act").count() == entries
    finish_run(work._worker(second), run.pk, job=second, outcome=outcome)
    assert Run.objects.get(pk=run.pk).state == "done"
    assert Result.objects.count() == 3
    with pytest.raises(jobs.Lost):
        finish_run(work._worker(second), run.pk, job=second, outcome=outcome)
    assert Result.objects.count() == 3


def test_a_person_cannot_finish_a_run(world, locked):
    run = start_run(world.validator, locked.plan.pk)
    with pytest.raises(NotAllowed):
        finish_run(world.validator, run.pk, job=run.job, outcome={})


def test_reading_per_case_results_is_a_read_of_test_data(world, locked):
    run = done_run(world, locked.plan)
    with pytest.raises(NotAllowed):
        read_cases(world.author, run.pk)
    with pytest.raises(NotVisible):
        read_cases(world.stranger, run.pk)
    assert read_cases(world.bias_tester, run.pk).cases_digest == run.cases_digest
    entry = Entry.objects.filter(kind="act").latest("id")
    assert (entry.act, entry.subject_kind, entry.subject_id) == (
        "validations.read_cases",
        "validations.run",
        str(run.pk),
    )
    broken = gate.Judge(locked.version).separation(world.bias_tester, gate.policy("registry.freeze"))
    assert broken.rule.id in ("DY6", "DY3")


def test_no_per_case_results_before_the_run_is_done(world, locked):
    run = start_run(world.validator, locked.plan.pk)
    with pytest.raises(WrongState):
        read_cases(world.validator, run.pk)


def test_failed_runs_keep_their_number_and_their_sentence(world, locked):
    data = DatasetVersion.objects.get(pk=locked.test.pk)
    path = blobs.path(data.table_digest, area="vault")
    aside = path.with_suffix(".aside")
    path.rename(aside)
    failed = done_run(world, locked.plan)
    aside.rename(path)
    assert failed.state == "failed"
    assert "missing or differ from their digest" in failed.failure
    assert (failed.job.state, failed.job.error) == ("failed", failed.failure)
    entry = Entry.objects.get(act="validations.fail_run")
    assert (entry.subject_id, json.loads(entry.body)["facts"]["failure"]) == (str(failed.pk), failed.failure)
    assert Deviation.objects.get().criterion == "execution"
    again = done_run(world, locked.plan)
    assert (again.state, again.number) == ("done", failed.number + 1)
    with CaptureQueriesContext(connection) as of_two:
        assert [run.plan.version.ref for run in queries.runs(world.inspector)] == ["lotx/1.0.0"] * 2
    done_run(world, locked.plan)
    with CaptureQueriesContext(connection) as of_three:
        assert len([run.plan.version.ref for run in queries.runs(world.inspector)]) == 3
    assert len(of_two) == len(of_three)
    assert set(queries.runs(world.other_developer)) == set()


def test_an_altered_model_file_is_not_run(world, locked):
    path = blobs.path(locked.version.artefact_digest)
    good = path.read_bytes()
    path.chmod(0o640)
    path.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    try:
        failed = done_run(world, locked.plan)
    finally:
        path.write_bytes(good)
    assert failed.state == "failed"
    assert "differ from their digest" in failed.failure
