"""Whether second factors are required: in the trail from the start that changed it, on the health page, in packs."""

from __future__ import annotations

import importlib
import json
from datetime import timedelta

import pytest
from django.db import DatabaseError
from django.urls import reverse

from apps.access import clockwork, health, second_factor_rule
from apps.access.actors import Actor
from apps.access.acts.logs import enter_second_factors, enter_verification
from apps.access.second_factor_rule import ACT, enter_if_changed, entered
from apps.core.clock import now
from apps.core.errors import NotAllowed
from apps.core.models import Job
from apps.packs.gather import gather
from apps.packs.sections import front, people
from apps.trail import sealer
from apps.trail.models import Entry, Pending
from portal import starting
from tests.factories.doors import browser, session_api, text_of
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db


def entries() -> list[dict]:
    rows = Entry.objects.filter(act=ACT, kind="act").order_by("id")
    return [json.loads(row.body)["facts"]["second_factors"] for row in rows]


def offered(settings, because: str = "A trial") -> None:
    settings.SECOND_FACTOR, settings.SECOND_FACTOR_REASON = "offered", because


def point(key: str) -> health.Point:
    return next(each for each in health.points() if each.key == key)


def test_a_start_enters_the_setting_once_and_again_when_it_changes(world, settings):
    offered(settings)
    assert entered() is None
    assert [enter_if_changed(), enter_if_changed()] == [True, False]
    settings.SECOND_FACTOR = "required"
    assert [enter_if_changed(), enter_if_changed()] == [True, False]
    offered(settings)
    before = now()
    assert enter_if_changed()
    offered(settings, "Another reason")
    assert enter_if_changed()
    assert entries() == [
        {"required": False, "because": "A trial"},
        {"required": True, "because": ""},
        {"required": False, "because": "A trial"},
        {"required": False, "because": "Another reason"},
    ]
    assert entered(before).required
    assert not entered().required
    assert Entry.objects.filter(act=ACT).latest("id").actor_name == "Countersign worker"


def test_processes_that_start_together_enter_it_once(world, settings, monkeypatch):
    offered(settings)
    monkeypatch.setattr(
        second_factor_rule, "entered", lambda at=None: None
    )  # each looked before the other wrote
    enter_if_changed()
    enter_if_changed()
    assert len(entries()) == 1


def test_before_the_installation_nobody_can_enter_it(world, monkeypatch):
    monkeypatch.setattr(second_factor_rule, "SERVICE", "not-installed-yet")
    assert not enter_if_changed()
    assert entries() == []


def test_the_web_process_enters_it_when_it_starts(world, settings):
    offered(settings)
    from portal import wsgi

    importlib.reload(wsgi)
    assert len(entries()) == 1


def test_a_database_that_does_not_answer_keeps_no_portal_from_starting(world, monkeypatch, caplog):
    def silent() -> bool:
        raise DatabaseError("the server is starting up")

    monkeypatch.setattr(second_factor_rule, "enter_if_changed", silent)
    starting.enter_configuration()
    assert "not in the trail" in caplog.text


def test_only_the_portal_itself_enters_it(world):
    for person in (world.administrator, world.compliance):
        with pytest.raises(NotAllowed):
            enter_second_factors(person, required=True, because="")
    assert entries() == []


# ---------------------------------------------------------------- health


def test_health_says_that_second_factors_are_not_required_and_since_when(world, settings):
    offered(settings, "A <trial> without signatures")
    assert point("second_factors").state == health.FAULT
    assert "The trail does not say so" in point("second_factors").told
    enter_if_changed()
    found = point("second_factors")
    assert (found.state, found.since) == (health.WATCH, entered().since)
    assert "A trial" not in found.told
    page = text_of(browser(world.administrator).get("/health/"))
    assert "Not required (A <trial> without signatures)" in page
    assert "Look at it" in page
    settings.SECOND_FACTOR = "required"
    enter_if_changed()
    assert point("second_factors").state == health.WELL


