"""The API of inspections, copies, registers and sensitive data, with the same refusals as the pages."""

from __future__ import annotations

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from apps.access.acts import create_token, end_assignment
from apps.access.inspection_models import Inspection
from apps.core.clock import now
from apps.datasets.grants import ReadGrant
from tests.cast import give
from tests.datasets.test_acts import uploaded
from tests.factories.doors import session_api

pytestmark = pytest.mark.django_db


@pytest.fixture
def api(world):
    return lambda name: session_api(world.people[name])


def test_an_inspection_by_the_api(world, api):
    given = {
        "person": "stranger",
        "authority": "Agency",
        "models": ["lotx"],
        "ends_at": (now() + timedelta(days=2)).isoformat(),
        "reason": "Announced",
    }
    assert api("owner").post("/api/v1/inspections", {}).status_code == 403
    assert api("administrator").post("/api/v1/inspections", {**given, "ends_at": "never"}).status_code == 422
    registrar = api("registrar")
    wrong = registrar.post("/api/v1/inspections", {**given, "models": ["no-such"]})
    assert (wrong.status_code, list(wrong.json()["fields"])) == (422, ["models"])
    made = registrar.post("/api/v1/inspections", given)
    assert made.status_code == 201, made.content
    assert made.json()["places"] == [world.model.scope]
    at = f"/api/v1/inspections/{made.json()['id']}"
    assert api("owner").get(at).status_code == 404
    assert api("registrar").post(f"{at}/approve").status_code == 403
    assert api("compliance").post(f"{at}/approve").json()["standing"] == "Open"
    assert api("compliance").post(f"{at}/approve").status_code == 409
    assert api("compliance").post(f"{at}/refuse", {"reason": "x"}).status_code == 409
    assert [
        row["ref"] for row in api("compliance").get("/api/v1/inspections?state=approved").json()["results"]
    ] == [Inspection.objects.get().ref]
    assert api("compliance").post(f"{at}/end", {}).status_code == 422
    assert api("compliance").post(f"{at}/end", {"reason": "Over"}).json()["state"] == "ended"


def test_what_an_inspector_looked_at_and_took(world, api):
    inspector = api("inspector")
    inspector.get("/api/v1/models")
    told = api("compliance").get("/api/v1/inspector-log").json()["results"]
    assert told[0]["facts"]["page"] == "api:models-list"
    assert api("owner").get("/api/v1/inspector-log").json()["results"] == []
    assert inspector.get("/api/v1/inspector-log").json()["count"] == 1
    assert api("compliance").get("/api/v1/copies").json()["results"] == []
    assert api("compliance").get("/api/v1/copies/1").status_code == 404


def test_the_access_register_by_the_api(world, api):
    given = give(world, "stranger", "monitor", world.model)
    held = now().isoformat()
    end_assignment(world.owner, given.pk, reason="Done")
    client = api("compliance")

    def people(**asked) -> set[str]:
        told = client.get("/api/v1/access-register", {"page_size": 200, **asked})
        assert told.status_code == 200, told.content
        return {row["username"] for row in told.json()["results"]}

    assert "stranger" in people(**{"as-of": held})
    assert "stranger" not in people()
    assert people(object="visc") == {"other_owner", "other_developer"}
    assert people(duty="steward") == {"steward"}
    assert people(act="datasets.upload_test_version") == {"steward"}
    row = client.get("/api/v1/access-register", {"person": "@steward"}).json()["results"][0]
    assert row["intact"]
    assert "datasets.grant_read" in row["acts"]
    for wrong in ({"as-of": "2999-01-01T00:00:00Z"}, {"as-of": "soon"}, {"act": "no.act"}, {"duty": "king"}):
        assert client.get("/api/v1/access-register", wrong).status_code == 422, wrong
    assert {r["object"] for r in api("author").get("/api/v1/access-register").json()["results"]} == {
        "lotx",
        "trial",
    }


def test_sensitive_data_by_the_api(world, api):
    version = uploaded(world)
    assert api("curator").post("/api/v1/datasets/trial/mark-sensitive", {}).status_code == 403
    assert api("owner").post("/api/v1/datasets/trial/mark-sensitive", {}).status_code == 422
    marked = api("owner").post("/api/v1/datasets/trial/mark-sensitive", {"reason": "Patients"})
    assert marked.json() == {"slug": "trial", "sensitive": True}
    at = f"/api/v1/dataset-versions/{version.pk}"
    author, steward = api("author"), api("steward")
    shut = author.post(f"{at}/download", {"reason": "Rows"})
    assert (shut.status_code, shut.json()["rule"].split(":")[0]) == (403, "sensitive-access")
    assert author.get(f"{at}/profile").status_code == 409
    assert author.post(f"{at}/profile").status_code == 403
    ask = {"dataset_version": version.ref, "hours": 4, "reason": "Query 7"}
    assert author.post("/api/v1/read-grants", {**ask, "hours": 10000}).json()["fields"] == {
        "hours": ["Whole hours from 1 to 8: access to sensitive data lapses by itself."]
    }
    assert api("stranger").post("/api/v1/read-grants", ask).status_code == 422  # it sees no such version
    made = author.post("/api/v1/read-grants", ask)
    assert made.status_code == 201, made.content
    assert author.post("/api/v1/read-grants", ask).status_code == 409
    grant = f"/api/v1/read-grants/{made.json()['id']}"
    assert author.post(f"{grant}/grant", {}).status_code == 403
    assert steward.post(f"{grant}/grant", {"hours": 5}).status_code == 422
    assert steward.post(f"{grant}/grant", {"hours": 1}).json()["standing"] == "In force"
    token = APIClient()
    secret = create_token(world.steward, name="t", days=1).secret
    token.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    assert token.post(f"{grant}/refuse", {"reason": "x"}).status_code == 403
    assert author.post(f"{at}/profile").json()["rows"] == 3
    taken = author.post(f"{at}/download", {"reason": "Rows"})
    assert taken.status_code == 200
    assert b"".join(taken.streaming_content)
    reads = steward.get("/api/v1/data-reads", {"dataset": "trial"}).json()["results"]
    assert [(row["act"], row["under"]) for row in reads] == [
        ("datasets.download_version", f"RA-{ReadGrant.objects.get().pk}: Query 7"),
        ("datasets.read_profile", f"RA-{ReadGrant.objects.get().pk}: Query 7"),
    ]
    assert steward.get("/api/v1/data-reads", {"as-of": "2020-01-01T00:00:00Z"}).json()["count"] == 0
    assert api("stranger").get("/api/v1/data-reads").json()["count"] == 0
    assert steward.post(f"{grant}/end", {"reason": "Done"}).json()["state"] == "ended"
    assert author.post(f"{at}/download", {"reason": "Rows"}).status_code == 403


def test_unmarking_by_the_api(world, api):
    api("owner").post("/api/v1/datasets/trial/mark-sensitive", {"reason": "Patients"})
    api("owner").post("/api/v1/datasets/trial/unmark", {"reason": "Published"})
    row = api("steward").get("/api/v1/unmarkings").json()["results"][0]
    assert api("owner").post(f"/api/v1/unmarkings/{row['id']}/approve").status_code == 409
    assert api("owner").post(f"/api/v1/unmarkings/{row['id']}/refuse", {}).status_code == 422
    assert api("steward").post(f"/api/v1/unmarkings/{row['id']}/approve").json()["state"] == "approved"
    assert api("steward").post(f"/api/v1/unmarkings/{row['id']}/refuse", {"reason": "x"}).status_code == 409
    assert api("stranger").get(f"/api/v1/unmarkings/{row['id']}").status_code == 404
