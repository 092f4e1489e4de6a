"""Deviations in the browser: opened, shown with their source, decided by somebody else, run out."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.core import clock
from apps.quality.acts import accept_deviation, open_deviation
from apps.quality.models import Deviation
from apps.trail.models import Entry
from tests.cast import PASSWORD
from tests.factories.doors import browser, refs, text_of
from tests.factories.evidence import CRITERIA, signed, validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("frozen")]
QUERIES = 5
TYPED = {
    "title": "Clock was wrong",
    "description": "Two minutes slow.",
    "blocking": "no",
    "idempotency_key": "k1",
}


@pytest.fixture
def frozen(world):
    return validated_world(world, until="frozen")


def opened(world, evidence, by="validator", **changes) -> Deviation:
    given = {"title": "Clock was wrong", "description": "Two minutes slow."} | changes
    return open_deviation(world.people[by], evidence.version.pk, **given)


def url_of(deviation) -> str:
    return reverse("web:deviation", args=[deviation.number])


def test_a_deviation_is_opened_by_hand_once(world, frozen):
    client, url = browser(world.validator), reverse("web:deviation_new", args=[frozen.version.pk])
    answers = [client.post(url, TYPED) for _ in range(2)]
    assert {a.headers["Location"] for a in answers} == {"/deviations/1/"}
    made = Deviation.objects.get()
    assert (made.title, made.blocking, made.raised_by) == ("Clock was wrong", False, world.validator)


def test_bad_input_stands_beside_its_field_and_is_kept(world, frozen):
    url = reverse("web:deviation_new", args=[frozen.version.pk])
    answer = browser(world.validator).post(url, TYPED | {"title": ""})
    assert answer.status_code == 422
    assert 'aria-describedby="id_title-hint id_title-error"' in answer.content.decode()
    assert "Two minutes slow." in answer.content.decode()
    assert not Deviation.objects.exists()


def test_who_may_not_open_one_hears_who_may(world, frozen):
    url = reverse("web:deviation_new", args=[frozen.version.pk])
    assert browser(world.stranger).post(url, TYPED).status_code == 404
    for answer in (browser(world.author).get(url), browser(world.author).post(url, TYPED)):
        assert answer.status_code == 403
        assert "Validator Person" in text_of(answer)
    assert Entry.objects.filter(kind="refusal").latest("id").act == "quality.open_deviation"


def test_a_failed_criterion_leads_to_its_run_and_names_who_stands_behind_it(world):
    evidence = validated_world(world, until="run", criteria=[CRITERIA[0] | {"limit": "0.999"}])
    deviation = Deviation.objects.get()
    answer = browser(world.approver).get(url_of(deviation))
    said, page = text_of(answer), answer.content.decode()
    assert f'<a href="/runs/{evidence.run.number}/">R-1</a>' in page
    assert "Countersign worker @" in said
    assert "for Validator Person @validator" in said
    assert f'href="/sign/quality.accept_deviation/{deviation.pk}/"' in page
    assert "Blocks the release until it is accepted or closed" in said


def test_an_acceptance_is_signed_with_its_end_and_runs_out(world, frozen, monkeypatch):
    deviation = opened(world, frozen)
    client, sign = (
        browser(world.approver),
        reverse("web:sign", args=["quality.accept_deviation", deviation.pk]),
    )
    form = {
        "digest": signed(deviation).digest,
        "idempotency_key": "k5",
        "decision": "approved",
        "expires_at": "2027-01-31 12:00",
        "reason": "No effect on the results",
        "password": PASSWORD,
    }
    assert client.post(sign, form).status_code == 302
    said = text_of(client.get(url_of(deviation)))
    assert "Accepted until 2027-01-31 12:00 UTC" in said
    assert "VALID Approver Person @approver" in said
    assert "No effect on the results" in said
    later = clock.now() + timedelta(days=365)
    for module in ("apps.web.views.deviations", "apps.quality.acts"):
        monkeypatch.setattr(f"{module}.now", lambda: later)
    page = client.get(url_of(deviation))
    assert "The acceptance has run out; it counts as open." in text_of(page)
    assert f'href="{sign}"' in page.content.decode()
    assert "Acceptance has run out" in text_of(client.get("/deviations/"))


def test_who_raised_it_cannot_decide_it(world, frozen):
    deviation = opened(world, frozen, by="approver")
    page = browser(world.approver).get(url_of(deviation))
    assert "Rule DY13:" in text_of(page)
    assert "Approver2 Person" in text_of(page)
    assert "/sign/quality" not in page.content.decode()
    assert "/sign/quality.close_deviation" in browser(world.approver2).get(url_of(deviation)).content.decode()


def test_the_register_holds_exactly_the_deviations_one_may_see(world, frozen, django_assert_num_queries):
    first = opened(world, frozen)
    client = browser(world.approver)
    client.get("/deviations/")
    with django_assert_num_queries(QUERIES):
        assert refs(client.get("/deviations/"), "DEV") == ["DEV-1"]
    opened(world, frozen, blocking=False)
    opened(world, frozen)
    accept_deviation(world.approver, first.pk, reason="Small", signature=signed(first))
    with django_assert_num_queries(QUERIES):
        assert refs(client.get("/deviations/"), "DEV") == ["DEV-3", "DEV-2", "DEV-1"]
    assert refs(client.get("/deviations/", {"state": "open"}), "DEV") == ["DEV-3", "DEV-2"]
    assert refs(client.get("/deviations/", {"blocking": "no"}), "DEV") == ["DEV-2"]
    assert refs(browser(world.other_developer).get("/deviations/"), "DEV") == []
    assert browser(world.stranger).get(url_of(first)).status_code == 404
