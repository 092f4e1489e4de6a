"""People and duties through the API: the same answers as the pages give."""

from __future__ import annotations

import pytest
from django.core import mail
from rest_framework.test import APIClient

from apps.access.acts import create_token, deactivate_account, request_assignment
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core.jobs import run_queued
from apps.trail.models import Entry

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def api(world):
    def enter(person: str) -> APIClient:
        client = APIClient()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


@pytest.fixture
def by_token(world):
    def enter(person: str) -> APIClient:
        client = APIClient()
        token = create_token(world.people[person], name="ci")
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token.secret}")
        return client

    return enter


def asked_for(world, parent=None) -> Assignment:
    parent = parent or world.model
    return request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        reason="Help",
    )


def names(answer) -> set[str]:
    return {row["username"] for row in answer.json()["results"]}


def test_the_accounts_one_may_see(api, world):
    everybody = set(User.objects.filter(is_service=False).values_list("username", flat=True))
    assert names(api("administrator").get("/api/v1/people")) == everybody
    assert names(api("author").get("/api/v1/people")) == {"author"}
    client = api("compliance")
    assert names(client.get("/api/v1/people", {"duty": "approver"})) == {"approver", "approver2"}
    assert names(client.get("/api/v1/people", {"search": "bias"})) == {"bias_tester"}
    assert client.get("/api/v1/people", {"active": "perhaps"}).status_code == 422
    assert APIClient().get("/api/v1/people").status_code == 401


def test_the_list_asks_as_often_for_many_as_for_few(api, world, django_assert_num_queries):
    client = api("compliance")
    client.get("/api/v1/people")
    for search in ("bias_tester", "approver", ""):
        with django_assert_num_queries(7):
            client.get("/api/v1/people", {"search": search})
    for person in ("bias_tester", "approver", ""):
        with django_assert_num_queries(5):
            client.get("/api/v1/assignments", {"person": person})


def test_an_account_is_created_once_and_its_link_is_mailed(api, world):
    client = api("administrator")
    body = {"username": "nnovak", "printed_name": "Nina Novak", "email": "nina@example.org"}
    made = client.post("/api/v1/people", body, headers={"Idempotency-Key": "one"})
    assert made.status_code == 201
    assert made.json()["enrolment"]["state"] == "waiting"
    again = client.post("/api/v1/people", body, headers={"Idempotency-Key": "one"})
    assert again.status_code == 201
    assert User.objects.filter(username="nnovak").count() == 1
    run_queued()
    assert [m.to for m in mail.outbox] == [["nina@example.org"]]
    seen = client.get("/api/v1/people/nnovak")
    assert (seen.json()["enrolled"], seen.json()["enrolment"]["state"]) == (False, "sent")
    assert "/enrol/" not in seen.content.decode() + made.content.decode()
    assert client.post("/api/v1/people/nnovak/renew-enrolment").json()["enrolment"]["state"] == "waiting"
    taken = client.post("/api/v1/people", body)
    assert taken.status_code == 422
    assert "is or was in use" in taken.json()["fields"]["username"][0]
    unknown = client.post("/api/v1/people", body | {"is_superuser": True})
    assert unknown.json()["fields"] == {"is_superuser": ["This field is not known here."]}
    refused = api("author").post(
        "/api/v1/people", {"username": "xx", "printed_name": "X", "email": "x@example.org"}
    )
    assert (refused.status_code, refused.json()["rule"]) == (403, "duty")
    assert refused.json()["eligible"] == ["Ada Administrator"]


def test_deactivation(api, world):
    client = api("administrator")
    assert client.post("/api/v1/people/monitor/deactivate", {}).status_code == 422
    done = client.post("/api/v1/people/monitor/deactivate", {"reason": "Left"})
    assert (done.status_code, done.json()["is_active"], done.json()["duties"]) == (200, False, [])
    again = client.post("/api/v1/people/monitor/deactivate", {"reason": "Left"})
    assert (again.status_code, again.json()["rule"]) == (409, "account-state")
    offered = {a["act"]: a["allowed"] for a in client.get("/api/v1/people/monitor").json()["allowed_acts"]}
    assert offered == {
        "access.deactivate_account": False,
        "access.renew_enrolment": False,
        "access.confirm_identity": False,
        "access.unlock_account": True,
        "access.propose_link": False,
        "access.record_training": False,
        "access.request_correction": False,
        "access.request_reset": False,
        "access.place_hold": False,
    }
    assert api("compliance").post("/api/v1/people/author/deactivate", {"reason": "x"}).status_code == 403
    assert api("stranger").post("/api/v1/people/author/deactivate", {"reason": "x"}).status_code == 404


