"""Pages of inspections, the access register and sensitive data: who sees what, what a form says, what is exported."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from datetime import timedelta

import pytest
from django.urls import reverse

from apps.access.acts import end_assignment
from apps.access.acts.inspections import approve_inspection, request_inspection
from apps.access.inspection_models import Inspection
from apps.access.models import Assignment
from apps.access.register import asked_besides
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.digests import digest
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.sensitive_acts import grant_read, mark_sensitive, request_read, request_unmark
from apps.trail.models import Entry
from tests.cast import give
from tests.datasets.test_acts import uploaded
from tests.factories.doors import browser, text_of
from tests.web.changing import confirm

pytestmark = pytest.mark.django_db
REGISTER = "/access-register/"


def rows_of(response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(b"".join(response.streaming_content).decode())))


# ---------------------------------------------------------------- access register


def test_the_register_in_the_page_as_csv_and_as_json(world):
    client = browser(world.compliance)
    page = client.get(REGISTER, {"object": "lotx", "duty": "approver"})
    assert page.status_code == 200
    assert "2 rows match" in text_of(page)
    taken = client.get(REGISTER, {"object": "lotx", "duty": "approver", "format": "csv"})
    data = b"".join(taken.streaming_content)
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    assert {row["Username"] for row in rows} == {"approver", "approver2"}
    assert all("approvals.sign_release" in r["May do"] or "approvals." in r["May do"] for r in rows)
    side = client.get(REGISTER, {"object": "lotx", "duty": "approver", "format": "meta.json"}).json()
    assert (side["count"], side["sha256"]) == (2, hashlib.sha256(data).hexdigest())
    assert side["made_by"]["username"] == "compliance"
    told = json.loads(client.get(REGISTER, {"object": "lotx", "format": "json"}).content)
    assert told["rows_digest"] == digest(told["rows"])
    assert told["count"] == len(told["rows"])
    entry = json.loads(Entry.objects.filter(act="access.export_register").latest("id").body)["facts"]
    assert (entry["register"], entry["form"], entry["count"]) == ("access-register", "JSON", told["count"])
    assert entry["filter"] == {"Model or dataset": "lotx"}


@pytest.mark.parametrize(
    ("reason", "told"),
    [("A trial <without> signatures", "A trial <without> signatures"), ("", "no reason is stated")],
)
def test_the_register_says_what_is_asked_besides(world, settings, reason, told):
    settings.SECOND_FACTOR, settings.SECOND_FACTOR_REASON = "offered", reason
    client = browser(world.compliance)
    page = text_of(client.get(REGISTER))
    json_note = client.get(REGISTER, {"format": "json"}).json()["note"]
    side_note = client.get(REGISTER, {"format": "meta.json"}).json()["note"]
    for said in (page, json_note, side_note):
        assert "Training and second factor are asked besides" in said
        assert f"second factors are offered now, not required ({told})." in said
    settings.SECOND_FACTOR = "required"
    assert "second factors are offered" not in asked_besides()


def test_the_register_goes_back_in_time(world):
    given = give(world, "stranger", "monitor", world.model)
    held = now()
    end_assignment(world.owner, given.pk, reason="Done")
    client = browser(world.compliance)

    def listed(**asked) -> set[str]:
        return {row["Username"] for row in rows_of(client.get(REGISTER, {"format": "csv", **asked}))}

    assert "stranger" not in listed()
    assert "stranger" in listed(**{"as-of": held.isoformat()})
    page = client.get(REGISTER, {"as-of": "2020-01-01 00:00"})
    assert "You see 2020-01-01 00:00" in text_of(page)
    assert "Nothing matches this filter" in text_of(page)


@pytest.mark.parametrize(
    "asked",
    [
        *("yesterday", "2999-01-01 00:00", "2026-13-45", "x" * 500, "2026-11-01T09:00:00+25:00"),
        *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"),
    ],
)
def test_a_moment_that_cannot_be_read_shows_nothing_and_says_so(world, asked):
    page = browser(world.compliance).get(REGISTER, {"as-of": asked})
    assert page.status_code == 422
    assert "Nothing is shown until the filter is mended" in text_of(page)


def test_who_sees_which_rows_of_the_register(world):
    def listed(name: str) -> set[str]:
        return {
            row["Username"] for row in rows_of(browser(world.people[name]).get(REGISTER, {"format": "csv"}))
        }

    assert "other_developer" in listed("compliance")
    assert "other_developer" not in listed("author")
    assert "validator" in listed("author")
    assert listed("stranger") == set()


def test_pages_of_the_register_ask_a_constant_number_of_queries(world, django_assert_max_num_queries):
    client = browser(world.compliance)
    client.get(REGISTER)
    with django_assert_max_num_queries(16):
        client.get(REGISTER)
    for number in range(3):
        give(
            world, ("stranger", "curator", "steward")[number], "monitor", world.other_model, by="other_owner"
        )
    with django_assert_max_num_queries(16):
        client.get(REGISTER)


# ---------------------------------------------------------------- inspections


def test_an_inspection_from_the_form_to_the_room(world):
    admin = browser(world.administrator)
    form = {
        "person": world.stranger.pk,
        "authority": "Agency",
        "places": [],
        "starts_at": "",
        "ends_at": "",
        "reason": "Announced",
        "idempotency_key": "i1",
    }
    wrong = admin.post("/inspections/new/", form)
    assert wrong.status_code == 422
    assert "Agency" in wrong.content.decode(), "nothing entered is lost"
    form |= {"everything": "on", "ends_at": (now() + timedelta(days=2)).strftime("%Y-%m-%d %H:%M")}
    assert admin.post("/inspections/new/", form).status_code == 302
    found = Inspection.objects.get()
    decide = reverse("web:inspection_decide", args=[found.pk, "approve"])
    assert browser(world.compliance).post(decide, {"idempotency_key": "i2"}).status_code == 302
    found.refresh_from_db()
    assert found.state == "approved"
    stranger = browser(User.objects.get(username="stranger"))
    assert stranger.get("/work/").url == "/inspection/"
    room = text_of(stranger.get("/inspection/"))
    assert "All models and datasets." in room
    assert "Your access ends at" in room
    assert "Most pages can be seen as of a moment: As of in the top bar" in room
    assert "What you cannot see, and why" in room
    assert stranger.get("/inspections/").status_code == 200
    assert browser(world.compliance).get(reverse("web:inspection", args=[found.pk])).status_code == 200
    log = browser(world.compliance).get("/inspections/log/")
    assert "web:inspection_room" in text_of(log)
    end = reverse("web:inspection_decide", args=[found.pk, "end"])
    assert stranger.post(end, {"reason": "x", "idempotency_key": "i3"}).status_code == 403
    assert browser(world.compliance).post(end, {"reason": "Over", "idempotency_key": "i4"}).status_code == 302
    assert "You are not here as an inspector now" in text_of(stranger.get("/inspection/"))


def test_who_opens_the_pages_of_inspections(world):
    asked = request_inspection(
        world.administrator,
        person_id=world.stranger.pk,
        authority="Agency",
        places=[("registry.model", world.model.pk)],
        ends_at=now() + timedelta(days=1),
        reason="Audit",
    )
    approve_inspection(world.compliance, asked.pk)
    address = reverse("web:inspection", args=[asked.pk])
    for name, status in {
        "compliance": 200,
        "administrator": 200,
        "stranger": 200,
        "owner": 404,
        "inspector": 404,
    }.items():
        assert browser(User.objects.get(username=name)).get(address).status_code == status, name
    assert browser(world.owner).get("/inspections/new/").status_code == 403
    assert browser(world.owner).post("/inspections/new/", {}).status_code == 403
    assert browser(world.compliance).get(f"/inspections/{asked.pk}/praise/").status_code == 404
    seen = rows_of(browser(world.owner).get("/inspections/", {"format": "csv"}))
    assert seen == []


# ---------------------------------------------------------------- sensitive data


def test_sensitive_data_from_mark_to_register(world):
    version = uploaded(world)
    owner, author, steward = browser(world.owner), browser(world.author), browser(world.steward)
    mark = "/datasets/trial/mark/"
    assert owner.get(mark).status_code == 200
    assert confirm(owner, mark, {"reason": "Patients", "idempotency_key": "m1"}).status_code == 302
    page = text_of(author.get("/datasets/trial/v1/"))
    assert "sensitive-access" in page
    assert "Most frequent" not in page, "the open profile of sensitive data is closed"
    ask = "/datasets/trial/v1/ask/"
    many = author.post(ask, {"reason": "Query 7", "hours": "10000", "idempotency_key": "a0"})
    assert many.status_code == 422
    assert "Whole hours from 1 to 8" in text_of(many)
    assert author.post(ask, {"reason": " ", "hours": "4", "idempotency_key": "a0"}).status_code == 422
    assert author.post(ask, {"reason": "Query 7", "hours": "4", "idempotency_key": "a1"}).status_code == 302
    grant = ReadGrant.objects.get()
    assert grant.ref in text_of(steward.get("/work/"))
    decide = reverse("web:read_grant_decide", args=[grant.pk, "grant"])
    assert author.post(decide, {"hours": "4", "idempotency_key": "g0"}).status_code == 403
    assert steward.post(decide, {"hours": "9", "idempotency_key": "g1"}).status_code == 422
    assert steward.post(decide, {"hours": "2", "idempotency_key": "g2"}).status_code == 302
    assert author.post("/datasets/trial/v1/profile/").status_code == 200
    down = author.post("/datasets/trial/v1/download/", {"reason": "Rows for query 7"})
    assert down.status_code == 200
    assert b"".join(down.streaming_content)
    reads = rows_of(steward.get("/data-access/reads/", {"dataset": "trial", "format": "csv"}))
    assert [(r["Person"], r["Data"], r["Why"]) for r in reads] == [
        ("Author Person", version.ref, "Rows for query 7"),
        ("Author Person", version.ref, ""),
    ]
    assert all(r["Under"] == f"{grant.ref}: Query 7" for r in reads)
    assert rows_of(browser(world.stranger).get("/data-access/reads/", {"format": "csv"})) == []
    assert rows_of(steward.get("/data-access/reads/", {"person": "@validator", "format": "csv"})) == []
    early = steward.get("/data-access/reads/", {"as-of": "2020-01-01", "format": "csv"})
    assert rows_of(early) == []
    assert "entry" in text_of(steward.get(reverse("web:read_grant", args=[grant.pk])))
    listed = rows_of(steward.get("/data-access/", {"state": "in_force", "format": "csv"}))
    assert [row["Access"] for row in listed] == [grant.ref]
    assert json.loads(steward.get("/data-access/reads/", {"format": "json"}).content)["count"] == 2


def test_unmarking_in_the_pages(world):
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    request_unmark(world.owner, world.dataset.pk, reason="Published")
    wanted = Unmarking.objects.get()
    assert "asked that the mark be taken away" in text_of(browser(world.steward).get("/datasets/trial/"))
    assert "datasets" in browser(world.steward).get("/work/").content.decode()
    approve = reverse("web:unmarking_decide", args=[wanted.pk, "approve"])
    assert browser(world.owner).post(approve, {"idempotency_key": "u1"}).status_code == 409
    assert browser(world.steward).get(approve).status_code == 200
    assert browser(world.steward).post(approve, {"idempotency_key": "u2"}).status_code == 302
    world.dataset.refresh_from_db()
    assert not world.dataset.sensitive
    assert browser(world.stranger).post(approve, {"idempotency_key": "u3"}).status_code == 404


def test_lists_ask_a_constant_number_of_queries(world, django_assert_max_num_queries):
    version = uploaded(world)
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    client = browser(world.steward)
    client.get("/data-access/")

    def count() -> None:
        for address in ("/data-access/", "/data-access/reads/"):
            with django_assert_max_num_queries(14):
                assert client.get(address).status_code == 200

    count()
    for name in ("author", "curator", "validator"):
        asked = request_read(world.people[name], version.pk, hours=1, reason="Why")
        grant_read(world.steward, asked.pk, hours=1)
        browser(world.people[name]).post("/datasets/trial/v1/profile/")
    count()


def test_a_stranger_is_told_nothing(world):
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    stranger = browser(world.stranger)
    assert stranger.get("/datasets/trial/mark/").status_code == 404
    assert stranger.get("/datasets/trial/v1/ask/").status_code == 404
    assert not Assignment.objects.filter(person=world.stranger).exists()
