"""Explanations in the browser: asked for, watched, read, reviewed and signed by two, submitted, taken away."""

from __future__ import annotations

import csv
import io
import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.explanation.acts import request_report
from apps.explanation.models import Report
from tests.cast import PASSWORD
from tests.factories.doors import browser, refs, text_of
from tests.factories.evidence import validated_world
from tests.factories.explanations import explained, read, submitted

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("run")]
QUERIES = 5


@pytest.fixture
def tested(world):
    return validated_world(world, until="run")


def url_of(report) -> str:
    return reverse("web:explanation", args=[report.number])


def test_it_is_asked_for_in_its_section_watched_cancelled_and_begun_again(world, tested):
    client = browser(world.validator)
    section = reverse("web:section", args=["lotx", "1.0.0", "explainability"])
    url = reverse("web:explanation_request", args=[tested.run.number])
    page = client.get(section).content.decode()
    assert url in page
    assert reverse("web:explanation_submit", args=[tested.run.number]) in page
    answers = [client.post(url, {"idempotency_key": "k1"}) for _ in range(2)]
    assert {a.headers["Location"] for a in answers} == {"/explanations/1/"}
    report = Report.objects.get()
    live = client.get(url_of(report), HTTP_HX_REQUEST="true").content.decode()
    assert 'hx-trigger="every 2s"' in live
    assert "<html" not in live
    assert client.get(reverse("web:explanation_csv", args=[1])).status_code == 409
    assert client.post(url, {"idempotency_key": "k2"}).status_code == 409
    stop = reverse("web:explanation_cancel", args=[1])
    empty = client.post(stop, {"idempotency_key": "k3", "reason": ""})
    assert empty.status_code == 422
    assert "Say why." in text_of(empty)
    assert (
        client.post(
            stop, {"idempotency_key": "k3", "reason_code": "error", "reason": "Wrong run"}
        ).status_code
        == 302
    )
    told = text_of(client.get(url_of(report)))
    assert "Cancelled" in told
    assert "Wrong run" in told
    assert browser(world.stranger).get(url_of(report)).status_code == 404
    refused = browser(world.author).post(url)
    assert refused.status_code == 403
    assert "Who may: Validator Person." in text_of(refused)


def test_it_is_read_reviewed_and_signed_by_expert_and_quality(world, tested):
    report = explained(world, tested.run)
    answer = browser(world.author).get(url_of(report))
    told, page = text_of(answer), answer.content.decode()
    for sentence in (
        report.summary["features"][0]["sentence"],
        report.summary["stability"],
        report.summary["surrogate"],
        report.summary["examples"][0]["sentence"],
    ):
        assert sentence in told
    assert "Seeds 11, 12" in told
    assert "One by one 100 cases, against 100 others" in told
    assert page.count('role="img"') == 1
    assert "style=" not in page
    for digest in (report.results_digest, report.cases_digest, report.chart_digest):
        assert digest in page
    rows = list(
        csv.DictReader(
            io.StringIO(browser(world.author).get(f"{url_of(report)}figures.csv").content.decode())
        )
    )
    assert {row["line"] for row in rows} == {"feature", "example", "surrogate"}
    kept = json.loads(browser(world.author).get(f"{url_of(report)}figures.json").content)
    assert kept["results_digest"] == report.results_digest

    expert, form = browser(world.process_expert), reverse("web:explanation_review", args=[report.number])
    assert form in expert.get(url_of(report)).content.decode()
    assert browser(world.author).get(form).status_code == 403
    assert "marker matters most" in text_of(expert.get(form))
    given = {"conclusion": "The marker leads.", "idempotency_key": "k1", "surrogate.decision": "plausible"}
    for i in range(3):
        given[f"features.{i}.decision"] = "plausible"
    blank = expert.post(form, {"idempotency_key": "k0"})
    assert blank.status_code == 422
    said = text_of(blank)
    assert "Decide on the surrogate tree" in said  # and not the conclusion alone, then the rest
    assert said.count("Decide on “") >= 3
    assert "why the model may be believed, or not" in said
    assert "(optional)" not in said
    bad = expert.post(form, given | {"features.1.decision": "not_plausible", "surrogate.decision": ""})
    assert bad.status_code == 422
    assert "Say why “" in text_of(bad)
    assert "Decide on the surrogate tree" in text_of(bad)
    assert "The marker leads." in bad.content.decode()
    sign = reverse("web:sign", args=["explanation.sign_review_expert", report.pk])
    assert expert.post(form, given).headers["Location"] == sign

    for client, url, extra in (
        (expert, sign, {}),
        (
            browser(world.approver),
            reverse("web:sign", args=["explanation.sign_review_quality", report.pk]),
            {"reason": ""},
        ),
    ):
        shown = client.get(url)
        assert "The review you sign" in text_of(shown)
        form_data = shown.context["form"].initial
        done = client.post(
            url,
            {
                "digest": form_data["digest"],
                "idempotency_key": form_data["idempotency_key"],
                "decision": "approved",
                "password": PASSWORD,
                **extra,
            },
        )
        assert done.status_code == 302, text_of(done)
    assert read(report).review_state == "approved"
    after = text_of(browser(world.inspector).get(url_of(report)))
    assert "Review approved" in after
    assert "Process Expert Person" in after
    assert "I have reviewed this record and approve it" in after
    section = text_of(
        browser(world.owner).get(reverse("web:section", args=["lotx", "1.0.0", "explainability"]))
    )
    assert "marker matters most" in section
    signatures = browser(world.owner).get(reverse("web:section", args=["lotx", "1.0.0", "signatures"]))
    assert report.ref in text_of(signatures)


def test_one_made_elsewhere_is_submitted_and_marked(world, tested):
    client, url = browser(world.validator), reverse("web:explanation_submit", args=[tested.run.number])
    data = {"method": "lime", "library": "lime 0.2", "idempotency_key": "k1"}
    none = client.post(url, data)
    assert none.status_code == 422
    assert "Choose the file with the explanation." in text_of(none)
    wrong = client.post(url, data | {"file": SimpleUploadedFile("x.csv", b"age,colour\n1,2\n")})
    assert "The version has no feature colour" in text_of(wrong)
    assert 'value="lime 0.2"' in wrong.content.decode()
    good = client.post(url, data | {"file": SimpleUploadedFile("x.csv", b"age,marker\n0.1,2\n0.3,-1\n")})
    report = Report.objects.get()
    assert good.headers["Location"] == url_of(report)
    told = text_of(client.get(url_of(report)))
    assert "Submitted, not computed here" in told
    assert "as submitted it moves the output by 1.500" in told
    assert browser(world.author).get(url).status_code == 403


def test_the_register_holds_exactly_the_explanations_one_may_see(world, tested, django_assert_num_queries):
    first = request_report(world.validator, tested.run.pk)
    client, url = browser(world.author), reverse("web:explanations")
    client.get(url)
    with django_assert_num_queries(QUERIES):
        assert refs(client.get(url), "XR") == [first.ref]
    more = [submitted(world, tested.run).ref for _ in range(2)]
    with django_assert_num_queries(QUERIES):
        assert refs(client.get(url), "XR") == [*reversed(more), first.ref]
    assert refs(client.get(f"{url}?state=done"), "XR") == [*reversed(more)]
    assert refs(client.get(f"{url}?origin=computed&review=none&model=lotx&version=1.0.0"), "XR") == [
        first.ref
    ]
    assert refs(browser(world.other_developer).get(url), "XR") == []
