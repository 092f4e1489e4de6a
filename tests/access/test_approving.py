"""Several requests approved in one go: each an act of its own, each refusal with its reason, which is which."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.access import acts
from apps.access.approving import MOST, approve_many, told
from apps.access.models import Assignment
from apps.core.errors import BadInput, NotAllowed
from apps.trail.models import Entry
from tests.access.people import crowd
from tests.access.telling import assert_told
from tests.factories.doors import browser, session_api, text_of, token_api

pytestmark = pytest.mark.django_db
APPROVE = "access.approve_assignment"


def ask(world, person, duty="developer", by="owner", **more) -> Assignment:
    given = {"scope_kind": "registry.model", "scope_id": world.model.pk} | more
    return acts.request_assignment(
        world.people[by], person_id=world.people[person].pk, duty=duty, reason="Joins the team", **given
    )


@pytest.fixture
def asked(world) -> list[Assignment]:
    """Two that the first officer may approve, and one between them that they asked for themself."""
    crowd(world, ["ann", "ben", "cleo"])
    return [ask(world, "ann"), ask(world, "ben", by="compliance"), ask(world, "cleo", "monitor")]


def states(rows) -> list[str]:
    return [Assignment.objects.get(pk=row.pk).state for row in rows]


def test_each_is_approved_by_an_act_of_its_own_and_a_refused_one_stops_none(world, asked):
    before = Entry.objects.filter(kind="act", act=APPROVE).count()
    answers = approve_many(world.compliance, [row.pk for row in asked])
    assert states(asked) == ["approved", "requested", "approved"]
    assert Entry.objects.filter(kind="act", act=APPROVE).count() == before + 2
    assert_told(APPROVE, by=world.compliance, about=asked[2], wrote=1)
    assert [each.refused is None for each in answers] == [True, False, True]
    assert answers[1].refused.rule.startswith("DY17")
    refusal = Entry.objects.filter(kind="refusal", act=APPROVE).latest("id")
    assert refusal.subject_id == str(asked[1].pk)
    first, second, third = (row.ref for row in asked)
    assert told(answers) == f"2 of 3 requests are approved: {first}, {third}. Not approved: {second}."


def test_what_is_said_of_all_and_of_none(world, asked):
    every = [asked[0].pk, asked[2].pk]
    answers = approve_many(world.compliance2, every)
    assert told(answers) == f"All 2 requests are approved: {asked[0].ref}, {asked[2].ref}."
    again = approve_many(world.compliance2, every)
    assert {each.refused.rule for each in again} == {"assignment-state"}
    assert told(again) == f"None of the 2 is approved: {asked[0].ref}, {asked[2].ref}."


def test_the_wrong_person_the_wrong_duty_and_what_is_not_seen(world, asked):
    ids = [row.pk for row in asked]
    assert {each.refused.status for each in approve_many(world.validator, ids)} == {403}
    hidden = approve_many(world.stranger, ids)
    assert {(each.refused.status, each.assignment) for each in hidden} == {(404, None)}
    assert [each.refused.status for each in approve_many(world.compliance, [99999])] == [404]
    assert states(asked) == ["requested"] * 3


def test_one_that_is_named_twice_is_approved_once(world):
    crowd(world, ["ann"])
    first = ask(world, "ann", "monitor")
    answers = approve_many(world.compliance, [first.pk, first.pk])
    assert [each.ref for each in answers] == [first.ref]


def test_a_repeat_under_the_same_key_answers_the_same_and_approves_nothing_twice(world, asked):
    ids = [row.pk for row in asked]
    one = approve_many(world.compliance, ids, idempotency_key="one")
    acts_done = Entry.objects.filter(kind="act", act=APPROVE).count()
    two = approve_many(world.compliance, ids, idempotency_key="one")
    assert told(one) == told(two)
    assert Entry.objects.filter(kind="act", act=APPROVE).count() == acts_done


@pytest.mark.parametrize("count", [0, MOST + 1])
def test_none_and_too_many_are_bad_input(world, count):
    with pytest.raises(BadInput):
        approve_many(world.compliance, list(range(1, count + 1)))


def test_organisation_duties_too(world):
    made = acts.request_organisation_assignment(
        world.administrator, person_id=world.stranger.pk, duty="registrar", reason="Needed"
    )
    [answer] = approve_many(world.compliance, [made.pk])
    assert (answer.refused, states([made])) == (None, ["approved"])


def test_in_the_browser(world, asked):
    client, url = browser(world.compliance), reverse("web:approve_assignments")
    page = client.get(url)
    assert page.content.decode().count('name="assignments"') == 2
    assert " checked" not in page.content.decode(), "nobody is chosen beforehand"
    shown = text_of(page)
    assert "2 requests that wait for you" in shown
    assert "DY17" in shown, "what they asked for themself is told with its rule"
    missing = client.post(url, {"idempotency_key": "k" * 32})
    assert (missing.status_code, "Choose between 1 and" in text_of(missing)) == (422, True)
    given = {"assignments": [row.pk for row in asked], "idempotency_key": "k" * 32}
    done = client.post(url, given)
    shown = text_of(done)
    first, second, third = (row.ref for row in asked)
    assert f"2 of 3 requests are approved: {first}, {third}. Not approved: {second}." in shown
    assert "0 requests that wait for you" in shown
    assert states(asked) == ["approved", "requested", "approved"]
    assert 'href="/assignments/approve/"' not in client.get("/work/").content.decode()
    assert "No request for a duty waits for you" in text_of(browser(world.validator).get(url))


def test_in_the_api_with_the_words_of_the_browser(world, asked):
    url = "/api/v1/assignments/approve"
    given = {"assignments": [row.pk for row in asked]}
    answer = session_api(world.compliance).post(url, given, format="json")
    first, second, third = (row.ref for row in asked)
    body = answer.json()
    assert (answer.status_code, body["approved"]) == (200, [first, third])
    assert body["told"] == f"2 of 3 requests are approved: {first}, {third}. Not approved: {second}."
    [left] = body["refused"]
    assert (left["assignment"], left["status"]) == (second, 409)
    page = text_of(browser(world.compliance).get(reverse("web:approve_assignments")))
    assert left["fact"] in page
    assert left["rule"].partition(":")[0] in page
    assert session_api(world.compliance).post(url, {}, format="json").status_code == 422
    assert token_api(world.compliance).post(url, given, format="json").status_code == 403


@pytest.mark.parametrize("number", ["9" * 5000, str(2**63), "9" * 19], ids=["long", "past", "nineteen"])
def test_a_number_that_no_request_can_have_is_an_answer_and_no_fault(world, asked, number):
    given = {"assignments": [number], "idempotency_key": "k" * 32}
    page = browser(world.compliance).post(reverse("web:approve_assignments"), given)
    assert (page.status_code, "Choose between 1 and" in text_of(page)) == (422, True)
    answer = session_api(world.compliance).post(
        "/api/v1/assignments/approve", {"assignments": [number]}, format="json"
    )
    assert answer.status_code == 422
    assert states(asked) == ["requested"] * 3


def refusals() -> list[tuple[str, str]]:
    found = Entry.objects.filter(kind="refusal", act=APPROVE)
    return list(found.values_list("subject_kind", "subject_id"))


def test_a_token_approves_nothing(world, asked):
    from apps.access.actors import Actor
    from apps.access.acts import create_token

    with pytest.raises(NotAllowed):
        approve_many(
            Actor.of(world.compliance, "api", token=create_token(world.compliance, name="ci")), [asked[0].pk]
        )
    assert len(refusals()) == 1, "a refusal is entered, as it is where one request is approved"
    given = {"assignments": [row.pk for row in asked]}
    refused = token_api(world.compliance).post("/api/v1/assignments/approve", given, format="json")
    assert refused.status_code == 403
    assert refusals() == [("organisation", "0")] * 2
    assert states(asked) == ["requested"] * 3
