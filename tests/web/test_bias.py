"""Bias reports in the browser: verdicts in sentences, charts, every figure, CSV."""

from __future__ import annotations

import csv
import io

import pytest
from django.urls import reverse

from apps.fairness.acts import request_report
from apps.fairness.models import Report
from apps.quality.models import Deviation
from apps.web.criteria import LIMIT_RULE_WORDS
from tests.factories.doors import browser, refs, text_of
from tests.factories.evidence import BIAS_LIMITS, done_report, validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("frozen")]
QUERIES = 5
TOO_STRICT = {
    "id": "F3",
    "metric": "equal_opportunity_difference",
    "column": "site",
    "limit": "0.01",
    "rule": "far",
    "min_n": 300,
}


@pytest.fixture
def reported(world):
    return validated_world(world, bias_limits=[*(dict(one) for one in BIAS_LIMITS), TOO_STRICT])


def url_of(report) -> str:
    return reverse("web:bias_report", args=[report.number])


def test_each_limit_has_its_verdict_in_a_sentence_with_n_and_interval(world, reported):
    answer = browser(world.author).get(url_of(reported.report))
    said, page = text_of(answer), answer.content.decode()
    first = reported.report.summary[0]
    figures = f"{float(first['value']):.3f} ({float(first['low']):.3f} to {float(first['high']):.3f})"
    judged_on = LIMIT_RULE_WORDS[first["rule"]]
    assert "F1, Equal opportunity, difference by sex. Within limit: the one comparison keeps it" in said
    assert f"F1 Within limits {figures} sex = female and sex = male 108 and 100 ≤ 0.25 {judged_on} 30" in said
    assert "Too little data to tell F3, Equal opportunity, difference by site." in said
    assert page.count("<figure") == page.count('role="img"') == 8
    assert "too few to judge" in page
    assert "style=" not in page
    deviation = Deviation.objects.get(criterion="F3")
    assert f'href="/deviations/{deviation.number}/"' in page
    for digest in (reported.report.results_digest, reported.report.cells_digest, reported.run.cases_digest):
        assert digest in page


def test_every_group_and_pair_stands_in_the_tables(world, reported):
    said = text_of(browser(world.author).get(url_of(reported.report)))
    assert "By sex: 2 groups" in said
    assert "By site: 3 groups" in said
    assert "By sex and site: 6 groups" in said
    assert "Selection rate sex = female sex = male" in said


def test_the_csv_holds_every_figure(world, reported):
    answer = browser(world.author).get(reverse("web:bias_csv", args=[reported.report.number]))
    rows = list(csv.DictReader(io.StringIO(answer.content.decode())))
    assert answer["Content-Disposition"] == 'attachment; filename="B-1.csv"'
    assert {row["line"] for row in rows} == {"group", "calibration", "difference", "ratio", "limit"}
    assert [row["verdict"] for row in rows if row["line"] == "limit"] == ["within", "within", "undecided"]


def test_a_report_is_asked_for_on_the_run_once_and_watched(world):
    run = validated_world(world, until="run").run
    client, url = browser(world.bias_tester), reverse("web:bias_request", args=[run.number])
    assert url in client.get(reverse("web:run", args=[run.number])).content.decode()
    answers = [client.post(url, {"idempotency_key": "k1"}) for _ in range(2)]
    assert {a.headers["Location"] for a in answers} == {"/bias/1/"}
    report = Report.objects.get()
    live = client.get(url_of(report), HTTP_HX_REQUEST="true").content.decode()
    assert 'hx-trigger="every 2s"' in live
    assert "<html" not in live
    assert client.get(reverse("web:bias_csv", args=[1])).status_code == 409
    assert client.post(url, {"idempotency_key": "k2"}).status_code == 409


def test_who_may_see_and_who_may_compute(world, reported):
    url = reverse("web:bias_request", args=[reported.run.number])
    refused = browser(world.author).post(url)
    assert refused.status_code == 403
    assert "Who may: Bias Tester Person." in text_of(refused)
    assert browser(world.stranger).get(url_of(reported.report)).status_code == 404
    assert browser(world.stranger).get(reverse("web:bias_csv", args=[1])).status_code == 404
    assert Report.objects.count() == 1


def test_the_register_holds_exactly_the_reports_one_may_see(world, reported, django_assert_num_queries):
    client = browser(world.bias_tester)
    client.get("/bias/")
    with django_assert_num_queries(QUERIES):
        assert refs(client.get("/bias/"), "B") == ["B-1"]
    done_report(world, reported.run)
    request_report(world.bias_tester, reported.run.pk)
    with django_assert_num_queries(QUERIES):
        assert refs(client.get("/bias/"), "B") == ["B-3", "B-2", "B-1"]
    assert refs(client.get("/bias/", {"verdict": "undecided"}), "B") == ["B-2", "B-1"]
    assert refs(browser(world.other_developer).get("/bias/"), "B") == []
