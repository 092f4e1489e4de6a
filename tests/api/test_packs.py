"""Packs by API: ask, watch, take away; same refusals as the pages."""

from __future__ import annotations

from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from apps.core import blobs, jobs
from apps.core.rulewords import rule_words
from apps.packs.acts import request_pack
from apps.packs.models import Pack
from apps.trail.models import Entry
from tests.factories.evidence import validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("frozen")]
BACKEND = "django.contrib.auth.backends.ModelBackend"
URL = "/api/v1/packs"


@pytest.fixture
def as_(world):
    def sign_in(person):
        client = Client()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return sign_in


@pytest.fixture(autouse=True)
def long_lease(settings):
    """The test's transaction holds the database: the heartbeat's own connection could not write."""
    settings.JOB_LEASE_SECONDS = 3600


@pytest.fixture
def version(world):
    return validated_world(world, until="frozen").version


def post(client, url, data=None, **headers):
    return client.post(url, data or {}, content_type="application/json", headers=headers)


@pytest.mark.once
def test_ask_watch_take_away(world, version, as_):
    client = as_("monitor")
    made = post(client, URL, {"version": version.pk, "purpose": "Annual inspection"})
    assert made.status_code == 202, made.content
    number = made.json()["number"]
    assert made.json()["state"] == "queued"
    early = post(client, f"{URL}/{number}/download")
    assert (early.status_code, early.json()["rule"]) == (409, "pack-ready")
    jobs.run_queued()
    told = client.get(f"{URL}/{number}").json()
    assert (told["state"], told["version"], told["requested_by"]) == ("done", "lotx/1.0.0", "monitor")
    assert told["progress"]["state"] == "done"
    taken = post(client, f"{URL}/{number}/download", accept="application/pdf")
    assert taken.status_code == 200
    assert blobs.put(b"".join(taken.streaming_content), area="results").digest == told["pdf_digest"]
    assert "attachment" in taken["Content-Disposition"]
    assert Entry.objects.get(act="packs.download_pack", kind="act").actor_name == "Monitor Person"


def test_one_key_one_pack(world, version, as_):
    client = as_("monitor")
    asked = {"version": version.pk, "purpose": "x"}
    numbers = {post(client, URL, asked, **{"Idempotency-Key": "k"}).json()["number"] for _ in range(2)}
    assert len(numbers) == Pack.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({"purpose": "x"}, "version"),
        ({"version": "PK"}, "purpose"),
        ({"version": "PK", "purpose": "x" * 201}, "purpose"),
        ({"version": "PK", "purpose": "x", "as_of": "2020-01-01"}, "as_of"),
    ],
)
def test_bad_input_names_the_field(world, version, as_, data, field):
    data = {k: version.pk if v == "PK" else v for k, v in data.items()}
    response = post(as_("monitor"), URL, data)
    assert response.status_code == 422, response.content
    assert field in response.json()["fields"]
    assert not Pack.objects.exists()


def test_who_sees_what(world, version, as_):
    mine = {request_pack(world.inspector, version.pk, purpose="x").number for _ in range(2)}
    for person in ("author", "compliance", "inspector"):
        assert {p["number"] for p in as_(person).get(URL).json()["results"]} == mine, person
    for person in ("stranger", "other_developer", "administrator"):
        client = as_(person)
        assert client.get(URL).json()["results"] == [], person
        assert client.get(f"{URL}/{min(mine)}").status_code == 404
        assert post(client, URL, {"version": version.pk, "purpose": "x"}).status_code == 404
        assert post(client, f"{URL}/{min(mine)}/download").status_code == 404


def test_filters(world, version, as_):
    number = request_pack(world.inspector, version.pk, purpose="x").number
    client = as_("inspector")

    def found(**asked):
        return [p["number"] for p in client.get(URL, asked).json()["results"]]

    assert found(version=version.pk) == found(model="lotx") == found(state="queued") == [number]
    assert (
        found(version=version.pk + 99)
        == found(model="visc")
        == found(state="done")
        == found(version="x")
        == []
    )


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_asks_the_same_number_of_queries(world, version, as_, django_assert_num_queries, count):
    for _ in range(count):
        request_pack(world.inspector, version.pk, purpose="x")
    client = as_("compliance")
    client.get(URL)
    with django_assert_num_queries(LIST_QUERIES):
        assert len(client.get(URL).json()["results"]) == count


LIST_QUERIES = 5


def test_page_and_api_refuse_alike(world, version, as_):
    number = request_pack(world.inspector, version.pk, purpose="x").number
    client = as_("author")
    page = client.post(reverse("web:pack_download", args=[number]))
    api = post(client, f"{URL}/{number}/download")
    assert page.status_code == api.status_code == 409
    assert api.json()["fact"] in page.content.decode()
    assert unescape(rule_words(api.json()["rule"])) in unescape(page.content.decode())