def test_a_duty_from_request_to_end(api, world):
    body = {"person": "stranger", "duty": "monitor", "on": "models/lotx", "reason": "Watches the lots"}
    made = api("owner").post("/api/v1/assignments", body)
    assert made.status_code == 201
    row = made.json()
    assert (row["state"], row["scope"], row["requester"]) == ("requested", world.model.scope, "owner")
    url = f"/api/v1/assignments/{row['id']}"
    refused = api("owner").post(f"{url}/approve")
    assert refused.status_code == 409
    assert refused.json()["rule"].startswith("DY17")
    assert "Cora Compliance" in refused.json()["eligible"]
    offered = {a["act"]: a["allowed"] for a in api("compliance").get(url).json()["allowed_acts"]}
    assert offered == {
        "access.approve_assignment": True,
        "access.refuse_assignment": True,
        "access.end_assignment": True,
    }
    assert api("compliance").post(f"{url}/approve").json()["approver"] == "compliance"
    assert api("compliance").post(f"{url}/approve").status_code == 409
    assert api("author").post(f"{url}/end", {"reason": "x"}).status_code == 403
    assert api("owner").post(f"{url}/end", {"reason": "Done"}).json()["state"] == "ended"
    assert api("owner").post(f"{url}/end", {"reason": "Done"}).status_code == 409


def test_what_is_hidden_is_not_there(api, world):
    hidden = asked_for(world, world.other_model)
    owner = api("owner")
    assert owner.get(f"/api/v1/assignments/{hidden.pk}").status_code == 404
    assert owner.post(f"/api/v1/assignments/{hidden.pk}/approve").status_code == 404
    body = {"person": "stranger", "duty": "monitor", "on": "models/visc", "reason": "x"}
    assert owner.post("/api/v1/assignments", body).status_code == 404
    assert (
        owner.post("/api/v1/assignments", body | {"on": "models/lotx", "person": "nobody"}).status_code == 404
    )
    assert owner.post("/api/v1/assignments", body | {"on": "lotx"}).status_code == 422
    seen = {row["id"] for row in owner.get("/api/v1/assignments", {"page_size": 500}).json()["results"]}
    expected = set(
        Assignment.objects.filter(scope_kind="registry.model", scope_id=world.model.pk).values_list(
            "pk", flat=True
        )
    ) | set(
        Assignment.objects.filter(scope_kind="datasets.dataset", scope_id=world.dataset.pk).values_list(
            "pk", flat=True
        )
    )
    assert seen == expected


def test_filters_of_assignments(api, world):
    client = api("compliance")

    def found(**query):
        return {(r["person"], r["duty"]) for r in client.get("/api/v1/assignments", query).json()["results"]}

    assert found(duty="approver") == {("approver", "approver"), ("approver2", "approver")}
    assert found(on="models/visc") == {("other_owner", "owner"), ("other_developer", "developer")}
    assert found(person="inspector") == {("inspector", "inspector")}
    assert found(state="refused") == set()
    assert client.get("/api/v1/assignments", {"state": "great"}).status_code == 422


def test_a_token_may_request_but_not_approve(by_token, world):
    body = {"person": "stranger", "duty": "monitor", "on": "models/lotx", "reason": "Watches"}
    made = by_token("registrar").post("/api/v1/assignments", body)
    assert made.status_code == 201
    refused = by_token("owner").post(f"/api/v1/assignments/{made.json()['id']}/approve")
    assert refused.status_code == 403
    assert "not an access token" in refused.json()["fact"]
    entry = Entry.objects.filter(kind="refusal", act="access.approve_assignment").latest("id")
    assert entry.actor_uuid == str(world.owner.uuid)


def test_a_deactivated_person_has_no_way_in(by_token, world):
    client = by_token("author")
    assert client.get("/api/v1/me").status_code == 200
    deactivate_account(world.administrator, world.author.pk, reason="Left")
    assert client.get("/api/v1/me").status_code == 401


def test_identity_and_unlock(api, world):
    body = {"username": "nnovak", "printed_name": "Nina Novak", "email": "nina@example.org"}
    api("administrator").post("/api/v1/people", body)
    url = "/api/v1/people/nnovak/confirm-identity"
    assert api("administrator").post(url, {"how": "known"}).status_code == 403
    assert api("author").post(url, {"how": "known"}).status_code == 404
    assert api("registrar").post(url, {"how": "guess"}).status_code == 422
    done = api("registrar").post(url, {"how": "known"}).json()
    assert (done["identity_checked"], done["identity_confirmed_at"] is not None) == ("known", True)
    assert api("compliance").post(url, {"how": "known"}).status_code == 409
    unlock = "/api/v1/people/nnovak/unlock"
    assert api("administrator").post(unlock, {"reason": "Asked by phone"}).status_code == 200
    assert api("compliance").post(unlock, {"reason": "x"}).status_code == 403
