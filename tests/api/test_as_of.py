"""`?as_of=` in the API: the same resources as they stood, and what the trail says of them."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from apps.access.acts import (
    approve_correction,
    approve_inspection,
    approve_reset,
    lift_hold,
    place_hold,
    request_correction,
    request_inspection,
    request_reset,
)
from apps.approvals.acts import open_gate
from apps.approvals.models import Gate
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.packs.acts import request_pack
from apps.quality.acts import close_deviation, open_deviation
from apps.registry.acts import register_model
from apps.trail.models import Entry
from apps.trail.testing import without_triggers
from tests.factories.doors import session_api, token_api
from tests.factories.evidence import signed, validated_world
from tests.trail.attacks import sql

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("reported")]


@pytest.fixture
def evidence(world):
    return validated_world(world)


def text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


@pytest.mark.parametrize("api_of", [session_api, token_api])
def test_a_resource_is_as_it_was_by_session_and_by_token(world, evidence, api_of):
    given = {"title": "Clock was wrong", "description": "Two minutes slow."}
    deviation = open_deviation(world.validator, evidence.version.pk, **given)
    api, moment = api_of(world.owner), now()
    close_deviation(world.approver, deviation.pk, reason="Set right", signature=signed(deviation))
    url = f"/api/v1/deviations/{deviation.number}"
    was, is_now = api.get(url, {"as_of": text(moment)}).json(), api.get(url).json()
    assert (was["state"], is_now["state"]) == ("open", "closed")
    assert was["as_of"] == text(moment)
    assert was["verified"] is True
    assert was["checked"]["records"] > 2
    assert was["checked"]["faults"] == []
    assert "as_of" not in is_now


def test_a_gate_is_evaluated_as_of_then(world, evidence):
    api, url, before = token_api(world.owner), f"/api/v1/versions/{evidence.version.pk}/gate", now()
    open_gate(world.owner, evidence.version.pk)
    run_queued()
    assert Gate.objects.count() == 1
    was, is_now = api.get(url, {"as_of": text(before)}).json(), api.get(url).json()
    assert was["rows"] != is_now["rows"]
    assert {row["code"]: row["state"] for row in was["rows"]}["approval"] == "not_started"


def test_a_list_holds_exactly_what_was_there(world):
    before = now()
    register_model(world.registrar, slug="later", name="Later", owner_id=world.owner.pk)
    everything = {"lotx", world.other_model.slug}
    api = session_api(world.compliance)

    def slugs(**asked) -> set[str]:
        return {row["slug"] for row in api.get("/api/v1/models", asked).json()["results"]}

    assert slugs(as_of=text(before)) == everything
    assert slugs(as_of=text(now())) == slugs() == everything | {"later"}
    assert session_api(world.stranger).get("/api/v1/models", {"as_of": text(now())}).json()["results"] == []


def test_what_was_asked_for_was_still_open_then_and_nothing_could_be_decided(world):
    wish = request_correction(
        world.administrator, world.author.pk, email="a@example.org", reason="typo: seen"
    )
    reset = request_reset(world.administrator, world.validator.pk, what="password", reason="Lost")
    inspection = request_inspection(
        world.compliance,
        person_id=world.inspector.pk,
        authority="Agency",
        everything=True,
        places=[],
        starts_at=now(),
        ends_at=now() + timedelta(days=3),
        reason="Routine",
    )
    hold = place_hold(world.compliance, world.author.pk, reason="Matter 7")
    moment = now()
    approve_correction(world.compliance2, wish.pk)
    approve_reset(world.compliance2, reset.pk)
    approve_inspection(world.compliance2, inspection.pk)
    lift_hold(world.compliance2, hold.pk, reason="Over")
    api = session_api(world.compliance)
    for name, row, then, today in (
        ("corrections", wish, "requested", "approved"),
        ("resets", reset, "requested", "approved"),
        ("inspections", inspection, "requested", "approved"),
        ("holds", hold, "placed", "lifted"),
    ):
        url = f"/api/v1/{name}/{row.pk}"
        was, is_now = api.get(url, {"as_of": text(moment)}).json(), api.get(url).json()
        assert (was["state"], is_now["state"]) == (then, today), name
        assert was["verified"] is True
        assert [one for one in was["allowed_acts"] if one["allowed"]] == []
        assert row.pk in [
            one["id"] for one in api.get(f"/api/v1/{name}", {"as_of": text(moment)}).json()["results"]
        ]


@pytest.mark.once
def test_a_pack_was_under_way_then_and_how_far_is_not_kept(world, evidence):
    made = request_pack(world.owner, evidence.version.pk, purpose="Inspection of May")
    moment = now()
    run_queued()
    api, url = token_api(world.owner), f"/api/v1/packs/{made.number}"
    was, is_now = api.get(url, {"as_of": text(moment)}).json(), api.get(url).json()
    assert (was["state"], was["pdf_digest"], was["progress"]) == ("queued", "", {})
    assert (is_now["state"], is_now["progress"]["state"]) == ("done", "done")
    assert was["verified"] is True


def test_both_spellings_are_understood_and_one_is_enough(world):
    api, moment = session_api(world.owner), text(now())
    assert api.get("/api/v1/models", {"as-of": moment}).json()["as_of"] == moment
    both = api.get("/api/v1/models", {"as-of": moment, "as_of": moment})
    assert both.status_code == 400
    assert both.json()["fact"] == "More than one moment was given."


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("tomorrow", "is no moment"),
        ("2026-11-01T09:00:00", "does not say of which zone"),
        ("2001-01-01", "it begins at"),
        ("2999-01-01T00:00:00Z", "lies ahead"),
    ],
)
def test_a_moment_that_cannot_be_told_is_a_problem(world, asked, why):
    answer = token_api(world.owner).get("/api/v1/models", {"as_of": asked})
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"
    assert why in answer.json()["fact"]
    assert answer.json()["rule"] == "as-of"


def test_what_is_sent_with_a_moment_does_nothing(world, evidence):
    count = Entry.objects.count()
    answer = session_api(world.owner).post(
        f"/api/v1/gates?as_of={text(now())}", {"version": evidence.version.pk}
    )
    assert answer.status_code == 400
    assert answer.json()["what"] == "Nothing can be done at a moment past."
    assert (Gate.objects.count(), Entry.objects.count()) == (0, count)


def test_what_is_not_kept_is_refused(world, evidence):
    for url in (
        "/api/v1/me",
        "/api/v1/second-factors",
        f"/api/v1/dataset-versions/{evidence.train.pk}/profile",
    ):
        answer = session_api(world.owner).get(url, {"as_of": text(now())})
        assert answer.status_code == 400
        assert answer.json()["what"] == "This cannot be answered as it was."


def test_a_token_is_judged_by_today(world, client):
    """It is newer than the moment, and still it is who asks; a bad one hears nothing of the moment."""
    moment = now()
    assert token_api(world.owner).get("/api/v1/models/lotx", {"as_of": text(moment)}).status_code == 200
    bad = client.get("/api/v1/models", {"as_of": text(moment)}, HTTP_AUTHORIZATION="Bearer cs_none")
    assert bad.status_code == 401
    assert client.get("/api/v1/models", {"as_of": "2001-01-01"}).status_code == 401


def test_a_row_that_does_not_match_is_named(world, evidence):
    moment = now()
    row = evidence.version.history.latest("history_id")
    with without_triggers():
        sql("UPDATE registry_historicalversion SET label = '9.9.9' WHERE history_id = %s", row.history_id)
    told = (
        token_api(world.owner).get(f"/api/v1/versions/{evidence.version.pk}", {"as_of": text(moment)}).json()
    )
    assert told["verified"] is False
    assert told["checked"]["faults"] == [
        {
            "record": f"version {evidence.version.pk}",
            "table": "registry_historicalversion",
            "row": row.history_id,
            "what": "does not match: it is not as the portal wrote it",
        }
    ]


def test_an_inspectors_look_by_the_api_is_entered_with_its_moment(world):
    moment = now()
    assert token_api(world.inspector).get("/api/v1/models", {"as_of": text(moment)}).status_code == 200
    facts = json.loads(Entry.objects.filter(act="access.look").latest("id").body)["facts"]
    assert (facts["page"], facts["as_of"]) == ("api:models-list", moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"))


def test_whether_a_password_was_set_is_not_known_of_then(world):
    url, moment = f"/api/v1/people/{world.author.username}", now()
    api = session_api(world.administrator)
    was, is_now = api.get(url, {"as_of": text(moment)}).json(), api.get(url).json()
    assert (was["enrolled"], is_now["enrolled"]) == (None, True)
    listed = api.get("/api/v1/people", {"as_of": text(moment)}).json()["results"]
    assert {each["enrolled"] for each in listed} == {None}
