"""Explanations: asked for, computed in the sandbox on the vault set, cancelled, failed, computed again to the bit."""

from __future__ import annotations

import csv
import io
import json
import re

import pyarrow.parquet as pq
import pytest

from apps.access.acts import end_assignment
from apps.access.models import Assignment
from apps.core import blobs, jobs
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.models import Job
from apps.datasets.models import Dataset
from apps.explanation import queries, work
from apps.explanation.acts import (
    cancel_report,
    finish_report,
    request_report,
    sign_review_expert,
    sign_review_quality,
    submit_report,
    write_review,
)
from apps.explanation.computing import compute
from apps.explanation.export import as_csv
from apps.explanation.models import Report
from apps.quality.acts import accept_deviation
from apps.quality.models import Deviation
from apps.trail.models import Entry
from apps.validations.acts import start_run
from tests.cast import give
from tests.factories.data import FEATURES
from tests.factories.evidence import signed, validated_world
from tests.factories.explanations import explained, read, reviewed, said
from tests.factories.foundation import sign

pytestmark = pytest.mark.evidence("run")


@pytest.fixture
def tested(world):
    return validated_world(world, until="run")


def test_a_report_is_computed_in_the_sandbox_and_kept(world, tested):
    report = explained(world, tested.run)
    assert (report.state, report.origin, report.ref) == ("done", "computed", f"XR-{report.number}")
    results = queries.results_of(report)
    found = results["explanation"]
    assert found["features"][0]["feature"] == "marker"
    assert {each["feature"] for each in found["features"]} == set(FEATURES)
    assert found["features"][0]["sentence"].startswith("marker matters most: shuffling it lowers the AUC by")
    assert float(found["stability"]["ranking"]) >= 0.5
    assert float(results["largest_difference_from_run"]) < 1e-6
    assert found["n"]["cases_there"] == 400
    assert len(found["examples"]) == 6
    assert report.method["isolation"]["network"] in ("namespace", "filtered", "none")
    assert queries.chart_of(report).startswith("<svg")
    kept = pq.read_table(io.BytesIO(blobs.read(report.cases_digest, area="vault")))
    assert kept.num_rows == found["n"]["explained"] == 100
    assert "attribution: marker" in kept.column_names
    entry = Entry.objects.filter(act="explanation.finish_report").latest("id")
    assert (entry.actor_name, entry.on_behalf_name) == ("Countersign worker", "Validator Person")
    assert report.job.percent == 100
    again = explained(world, tested.run)
    for name in ("results_digest", "chart_digest", "cases_digest", "summary", "method"):
        assert getattr(report, name) == getattr(again, name)
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert {row["line"] for row in rows} == {"feature", "example", "surrogate"}
    assert len([row for row in rows if row["line"] == "feature"]) == 3
    with pytest.raises(NotVisible):
        queries.report_page(world.other_developer, report.pk)
    assert set(queries.reports(world.author)) == {report, again}
    assert set(queries.reports(world.other_developer)) == set()


def test_no_value_of_a_case_leaves_the_vault(world, tested):
    report = explained(world, tested.run)
    for each in queries.results_of(report)["explanation"]["examples"]:
        assert all("fifth" in f["place"] for f in each["features"])
        assert set(each["features"][0]) == {
            "feature", "rank", "place", "direction", "strength", "local_direction",
        }  # fmt: skip
        assert set(each) == {"example", "score_band", "sentence", "features", "local"}


