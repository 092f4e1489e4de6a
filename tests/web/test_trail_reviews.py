"""Trail reviews in the browser: opened, gone through, found in, signed; and by whom not."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from apps.quality.models import Deviation, TrailFinding, TrailReview
from apps.quality.review_acts import (
    mark_trail_entries,
    open_trail_review,
    record_trail_finding,
    withdraw_trail_review,
)
from apps.registry.acts import add_author
from apps.trail.models import Signature
from tests.cast import PASSWORD
from tests.factories.doors import browser, refs, text_of
from tests.factories.evidence import signed, validated_world
from tests.factories.reviews import seen_whole, trail_reviewed

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("locked")]


@pytest.fixture
def version(world):
    return validated_world(world, until="locked").version


@pytest.fixture
def review(world, version) -> TrailReview:
    return open_trail_review(world.owner, version.pk)


def page_of(review, tail="") -> str:
    return reverse("web:trail_review", args=[review.number]) + tail


def test_a_review_is_opened_gone_through_and_signed(world, version):
    owner, reviewer = browser(world.owner), browser(world.compliance2)
    section = owner.get(f"/models/lotx/{version.label}/audit/")
    assert "No review of the trail of this version that you may see." in text_of(section)
    url = reverse("web:trail_review_new", args=[version.pk])
    assert url in section.content.decode()
    asked = {"whole": "no", "idempotency_key": "open"}
    assert {owner.post(url, asked).headers["Location"] for _ in range(2)} == {"/trail-reviews/1/"}
    review = TrailReview.objects.get()
    shown = text_of(reviewer.get(page_of(review)))
    assert f"{len(review.shown)} of {len(review.shown)} entries still to be seen" in shown
    assert review.seed in shown
    assert f"a tree of {review.until_size} leaves" in shown
    for code, entries in (*review.exceptions.items(), ("sample", review.sample)):
        if entries:
            given = {
                "entries": entries,
                "comment": "In order.",
                "show": code,
                "idempotency_key": f"seen {code}",
            }
            answer = reviewer.post(page_of(review, "seen/"), given)
            assert answer.headers["Location"].startswith(page_of(review))
    assert f"All {len(review.shown)} entries are seen" in text_of(reviewer.get(page_of(review)))
    review = TrailReview.objects.select_related("version__model", "opened_by").get()
    sign = reverse("web:sign", args=["quality.sign_trail_review", review.pk])
    ceremony = text_of(reviewer.get(sign))
    assert "Exceptions and sample" in ceremony
    assert "I have reviewed this record." in ceremony
    answer = reviewer.post(
        sign,
        {
            "digest": signed(review).digest,
            "decision": "approved",
            "password": PASSWORD,
            "reason": "",
            "idempotency_key": "sign",
        },
    )
    assert answer.status_code == 302
    assert Signature.objects.filter(subject_kind="quality.trail_review").count() == 1
    assert "Current: no act has come since" in text_of(reviewer.get(page_of(review)))
    assert "TR-1 covers every act" in text_of(owner.get(f"/models/lotx/{version.label}/audit/"))


def test_who_acted_reads_why_they_may_not_and_who_may(world, review):
    shown = text_of(browser(world.approver).get(page_of(review)))
    assert "You approved and locked a validation plan" in shown
    assert "DY14" in shown
    assert "Cora Compliance" in shown
    assert 'name="entries"' not in browser(world.approver).get(page_of(review)).content.decode()
    given = {"entries": review.sample, "comment": "x", "idempotency_key": "k"}
    assert browser(world.approver).post(page_of(review, "seen/"), given).status_code == 409


@pytest.mark.parametrize(("who", "status"), [("stranger", 404), ("other_owner", 404), ("author", 403)])
def test_who_may_not(world, review, who, status):
    client = browser(world.people[who])
    given = {"entries": review.sample, "comment": "x", "idempotency_key": "k"}
    assert client.post(page_of(review, "seen/"), given).status_code == status
    assert (
        client.post(
            page_of(review, "finding/"), {"text": "a", "weight": "action", "idempotency_key": "k"}
        ).status_code
        == status
    )
    assert client.get(page_of(review)).status_code == (404 if status == 404 else 200)
    assert client.get(page_of(review, "withdraw/")).status_code == status
    assert (
        client.post(page_of(review, "withdraw/"), {"reason": "x", "idempotency_key": "k"}).status_code
        == status
    )


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({}, "Choose at least one entry."),
        ({"entries": ["9999999"]}, "Entry 9999999 is not shown by this review."),
        ({"entries": ["one"]}, "Entry one is not shown"),
        ({"entries": ["1\x00"]}, "is not shown"),
    ],
)
def test_bad_marks_are_told(world, review, given, told):
    answer = browser(world.compliance2).post(
        page_of(review, "seen/"), {"comment": "kept", "idempotency_key": "k", "show": "sample"} | given
    )
    assert answer.status_code == 422
    assert told in text_of(answer)
    assert "kept" in answer.content.decode()


def test_a_missing_comment_is_told_beside_the_field_and_the_ticks_are_kept(world, version):
    add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Forgotten")
    review = open_trail_review(world.owner, version.pk)
    [late] = review.exceptions["late_edits"]
    answer = browser(world.compliance2).post(
        page_of(review, "seen/"),
        {"entries": [late], "comment": "", "show": "late_edits", "idempotency_key": "k"},
    )
    assert answer.status_code == 422
    html = answer.content.decode()
    assert 'aria-describedby="id_comment-hint id_comment-error"' in html
    assert f'value="{late}" data-select aria-label="Entry {late}" checked' in html


def test_a_finding_opens_its_deviation_once(world, review):
    client = browser(world.compliance2)
    given = {
        "text": "Approved in seconds.",
        "weight": "action",
        "entry": review.sample[0],
        "idempotency_key": "f",
    }
    assert client.post(page_of(review, "finding/"), given).status_code == 302
    finding = TrailFinding.objects.get()
    shown = text_of(client.get(page_of(review)))
    assert "TR-1/1: Needs a deviation" in shown
    url = reverse("web:trail_finding_deviation", args=[finding.pk])
    assert "Approved in seconds." in client.get(url).content.decode()
    typed = {"title": "Fast", "description": "Too fast.", "blocking": "yes"}
    assert client.post(url, typed | {"idempotency_key": "d1"}).status_code == 302
    assert client.post(url, typed | {"idempotency_key": "d2"}).status_code == 409
    made = Deviation.objects.get()
    assert f"DEV-{made.number}" in text_of(client.get(page_of(review)))
    assert "TR-1/1" in text_of(client.get(reverse("web:deviation", args=[made.number])))


def test_bad_findings_stand_beside_their_field(world, review):
    client = browser(world.compliance2)
    for given, told in (
        ({"text": "", "weight": "action"}, "id_text-error"),
        ({"text": "a", "weight": "action", "entry": "99999999"}, "id_entry-error"),
        ({"text": "a", "weight": "no"}, "id_weight-error"),
    ):
        answer = client.post(page_of(review, "finding/"), given | {"idempotency_key": "k"})
        assert (answer.status_code, told in answer.content.decode()) == (422, True)


def test_the_range_is_taken_up_to_now_and_a_review_is_withdrawn_with_a_reason(world, version, review):
    add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Forgotten")
    client = browser(world.owner)
    assert "1 act came after the range ended" in text_of(client.get(page_of(review)))
    assert client.post(page_of(review, "extend/"), {"idempotency_key": "e"}).status_code == 302
    assert "came after the range ended" not in text_of(client.get(page_of(review)))
    answer = client.post(page_of(review, "withdraw/"), {"reason": "", "idempotency_key": "w"})
    assert "Say why." in text_of(answer)
    assert (
        client.post(page_of(review, "withdraw/"), {"reason": "No", "idempotency_key": "w"}).status_code == 302
    )
    review.refresh_from_db()
    assert review.state == "withdrawn"


def test_a_signed_review_says_when_it_is_out_of_date(world, version):
    done = trail_reviewed(world, version)
    add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Forgotten")
    assert "1 act since." in text_of(browser(world.owner).get(page_of(done)))
    assert "1 act came after what TR-1 covers" in text_of(
        browser(world.owner).get(f"/models/lotx/{version.label}/audit/")
    )


def test_the_register_shows_what_one_may_see_in_the_same_number_of_queries(world, version, review):
    client = browser(world.compliance)
    client.get("/trail-reviews/")
    with CaptureQueriesContext(connection) as few:
        assert refs(client.get("/trail-reviews/"), "TR") == ["TR-1"]
    assert refs(browser(world.stranger).get("/trail-reviews/"), "TR") == []
    assert refs(browser(world.other_owner).get("/trail-reviews/"), "TR") == []
    for _ in range(2):
        withdraw_trail_review(world.owner, TrailReview.objects.latest("number").pk, reason="Again")
        open_trail_review(world.owner, version.pk)
    with CaptureQueriesContext(connection) as many:
        assert refs(client.get("/trail-reviews/"), "TR") == ["TR-3", "TR-2", "TR-1"]
    assert len(many) == len(few)


def test_a_page_of_many_marks_asks_as_much_as_one_of_few(world, version, review):
    client = browser(world.compliance2)
    record_trail_finding(world.compliance2, review.pk, text="One.")
    mark_trail_entries(world.compliance2, review.pk, entries=review.sample[:1], comment="x")
    client.get(page_of(review))
    with CaptureQueriesContext(
        connection,
    ) as few:
        client.get(page_of(review, "?show=all"))
    seen_whole(review, world.compliance2)
    with CaptureQueriesContext(connection) as many:
        client.get(page_of(review, "?show=all"))
    assert len(many) == len(few)


def test_it_is_found_by_its_reference(world, review):
    answer = browser(world.owner).get("/search/?q=TR-1", follow=True)
    assert page_of(review) in (answer.request["PATH_INFO"], *answer.content.decode().split('"'))


def test_nothing_is_ticked_for_the_reviewer(world, review):
    """Who reviews says of each entry that they have seen it: no page says it for them."""
    html = browser(world.compliance2).get(page_of(review)).content.decode()
    boxes = re.findall(r'<input type="checkbox" name="entries"[^>]*>', html)
    assert boxes
    assert not [box for box in boxes if "checked" in box]
