"""Trail reviews by the API: the same acts and refusals as the pages."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from apps.quality.models import TrailReview
from apps.registry.acts import add_author
from tests.cast import PASSWORD
from tests.factories.evidence import validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("locked")]
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def version(world):
    return validated_world(world, until="locked").version


def client_of(person) -> APIClient:
    client = APIClient()
    client.force_login(person, backend=BACKEND)
    return client


def test_a_review_from_opening_to_signature(world, version):
    owner, reviewer = client_of(world.owner), client_of(world.compliance2)
    headers = {"HTTP_IDEMPOTENCY_KEY": "once"}
    made = [
        owner.post(f"/api/v1/versions/{version.pk}/trail-reviews", {}, format="json", **headers)
        for _ in range(2)
    ]
    assert [(answer.status_code, answer.json()["ref"]) for answer in made] == [(201, "TR-1")] * 2
    url = "/api/v1/trail-reviews/1"
    shown = reviewer.get(url).json()
    assert shown["unseen"]
    assert shown["content"]["range"]["tree_size"] == shown["until_size"]
    assert owner.get("/api/v1/trail-reviews").json()["results"][0]["ref"] == "TR-1"
    assert client_of(world.other_owner).get("/api/v1/trail-reviews").json()["results"] == []
    answer = reviewer.post(f"{url}/seen", {"entries": shown["unseen"], "comment": "In order."}, format="json")
    assert (answer.status_code, answer.json()["unseen"]) == (200, [])
    answer = reviewer.post(f"{url}/findings", {"text": "A column is misnamed."}, format="json")
    assert answer.json()["content"]["findings"][0]["text"] == "A column is misnamed."
    given = {"digest": answer.json()["digest"], "password": PASSWORD, "reason": "No consequence."}
    signed = reviewer.post(f"{url}/sign", given, format="json")
    assert (signed.status_code, signed.json()["state"]) == (200, "signed")
    assert signed.json()["signatures"][0]["meaning"] == "review"
    assert signed.json()["came_after"] == []
    add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Forgotten")
    later = owner.get(url).json()["came_after"]
    assert [each["act"] for each in later] == ["registry.add_author"]


def test_refusals_have_four_parts(world, version):
    owner = client_of(world.owner)
    owner.post(f"/api/v1/versions/{version.pk}/trail-reviews", {}, format="json")
    again = owner.post(f"/api/v1/versions/{version.pk}/trail-reviews", {}, format="json")
    assert (again.status_code, again.json()["rule"]) == (409, "trail-review-once")
    review = TrailReview.objects.get()
    seen = {"entries": sorted(review.shown), "comment": "x"}
    refused = client_of(world.approver).post("/api/v1/trail-reviews/1/seen", seen, format="json")
    assert refused.status_code == 409
    assert refused.json()["rule"].startswith("DY14")
    assert "Cora Compliance" in refused.json()["eligible"]
    bad = client_of(world.compliance).post(
        "/api/v1/trail-reviews/1/seen", {"entries": [1, "x"]}, format="json"
    )
    assert bad.status_code == 422
    assert client_of(world.compliance).get("/api/v1/trail-reviews/99").status_code == 404
    assert client_of(world.stranger).get("/api/v1/trail-reviews/1").status_code == 404


def test_extended_and_withdrawn(world, version):
    owner = client_of(world.owner)
    first = owner.post(f"/api/v1/versions/{version.pk}/trail-reviews", {}, format="json").json()
    add_author(world.author, version.pk, person_id=world.colleague.pk, reason="Forgotten")
    longer = owner.post("/api/v1/trail-reviews/1/extend", format="json").json()
    assert longer["until_size"] > first["until_size"]
    assert owner.post("/api/v1/trail-reviews/1/withdraw", {}, format="json").status_code == 422
    done = owner.post("/api/v1/trail-reviews/1/withdraw", {"reason": "Again"}, format="json")
    assert (done.status_code, done.json()["state"]) == (200, "withdrawn")