def numbers_in(value):
    """Every number written as text, wherever it stands."""
    if isinstance(value, dict):
        for each in value.values():
            yield from numbers_in(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers_in(each)
    elif isinstance(value, str) and re.fullmatch(r"-?[0-9.]+(e-?[0-9]+)?", value):
        yield value


def test_figures_have_four_significant_digits_wherever_they_are_kept(world, tested):
    report = explained(world, tested.run)
    results = queries.results_of(report)["explanation"]
    for kept in ({name: each for name, each in results.items() if name != "settings"}, report.summary):
        found = list(numbers_in(kept))
        assert len(found) >= 9
        assert [text for text in found if float(text) != float(f"{float(text):.4g}")] == []
    drawn = queries.chart_of(report)
    assert re.findall(r"[0-9]\.[0-9]*[1-9][0-9]{7,}", drawn) == []


def test_single_cases_of_sensitive_data_are_not_told(world, tested):
    report = request_report(world.validator, tested.run.pk)
    Dataset.objects.filter(pk=tested.test.dataset_id).update(sensitive=True)
    outcome = compute(read(report), lambda *_: None)
    assert outcome["summary"]["examples"] == []


def test_who_may_ask_cancel_and_submit(world, tested):
    """Works for the validator; hidden from strangers; wrong duty; who developed; one at a time."""
    for act, given in ((request_report, {}), (submit_report, submission(b""))):
        with pytest.raises(NotVisible):
            act(world.other_developer, tested.run.pk, **given)
        with pytest.raises(NotAllowed) as refused:
            act(world.bias_tester, tested.run.pk, **given)
        assert refused.value.who == ("Validator Person",)
    report = request_report(world.validator, tested.run.pk, idempotency_key="k")
    assert request_report(world.validator, tested.run.pk, idempotency_key="k").pk == report.pk
    with pytest.raises(WrongState) as twice:
        request_report(world.validator, tested.run.pk)
    assert twice.value.rule == "one-report-at-a-time"
    with pytest.raises(NotAllowed):
        cancel_report(world.author, report.pk, reason="Not needed")
    with pytest.raises(BadInput):
        cancel_report(world.validator, report.pk)
    stopped = cancel_report(world.validator, report.pk, reason="Wrong run")
    assert (stopped.state, stopped.failure) == ("cancelled", "Wrong run")
    assert Job.objects.get(pk=stopped.job_id).state == "cancelled"
    assert jobs.run_queued() == 0
    with pytest.raises(WrongState):
        cancel_report(world.validator, report.pk, reason="Again")
    with pytest.raises(WrongState):
        queries.refuse_unfinished(read(report))
    assert Report.objects.count() == 1
    assert request_report(world.validator, tested.run.pk).number == report.number + 1


def turned(world, duty):
    """The author of the version ends every other work and takes up `duty` on its model."""
    for each in Assignment.objects.active().filter(person=world.author):
        end_assignment(world.owner, each.pk, reason="Other work from now on")
    give(world, "author", duty, world.model)


def test_a_developer_of_the_version_may_not_explain_it(world, tested):
    turned(world, "validator")
    with pytest.raises(Conflict) as refused:
        request_report(world.author, tested.run.pk)
    assert refused.value.rule.startswith("DY1")


@pytest.mark.evidence("locked")
def test_no_explanation_on_a_run_that_is_not_done(world):
    evidence = validated_world(world, until="locked")
    run = start_run(world.validator, evidence.plan.pk)
    for act, given in ((request_report, {}), (submit_report, submission(b""))):
        with pytest.raises(WrongState) as refused:
            act(world.validator, run.pk, **given)
        assert refused.value.rule == "PC27"


def test_damaged_cases_fail_the_report_with_its_sentence(world, tested):
    path = blobs.path(tested.run.cases_digest, area="vault")
    aside = path.with_suffix(".aside")
    path.rename(aside)
    report = explained(world, tested.run)
    aside.rename(path)
    assert report.state == "failed"
    assert "missing or differ from their digest" in report.failure
    assert Deviation.objects.get().criterion == "execution"
    assert Entry.objects.get(act="explanation.fail_report").subject_id == str(report.pk)


def test_a_claim_taken_over_or_cancelled_writes_nothing(world, tested, settings):
    report = request_report(world.validator, tested.run.pk)
    settings.JOB_LEASE_SECONDS = -1
    first = jobs.claim(report.job_id)
    settings.JOB_LEASE_SECONDS = 60
    second = jobs.claim(report.job_id)
    outcome = compute(read(report), lambda *_: None)
    with pytest.raises(jobs.Lost):
        finish_report(work._worker(first), report.pk, job=first, outcome=outcome)
    cancel_report(world.validator, report.pk, reason="Not needed any more")
    with pytest.raises(jobs.Lost):
        finish_report(work._worker(second), report.pk, job=second, outcome=outcome)
    assert read(report).state == "cancelled"


# The review


@pytest.fixture
def done(world, tested):
    return explained(world, tested.run)


def test_a_review_is_written_and_signed_by_two(world, done):
    with pytest.raises(WrongState):
        sign_review_expert(world.process_expert, done.pk, signature=sign(done))
    for person in ("author", "validator", "approver"):
        with pytest.raises(NotAllowed):
            write_review(world.people[person], done.pk, **said(done))
    write_review(world.process_expert, done.pk, **said(done))
    with pytest.raises(WrongState):
        sign_review_quality(world.approver, done.pk, signature=sign(read(done)))
    with pytest.raises(Conflict):
        sign_review_expert(world.process_expert, done.pk, signature=sign(done))  # as it was before the review
    written = read(done)
    sign_review_expert(world.process_expert, done.pk, signature=sign(written))
    give(world, "process_expert", "approver", world.model)
    with pytest.raises(Conflict) as refused:
        sign_review_quality(world.process_expert, done.pk, signature=sign(read(done)))
    assert refused.value.rule.startswith("DY13")
    with pytest.raises(NotAllowed):
        sign_review_quality(world.owner, done.pk, signature=sign(read(done)))
    sign_review_quality(world.approver, done.pk, signature=sign(read(done)))
    assert read(done).review_state == "approved"
    with pytest.raises(WrongState):
        write_review(world.process_expert, done.pk, **said(done))
    assert not Deviation.objects.exists()


def test_another_expert_may_not_sign_what_they_did_not_write_and_developers_may_not_review(world, done):
    write_review(world.process_expert, done.pk, **said(done))
    give(world, "owner", "process_expert", world.model, by="compliance")
    with pytest.raises(NotAllowed) as refused:
        sign_review_expert(world.owner, done.pk, signature=sign(read(done)))
    assert refused.value.rule == "author-signs"
    for act, duty in ((write_review, "process_expert"), (sign_review_quality, "approver")):
        turned(world, duty)
        given = said(done) if act is write_review else {"signature": sign(read(done))}
        with pytest.raises(Conflict) as told:
            act(world.author, done.pk, **given)
        assert told.value.rule.startswith("DY2")


def test_a_rejected_review_is_written_anew_and_old_signatures_are_void(world, done):
    write_review(world.process_expert, done.pk, **said(done))
    sign_review_expert(world.process_expert, done.pk, signature=sign(read(done)))
    rejected = sign_review_quality(
        world.approver,
        done.pk,
        reason="Say more about dose",
        signature=signed(read(done), decision="rejected"),
    )
    assert rejected.review_state == "rejected"
    write_review(world.process_expert, done.pk, **said(done) | {"conclusion": "Dose has no part in it."})
    again = read(done)
    assert again.review_state == "written"
    assert again.history.filter(review_state="rejected").exists()


def test_a_review_that_says_too_little_is_refused_beside_its_fields(world, done):
    given = said(done, dose=("not_plausible", " "))
    given["decisions"].pop("age")
    given["decisions"]["colour"] = {"decision": "plausible"}
    with pytest.raises(BadInput) as refused:
        write_review(
            world.process_expert, done.pk, **given | {"surrogate": {"decision": "perhaps"}, "conclusion": ""}
        )
    order = [each["feature"] for each in done.summary["features"]]
    assert set(refused.value.fields) == {
        f"features.{order.index('age')}.decision",
        f"features.{order.index('dose')}.reason",
        "surrogate.decision",
        "conclusion",
        "decisions",
    }
    assert read(done).review == {}


def test_doubts_of_an_approved_review_open_deviations_that_another_person_accepts(world, tested):
    report = reviewed(world, tested.run, dose=("follow_up", "Ask the site why dose counts."))
    deviation = Deviation.objects.get()
    assert (deviation.criterion, deviation.blocking) == ("feature dose", True)
    assert report.ref in deviation.title
    with pytest.raises(Conflict):
        accept_deviation(world.approver, deviation.pk, reason="Fine", signature=signed(deviation))
    accept_deviation(world.approver2, deviation.pk, reason="Asked and answered", signature=signed(deviation))


# Made elsewhere


def submission(data: bytes, name="shap.json", **changes):
    return {
        "file_digest": blobs.put(data).digest,
        "file_name": name,
        "method": "shap",
        "library": "shap 0.51",
    } | changes


def test_an_explanation_made_elsewhere_is_kept_and_marked(world, tested):
    own = {
        "schema": "countersign.explanation-upload/1",
        "method": "shap",
        "feature_names": ["age", "marker", "dose"],
        "values": [[0.1, -0.5, 0.0], [0.0, 0.4, 0.1]],
    }
    report = submit_report(world.validator, tested.run.pk, **submission(json.dumps(own).encode()))
    assert (report.origin, report.state, report.get_origin_display()) == (
        "submitted",
        "done",
        "Submitted, not computed here",
    )
    assert [each["feature"] for each in report.summary["features"]] == ["marker", "age", "dose"]
    assert "as submitted it moves the output by 0.450" in report.summary["features"][0]["sentence"]
    assert blobs.read(report.source_digest) == json.dumps(own).encode()
    assert "feature" in as_csv(report)
    with pytest.raises(BadInput) as refused:
        submit_report(
            world.validator,
            tested.run.pk,
            **submission(b"{}", method="magic", library=" ", file_digest="sha256:" + "0" * 64),
        )
    assert set(refused.value.fields) == {"method", "library", "file"}
    assert Report.objects.count() == 1
