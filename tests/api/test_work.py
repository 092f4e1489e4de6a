"""`/api/v1/work`: what the page of work tells, for machines."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from apps.access import acts
from apps.access.gate import eligible
from apps.core.clock import now
from tests.access.test_queues import request_duty
from tests.factories.doors import browser, session_api, token_api
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db
QUERIES = 14


def lines(person, **asked) -> list[dict]:
    answer = session_api(person).get("/api/v1/work", asked)
    assert answer.status_code == 200, answer.json()
    return answer.json()["results"]


def test_a_request_waits_for_who_approves_it_and_tells_who_asked_why_not(world):
    made = request_duty(world, by="owner")
    [line] = lines(world.compliance, queue="duties")
    assert {
        name: line[name] for name in ("whose", "record", "asked_by", "late", "stuck", "rule", "eligible")
    } == {
        "whose": "mine",
        "record": made.ref,
        "asked_by": "owner",
        "late": False,
        "stuck": False,
        "rule": "",
        "eligible": [],
    }
    assert line["what"] == f"{made.ref}: {world.stranger.printed_name} as developer of lotx"
    assert browser(world.compliance).get(line["page"]).status_code == 200
    [shut] = lines(world.owner, queue="duties")
    assert (shut["whose"], shut["rule"].split(":")[0], shut["act"]) == (
        "blocked",
        "DY17",
        "access.approve_assignment",
    )
    assert shut["rule_text"]
    assert shut["eligible"] == [p.printed_name for p in eligible("access.approve_assignment", made)]
    assert lines(world.other_developer) == []


def test_it_says_what_the_page_says(world):
    version = validated_world(world, until="frozen").version
    request_duty(world, by="owner")
    for name in ("validator", "author", "approver", "owner", "compliance"):
        html = browser(world.people[name]).get("/work/").content.decode()
        told = lines(world.people[name])
        for line in told:
            page = line["page"].removeprefix("http://testserver")
            assert f'href="{page}"' in html, line
        mine = [line for line in told if line["whose"] == "mine"]
        assert f"{len(mine)} wait{'s' if len(mine) == 1 else ''} for you" in html
    tasks = lines(world.validator, queue="versions", whose="mine")
    assert {line["record"] for line in tasks} == {version.ref}
    assert "validations.write_plan" in {line["act"] for line in tasks}


def test_filters_and_pages(world):
    for person in ("stranger", "monitor", "deployer"):
        request_duty(
            world, by="owner", person=person, duty="developer" if person == "stranger" else "security"
        )
    client = session_api(world.compliance)
    first = client.get("/api/v1/work", {"queue": "duties", "page_size": 2}).json()
    assert (first["count"], len(first["results"]), first["left_off"]) == (3, 2, [])
    second = client.get(first["next"]).json()
    assert second["next"] is None
    seen = [line["record"] for line in (*first["results"], *second["results"])]
    assert len(set(seen)) == 3
    assert lines(world.compliance, queue="duties", whose="blocked") == []
    assert lines(world.compliance, late="true") == []
    for wrong in ({"queue": "nothing"}, {"whose": "yours"}, {"late": "maybe"}):
        assert client.get("/api/v1/work", wrong).status_code == 422
    assert client.get("/api/v1/work", {"page": 9}).status_code == 404


def test_what_should_have_been_decided_by_now_is_late(world, monkeypatch):
    acts.request_assignment(
        world.owner,
        person_id=world.stranger.pk,
        duty="developer",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Joins later",
        starts_at=now() + timedelta(days=1),
    )
    [line] = lines(world.compliance, queue="duties")
    assert line["due"] is not None
    monkeypatch.setattr("apps.access.waiting.now", lambda: now() + timedelta(days=2))
    assert [each["record"] for each in lines(world.compliance, late="true")] == [line["record"]]


def test_who_may_ask(world):
    request_duty(world, by="owner")
    assert APIClient().get("/api/v1/work").status_code == 401
    assert lines(world.inspector) == []
    by_token = token_api(world.compliance).get("/api/v1/work", {"queue": "duties"}).json()["results"]
    assert by_token == lines(world.compliance, queue="duties")
    assert [line["whose"] for line in by_token] == ["mine"]
    assert session_api(world.compliance).post("/api/v1/work").status_code == 405


def test_a_moment_past_is_refused(world):
    answer = session_api(world.compliance).get("/api/v1/work", {"as_of": now().isoformat()})
    assert (answer.status_code, answer.json()["rule"]) == (400, "as-of")


def test_it_asks_as_often_for_many_as_for_few(world, django_assert_num_queries):
    client = session_api(world.compliance)
    client.get("/api/v1/work")
    request_duty(world, by="owner", person="stranger")
    with django_assert_num_queries(QUERIES):
        assert client.get("/api/v1/work").json()["count"] == 1
    for person in ("monitor", "deployer"):
        request_duty(world, by="owner", person=person, duty="security")
    with django_assert_num_queries(QUERIES):
        assert client.get("/api/v1/work").json()["count"] == 3
