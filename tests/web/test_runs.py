"""Validation runs in the browser: live progress, results, the register, per-case results on record."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from apps.access import acts as access_acts
from apps.access.models import Assignment
from apps.core import jobs, registries
from apps.core.jobs import run_queued
from apps.core.models import Job
from apps.quality.models import Deviation
from apps.registry.acts import add_author
from apps.trail.models import Entry
from apps.validations.acts import start_run
from apps.validations.models import Run
from tests.cast import give
from tests.factories.doors import browser, refs, text_of
from tests.factories.evidence import CRITERIA, done_run, validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("locked")]
QUERIES = 5
LIVE = {"HTTP_HX_REQUEST": "true"}


@pytest.fixture
def locked(world):
    return validated_world(world, until="locked")


@pytest.fixture
def tested(world):
    return validated_world(world, until="run")


def url_of(run) -> str:
    return reverse("web:run", args=[run.number])


def test_a_run_is_watched_until_it_has_ended(world, locked):
    run = start_run(world.validator, locked.plan.pk)
    client = browser(world.author)
    page = client.get(url_of(run)).content.decode()
    assert f'hx-get="{url_of(run)}?told=0" hx-trigger="every 2s"' in page
    job = jobs.claim(run.job_id)
    jobs.Running(job).report(420, 800, "Scoring again, to compare")
    half = client.get(url_of(run), {"told": "1"}, **LIVE)
    assert "<html" not in half.content.decode()
    assert '<p class="vh" data-announce>R-1: 50 %.</p>' in half.content.decode()
    assert "420 of 800" in text_of(half)
    assert "Scoring again, to compare" in text_of(half)
    silent = client.get(url_of(run), {"told": "50"}, **LIVE).content.decode()
    assert "data-announce" not in silent
    Job.objects.filter(pk=job.pk).update(state="queued", claim="")
    run_queued()
    ended = client.get(url_of(run), {"told": "75"}, **LIVE).content.decode()
    assert "hx-trigger" not in ended
    assert "R-1 has ended. Met." in ended.replace("data-announce>", "").replace("  ", " ")


def test_a_slow_run_is_asked_after_less_often(world, locked):
    run = start_run(world.validator, locked.plan.pk)
    Job.objects.filter(pk=run.job_id).update(created_at=run.requested_at.replace(year=2025))
    assert 'hx-trigger="every 10s"' in browser(world.author).get(url_of(run)).content.decode()


@pytest.mark.evidence("frozen")
def test_results_are_shown_with_n_interval_limit_and_verdict(world):
    criteria = [dict(CRITERIA[1]), CRITERIA[0] | {"limit": "0.999"}]
    evidence = validated_world(world, until="run", criteria=criteria)
    result = evidence.run.results.get(criterion="C2")
    answer = browser(world.author).get(url_of(evidence.run))
    said, page = text_of(answer), answer.content.decode()
    figures = f"{float(result.value):.3f} ({float(result.low):.3f} to {float(result.high):.3f})"
    assert f"C2 Met True positive rate (recall) all cases {result.n} {figures} ≥ 0.7 the lower end" in said
    assert "C1 Not met Area under the ROC curve all cases 400" in said
    assert "scored twice, both times the same" in said
    for digest in (evidence.run.results_digest, evidence.run.cases_digest, evidence.version.artefact_digest):
        assert digest in page
    deviation = Deviation.objects.get()
    assert f'<a href="/deviations/{deviation.number}/">{deviation.ref}</a>' in page
    assert "onnxruntime" in said.lower()
    assert "Training against test" in said
    assert browser(world.stranger).get(url_of(evidence.run)).status_code == 404


def test_a_failed_run_keeps_its_number_and_says_why(world, locked):
    run = start_run(world.validator, locked.plan.pk)
    job = jobs.claim(run.job_id)
    registries.job_failed[job.kind](job, "The model gave 399 answers to 400 cases.")
    client = browser(world.validator)
    said = text_of(client.get(url_of(run)))
    assert "The run came to nothing. The model gave 399 answers to 400 cases." in said
    again = client.post(reverse("web:run_start", args=[locked.plan.number]), {"idempotency_key": "k"})
    assert again.headers["Location"] == "/runs/2/"
    assert refs(client.get("/runs/"), "R") == ["R-2", "R-1"]


def test_the_register_holds_exactly_the_runs_one_may_see(world, tested, django_assert_num_queries):
    client = browser(world.validator)
    client.get("/runs/")
    with django_assert_num_queries(QUERIES):
        assert refs(client.get("/runs/"), "R") == ["R-1"]
    done_run(world, tested.plan)
    start_run(world.validator, tested.plan.pk)
    with django_assert_num_queries(QUERIES):
        assert refs(client.get("/runs/"), "R") == ["R-3", "R-2", "R-1"]
    assert refs(client.get("/runs/", {"state": "queued"}), "R") == ["R-3"]
    assert refs(client.get("/runs/", {"verdict": "met", "version": "1.0.0"}), "R") == ["R-2", "R-1"]
    assert refs(browser(world.other_developer).get("/runs/"), "R") == []


def test_per_case_results_are_read_on_record_only(world, tested):
    client, url = browser(world.validator), reverse("web:run_cases", args=[tested.run.number])
    before = Entry.objects.filter(act="validations.read_cases").count()
    assert client.get(url).headers["Location"] == url_of(tested.run)  # not before the read is entered
    assert client.post(url, {"idempotency_key": "k"}).headers["Location"] == url
    entry = Entry.objects.filter(act="validations.read_cases").latest("id")
    assert (entry.kind, entry.actor_name) == ("act", "Validator Person")
    assert json.loads(entry.body)["facts"]["cases"] == tested.run.cases_digest
    first, last = client.get(url), client.get(url, {"page": "4"})
    assert "Cases 1 to 100 of 400, page 1 of 4." in text_of(first)
    assert '<th scope="row">100</th>' in first.content.decode()
    assert '<th scope="row">101</th>' not in first.content.decode()
    assert '<th scope="row">400</th>' in last.content.decode()
    assert "no-store" in first["Cache-Control"]
    assert "page 4 of 4" in text_of(client.get(url, {"page": "99"}))
    assert Entry.objects.filter(act="validations.read_cases").count() == before + 1


def test_a_repeated_key_opens_no_look(world, tested):
    """Each look is judged and entered anew: in another session, and after the duty that allowed the first ended."""
    url, key = reverse("web:run_cases", args=[tested.run.number]), {"idempotency_key": "k"}
    looks = Entry.objects.filter(act="validations.read_cases", kind="act")
    before = looks.count()
    for client in (browser(world.validator), browser(world.validator)):
        assert client.get(url).headers["Location"] == url_of(tested.run)
        assert client.post(url, key).headers["Location"] == url
    assert looks.count() == before + 2
    late = browser(world.validator)
    duty = Assignment.objects.active().get(person=world.validator, scope_kind="registry.model")
    access_acts.end_assignment(world.owner, duty.pk, reason="Moved on")
    assert late.post(url, key).status_code in (403, 404)
    assert late.get(url).status_code in (403, 404)
    assert looks.count() == before + 2


def test_a_developer_reads_no_per_case_results(world, tested):
    client, url = browser(world.author), reverse("web:run_cases", args=[tested.run.number])
    assert "Read per-case results (counts" not in text_of(client.get(url_of(tested.run)))
    for answer in (client.get(url), client.post(url)):
        assert answer.status_code == 403
        assert "Validator Person" in text_of(answer)
    assert Entry.objects.filter(kind="refusal").latest("id").act == "validations.read_cases"
    assert browser(world.stranger).post(url).status_code == 404


def test_a_run_that_has_not_ended_has_no_cases_and_no_bias_report(world, locked):
    run = start_run(world.validator, locked.plan.pk)
    cases = browser(world.validator).post(reverse("web:run_cases", args=[run.number]))
    bias = browser(world.bias_tester).post(reverse("web:bias_request", args=[run.number]))
    assert (cases.status_code, bias.status_code) == (409, 409)
    assert "It is queued or running." in text_of(cases)


def test_who_developed_the_version_may_not_run_it_again(world, tested):
    give(world, "stranger", "validator", world.model)
    add_author(world.owner, tested.version.pk, person_id=world.stranger.pk, reason="Wrote the features")
    client = browser(world.stranger)
    assert "Rule DY1:" in text_of(client.get(url_of(tested.run)))
    answer = client.post(reverse("web:run_start", args=[tested.plan.number]))
    assert answer.status_code == 409
    assert "Rule DY1:" in text_of(answer)
    assert Run.objects.count() == 1


@pytest.mark.evidence("reported")
def test_what_a_run_measured_stands_on_its_page_and_in_files(world):
    evidence = validated_world(world, until="reported")
    client, run = browser(world.author), evidence.run
    answer = client.get(url_of(run))
    said, page = text_of(answer), answer.content.decode()
    assert "400 of 400 rows of Trial data v2 scored; none excluded" in said or "400 of 400 rows" in said
    assert "No other finished run of VP-1 yet." in said
    for heading in ("Confusion matrix", "All figures", "Training against test"):
        assert heading in said
    assert "0.5 locked" in said
    assert page.count('role="img"') == 2
    for table in ("figures", "calibration", "thresholds"):
        file = client.get(reverse("web:run_csv", args=[run.number, table]))
        assert file.headers["Content-Type"] == "text/csv; charset=utf-8"
        assert len(file.content.decode().splitlines()) > 5
    assert client.get(reverse("web:run_csv", args=[run.number, "cases"])).status_code == 404
    assert (
        browser(world.stranger).get(reverse("web:run_csv", args=[run.number, "figures"])).status_code == 404
    )


@pytest.mark.evidence("locked")
def test_a_run_is_cancelled_on_its_page_and_stays_in_the_register(world):
    evidence = validated_world(world, until="locked")
    run = start_run(world.validator, evidence.plan.pk)
    client, url = browser(world.validator), reverse("web:run_cancel", args=[run.number])
    assert client.get(url).status_code == 200
    assert client.post(url, {"reason": "", "idempotency_key": "k"}).status_code == 422
    assert client.post(url, {"reason": "Wrong plan", "idempotency_key": "k"}).headers["Location"] == url_of(
        run
    )
    said = text_of(client.get(url_of(run)))
    assert "The run was cancelled. Wrong plan" in said
    assert "Cancelled" in text_of(client.get(reverse("web:runs"), {"state": "cancelled"}))
    assert client.get(url).status_code == 409
    assert browser(world.author).post(url, {"reason": "x"}).status_code == 403


@pytest.mark.evidence("run")
def test_two_runs_are_compared_by_number_and_what_cannot_be_compared_is_said(world):
    evidence = validated_world(world, until="run")
    client, url = browser(world.author), reverse("web:run_compare")
    assert client.get(url).status_code == 200
    number = evidence.run.number
    same = client.get(url, {"first": number, "second": number})
    assert (same.status_code, "Choose two different runs." in text_of(same)) == (422, True)
    assert client.get(url, {"first": number, "second": 999}).status_code == 404
    assert client.get(url, {"first": "x", "second": ""}).status_code == 422
    again = done_run(world, evidence.plan)
    said = text_of(client.get(url, {"first": number, "second": again.number}))
    assert "Accuracy 400" in said
    assert "mcnemar, mid-p" in said
    assert "delong, paired" in said
    assert "Same bytes as R-1" in text_of(client.get(url_of(again)))


def test_how_many_cases_are_enough_is_worked_out_and_bad_input_is_said(world):
    client, url = browser(world.author), reverse("web:sample_size")
    asked = {"wanted": "limit", "expected": "0.9", "limit": "0.8", "power": "0.8", "groups": "a=0.2\nb=0.8"}
    said = text_of(client.get(url, asked | {"prevalence": "0.25"}))
    assert "cases that count, in each group." in said
    for wrong, words in (
        ({"limit": "0.95"}, "no number of cases can show it"),
        ({"limit": ""}, "Fill in the limit"),
        ({"expected": "much"}, "”: enter a number"),
        ({"groups": "a"}, "name = share"),
        ({"prevalence": "0"}, "above 0"),
    ):
        answer = client.get(url, asked | wrong)
        assert (answer.status_code, words in text_of(answer)) == (422, True), wrong