def test_health_of_trail_clock_and_jobs(world, monkeypatch):
    assert point("verified").state == health.WATCH
    worker = Actor.service("worker")
    enter_verification(worker, counted={"entries": 5}, findings=0, first=[], seconds="1")
    assert point("verified").state == health.WELL
    enter_verification(worker, counted={"entries": 5}, findings=2, first=["row 3"], seconds="1")
    assert "2 findings. row 3" in point("verified").told
    assert point("verified").state == health.FAULT
    assert Pending.objects.exists()
    monkeypatch.setattr(health, "SEAL_PATIENCE", timedelta(0))
    assert point("sealed").state == health.FAULT
    sealer.seal()
    assert point("sealed").state == health.WELL
    assert point("clock").state == health.WELL
    monkeypatch.setattr(clockwork, "told", lambda: "It was set back.")
    assert point("clock").state == health.FAULT
    assert point("outside").state == health.WATCH
    given = {"kind": "x", "subject_kind": "organisation", "subject_id": 0, "requested_by": world.owner}
    Job.objects.create(**given, created_at=now() - timedelta(hours=1))
    Job.objects.create(**given, created_at=now(), state="failed", finished_at=now())
    assert (point("queue").state, point("failed").state) == (health.FAULT, health.WATCH)


def test_health_is_told_to_who_sees_the_whole_organisation(world):
    for name in ("administrator", "compliance", "inspector"):
        assert browser(world.people[name]).get("/health/").status_code == 200, name
        assert session_api(world.people[name]).get("/api/v1/health").status_code == 200, name
    for name in ("author", "owner", "stranger"):
        refused = browser(world.people[name]).get("/health/")
        assert refused.status_code == 403, name
        assert "It tells of all accounts" in text_of(refused)
        answer = session_api(world.people[name]).get("/api/v1/health")
        assert (answer.status_code, answer.json()["rule"]) == (403, "duty"), name
    with pytest.raises(NotAllowed):
        health.refuse_unless_told(Actor.of(world.author))
    assert reverse("web:health") in browser(world.administrator).get("/people/").content.decode()
    assert reverse("web:health") not in browser(world.author).get("/people/").content.decode()


def test_health_asks_a_constant_number_of_queries(world, django_assert_max_num_queries):
    with django_assert_max_num_queries(13):
        health.points()


def test_the_api_tells_the_same_points(world):
    told = session_api(world.administrator).get("/api/v1/health").json()
    assert [each["key"] for each in told] == [each.key for each in health.points()]
    assert {each["state"] for each in told} <= {health.WELL, health.WATCH, health.FAULT}


# ---------------------------------------------------------------- packs


@pytest.mark.evidence("frozen")
def test_every_pack_says_whether_second_factors_were_required(world, settings):
    version = validated_world(world, until="frozen").version
    made = front.Generation(
        *("P-1", "p.pdf", {"printed_name": "O", "username": "owner"}, "Audit", "2026-01-01T00:00:00Z"),
        *("2026-01-01T00:00:00Z", "sha256:0", {"ok": True, "checked": {}, "findings": []}, 1, 1, 0, "", ""),
    )

    def said(as_of) -> tuple[str, str]:
        content = gather(version.pk, as_of).content
        return people.people(content).html, front.cover(content, made).html

    section, cover = said(now())
    assert "The trail does not say whether they were required." in section
    offered(settings, "A trial <without> signatures")
    enter_if_changed()
    section, cover = said(now())
    assert "Not required (A trial &lt;without&gt; signatures)" in section
    assert f"entry {entered().entry}." in section
    assert "Not required at sign-in and signing; see section 20." in cover
    settings.SECOND_FACTOR = "required"
    enter_if_changed()
    section, cover = said(now())
    assert "Required of everybody who holds a duty that signs" in section
    assert "see section 20" not in cover
