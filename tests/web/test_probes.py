"""Probes in the browser: limits written and signed, reports watched and read, files handed in, sections, exports."""

from __future__ import annotations

import csv
import io

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.analysis.probes import PROBES
from apps.core import blobs
from apps.core.jobs import run_queued
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport
from apps.validations.stored import read_results
from tests.factories.doors import browser, text_of
from tests.factories.evidence import validated_world
from tests.factories.probes import BOUNDS, LIMITS, SERVED, TRAINED, locked_probes, probed

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("locked")]


@pytest.fixture
def locked(world):
    return validated_world(world, until="locked")


def filled(**changes) -> dict[str, str]:
    """The form as somebody fills it in."""
    typed = {**BOUNDS, "flips": "0", "rationale": "Sensors drift.", "private_training": "not_used"}
    typed |= {"no_answer": "No field is ever empty.", "idempotency_key": "k"}
    for one in LIMITS:
        typed |= {f"{one['probe']}-{name}": str(one[name]) for name in ("limit", "rule", "min_n")}
    return typed | changes


def test_limits_are_written_in_one_form_that_loses_nothing(world, locked):
    client, url = browser(world.validator), reverse("web:probe_plan_new", args=[locked.plan.pk])
    asked = text_of(client.get(url))
    assert all(probe.label in asked for probe in PROBES.values())
    assert asked.count("needed at this tier") >= 2
    wrong = client.post(
        url, filled(**{"noise_5-limit": "", "units-limit": "2", "rows": "7", "rationale": " "})
    )
    said = text_of(wrong)
    assert wrong.status_code == 422
    assert "There is a problem" in said
    assert "Fill in “Rationale”." in said
    assert 'value="7"' in wrong.content.decode()
    assert 'value="2"' in wrong.content.decode()
    judged = client.post(url, filled(**{"noise_5-limit": "", "units-limit": "2", "rows": "7"}))
    assert "The limit of “Wrong unit”" in text_of(judged)
    assert "whole number from 100 to 100,000" in text_of(judged)
    absent = client.post(url, filled(**{"noise_5-limit": ""}))
    assert "needs a limit too: noise of 5 %" in text_of(absent)
    answer = client.post(url, filled())
    plan = ProbePlan.objects.get()
    assert answer.headers["Location"] == reverse("web:probe_plan", args=[plan.number])
    assert {line["probe"] for line in plan.limits} == {one["probe"] for one in LIMITS}
    page = client.get(answer.headers["Location"]).content.decode()
    assert "robustness.sign_plan_author" in page
    assert "style=" not in page
    sign = client.get(reverse("web:sign", args=["robustness.sign_plan_author", plan.pk]))
    assert "What is done" in text_of(sign)
    assert browser(world.author).get(url).status_code == 403
    assert browser(world.author).post(url, filled()).status_code == 403
    assert browser(world.other_developer).get(url).status_code == 404


def test_a_report_is_asked_for_watched_cancelled_and_read(world, locked):
    plan = locked_probes(world, locked.plan)
    client, url = browser(world.bias_tester), reverse("web:probe_request", args=[plan.number])
    assert url in client.get(reverse("web:probe_plan", args=[plan.number])).content.decode()
    answers = [client.post(url, {"idempotency_key": "k1"}) for _ in range(2)]
    report = ProbeReport.objects.get()
    shown = reverse("web:probe_report", args=[report.number])
    assert {a.headers["Location"] for a in answers} == {shown}
    live = client.get(shown, HTTP_HX_REQUEST="true").content.decode()
    assert 'hx-trigger="every 2s"' in live
    cancel = reverse("web:probe_cancel", args=[report.number])
    assert cancel in live
    assert cancel not in browser(world.author).get(shown).content.decode()
    assert client.get(reverse("web:probe_csv", args=[report.number])).status_code == 409
    assert "Say why." in text_of(client.post(cancel, {"reason_code": "error", "idempotency_key": "k2"}))
    assert ProbeReport.objects.get().state == "queued"
    client.post(cancel, {"reason_code": "error", "reason": "Wrong files", "idempotency_key": "k2"})
    assert "An error is put right: Wrong files" in text_of(client.get(shown))
    client.post(url, {"idempotency_key": "k3"})
    run_queued()
    report = ProbeReport.objects.first()
    answer = client.get(reverse("web:probe_report", args=[report.number]))
    said, page = text_of(answer), answer.content.decode()
    assert "Within limits Within the limit, at most 0.1: Noise of 5 %" in said
    assert "The upright mark is the limit" in said
    assert "No number: no files of the two pipelines were handed in" in said
    assert "no row of the test data is shown here" in said
    assert f"300 cases of {locked.test.ref}, which give every probe its scale" in said
    assert f"300 training rows of {locked.train.ref}." in said
    assert "No usable answer" in said
    assert page.count("<figure") == page.count('role="img"') == 1
    assert "style=" not in page
    assert report.results_digest in page
    # Developers may read the report: it names no case, and no value of one.
    assert "P10" not in browser(world.author).get(answer.request["PATH_INFO"]).content.decode()


