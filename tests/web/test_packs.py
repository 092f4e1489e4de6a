"""Pages of packs: list, one pack, request, download; who sees what, and the same refusals as the API."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from apps.core import blobs, jobs
from apps.packs.acts import request_pack
from apps.packs.models import Pack
from apps.trail.models import Entry
from tests.factories.evidence import validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("frozen")]
BACKEND = "django.contrib.auth.backends.ModelBackend"


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


def asked(world, version, count=1):
    return [request_pack(world.inspector, version.pk, purpose=f"Purpose {n}") for n in range(1, count + 1)]


def rows_of(response):
    return {pack.pk for pack in response.context["listing"].page.object_list}


def test_the_list_shows_exactly_what_one_may_see(world, version, as_):
    packs = {p.pk for p in asked(world, version, 2)}
    url = reverse("web:packs")
    for person in ("inspector", "author", "deployer", "compliance"):
        assert rows_of(as_(person).get(url)) == packs, person
    for person in ("stranger", "other_developer", "administrator", "curator"):
        response = as_(person).get(url)
        assert rows_of(response) == set(), person
        assert b"Purpose 1" not in response.content


def test_the_list_filters_sorts_and_exports(world, version, as_):
    asked(world, version, 2)
    client, url = as_("compliance"), reverse("web:packs")
    assert rows_of(client.get(url, {"state": "done"})) == set()
    assert len(rows_of(client.get(url, {"state": "queued", "model": "lot"}))) == 2
    assert client.get(url, {"state": "nonsense"}).status_code == 422
    lines = b"".join(client.get(url, {"format": "csv", "o": "ref"}).streaming_content).decode().splitlines()
    assert [line.split(",")[0] for line in lines[1:]] == ["P-1", "P-2"]


@pytest.mark.parametrize("count", [1, 3])
def test_the_list_asks_the_same_number_of_queries(world, version, as_, django_assert_num_queries, count):
    asked(world, version, count)
    client = as_("compliance")
    client.get(reverse("web:packs"))
    with django_assert_num_queries(LIST_QUERIES):
        client.get(reverse("web:packs"))


LIST_QUERIES = 5


def test_a_request_makes_one_pack_however_often_it_is_sent(world, version, as_):
    client, url = as_("monitor"), reverse("web:pack_request", args=["lotx", version.label])
    page = client.get(url)
    key = page.context["form"]["idempotency_key"].value()
    for _ in range(2):
        response = client.post(url, {"purpose": "Annual inspection", "idempotency_key": key})
        assert response.status_code == 302
    pack = Pack.objects.get()
    assert response.url == reverse("web:pack", args=[pack.number])
    assert pack.requested_by == world.monitor


def test_a_request_without_purpose_keeps_the_form(world, version, as_):
    url = reverse("web:pack_request", args=["lotx", version.label])
    response = as_("monitor").post(url, {"purpose": "  "})
    assert response.status_code == 422
    assert "purpose" in response.context["form"].errors
    assert not Pack.objects.exists()


def test_who_may_not_see_the_version_finds_no_form_and_no_pack(world, version, as_):
    (pack,) = asked(world, version)
    client = as_("stranger")
    for url in (
        reverse("web:pack_request", args=["lotx", version.label]),
        reverse("web:pack", args=[pack.number]),
    ):
        assert client.get(url).status_code == 404
    assert client.post(reverse("web:pack_download", args=[pack.number])).status_code == 404


def test_signed_out_goes_to_sign_in(world, version):
    assert Client().get(reverse("web:packs")).status_code == 302


def test_a_pack_under_way_is_polled_and_not_handed_out(world, version, as_):
    (pack,) = asked(world, version)
    client = as_("author")
    url = reverse("web:pack", args=[pack.number])
    assert b'hx-trigger="every 2s"' in client.get(url).content
    fragment = client.get(url, headers={"HX-Request": "true"})
    assert b"<html" not in fragment.content
    assert b'id="pack-state"' in fragment.content
    refused = client.post(reverse("web:pack_download", args=[pack.number]))
    assert refused.status_code == 409
    assert b"a pack is given out when it is built" in refused.content


@pytest.mark.once
def test_the_download_is_the_pack_and_is_entered(world, version, as_):
    (pack,) = asked(world, version)
    jobs.run_queued()
    pack.refresh_from_db()
    client = as_("deployer")
    page = client.get(reverse("web:pack", args=[pack.number]))
    assert b"hx-trigger" not in page.content
    assert pack.content_digest[7:15] in page.content.decode()
    assert client.get(reverse("web:pack_download", args=[pack.number])).status_code == 405
    response = client.post(reverse("web:pack_download", args=[pack.number]))
    data = b"".join(response.streaming_content)
    assert blobs.put(data, area="results").digest == pack.pdf_digest
    assert response["Content-Disposition"] == f'attachment; filename="{pack.ref}-lotx-1.0.0.pdf"'
    assert response["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in response["Content-Security-Policy"]
    entry = Entry.objects.get(act="packs.download_pack", kind="act")
    assert (entry.actor_name, entry.subject_id) == ("Deployer Person", str(pack.pk))
    assert b"Deployer Person" in client.get(reverse("web:pack", args=[pack.number])).content