def test_figures_are_taken_away_as_csv_and_as_the_bytes_behind_the_digest(world, locked):
    report = probed(world, locked.plan)
    client = browser(world.bias_tester)
    answer = client.get(reverse("web:probe_csv", args=[report.number]))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert answer["Content-Disposition"] == f'attachment; filename="{report.ref}.csv"'
    assert {row["line"] for row in rows} == {"finding", "limit"}
    assert {row["probe"] for row in rows} == {one["probe"] for one in LIMITS}
    assert not any(cell.startswith(("=", "+", "@")) for row in rows for cell in row.values())
    taken = client.get(reverse("web:probe_json", args=[report.number])).content
    assert taken == blobs.read(report.results_digest, area="results")
    assert read_results(report.results_digest)["schema"] == "robustness.results/3"


def test_files_are_handed_in_kept_on_an_error_and_shown(world, locked):
    client, url = browser(world.author), reverse("web:probe_files", args=[locked.version.pk])
    assert "Column that names the rows" in text_of(client.get(url))
    first = {"kind": "parity", "file": SimpleUploadedFile("trained.csv", TRAINED), "key_column": "case"}
    wrong = client.post(url, first)
    assert wrong.status_code == 422
    assert "two files are compared" in text_of(wrong)
    assert "Received: trained.csv" in text_of(wrong)
    kept = wrong.context["form"].data["file_kept"]
    second = SimpleUploadedFile("served.csv", SERVED)
    answer = client.post(
        url, {"kind": "parity", "file_kept": kept, "second": second, "key_column": "case", "tolerance": "0"}
    )
    evidence = ProbeEvidence.objects.get()
    assert answer.status_code == 302
    section = client.get(answer.headers["Location"])
    assert "0 of 3 rows differ" in text_of(section)
    assert evidence.second_digest in section.content.decode()
    assert browser(world.approver).get(url).status_code == 403
    assert browser(world.approver).post(url, {}).status_code == 403


def test_the_section_shows_limits_report_and_what_is_open(world, locked, django_assert_max_num_queries):
    version = locked.version
    url = reverse("web:section", args=[version.model.slug, version.label, "robustness"])
    client = browser(world.validator)
    assert "None yet. A validator or bias tester writes them" in text_of(client.get(url))
    report = probed(world, locked.plan)
    client.get(url)
    with django_assert_max_num_queries(34):
        said = text_of(client.get(url))
    assert report.ref in said
    assert report.plan.ref in said
    assert "Training and serving alike as handed in Within limits" in said


@pytest.mark.parametrize("rows", [1, 3])
def test_the_register_holds_exactly_the_reports_one_may_see(world, locked, django_assert_num_queries, rows):
    from apps.robustness.acts import request_report

    plan = locked_probes(world, locked.plan)
    for _ in range(rows):
        request_report(world.validator, plan.pk)
        ProbeReport.objects.update(state="done", verdict="within")
    client = browser(world.author)
    client.get(reverse("web:probe_reports"))
    with django_assert_num_queries(5):
        said = text_of(client.get(reverse("web:probe_reports")))
    assert all(f"PR-{n}" in said for n in range(1, rows + 1))
    assert "PR-" not in text_of(browser(world.other_developer).get(reverse("web:probe_reports")))
