"""Service accounts and trusts through the API."""

from __future__ import annotations

from datetime import timedelta

import pytest

from apps.access import acts
from apps.accounts.services import ServiceAccount
from apps.core.clock import now
from apps.trail.models import Entry
from tests.factories.doors import session_api
from tests.factories.services import ACTS, CLAIMS, asked_service, asked_trust, service, service_token

pytestmark = pytest.mark.django_db
BASE = "/api/v1/services"


def given(**changes) -> dict:
    return {
        "name": "lotx-ci",
        "owner": "author",
        "purpose": "Trains",
        "acts": list(ACTS),
        "objects": ["models/lotx"],
        "ends_at": (now() + timedelta(days=30)).isoformat(),
    } | changes


def test_from_asking_to_the_end(world):
    author, officer = session_api(world.author), session_api(world.compliance)
    body, once = given(), {"Idempotency-Key": "one"}
    made = author.post(BASE, body, headers=once)
    assert (made.status_code, made.json()["standing"]) == (201, "requested"), made.json()
    assert author.post(BASE, body, headers=once).json()["name"] == "lotx-ci"
    assert author.post(f"{BASE}/lotx-ci/approve").status_code == 403
    said = officer.post(f"{BASE}/lotx-ci/approve").json()
    assert (said["standing"], said["approver"], said["objects"]) == (
        "in force",
        "compliance",
        ["models/lotx"],
    )
    asked = author.post(
        f"{BASE}/lotx-ci/trusts",
        {"issuer": "https://ci.example", "audience": "x", "claims": CLAIMS, "reason": "The pipeline"},
    ).json()
    assert asked["state"] == "requested"
    assert officer.post(f"/api/v1/trusts/{asked['id']}/approve").json()["state"] == "approved"
    assert author.post(f"/api/v1/trusts/{asked['id']}/end", {"reason": "Moved"}).json()["state"] == "ended"
    other = acts.request_trust(
        world.author,
        ServiceAccount.objects.get().pk,
        issuer="https://ci.example",
        audience="x",
        claims=CLAIMS,
        reason="Again",
    )
    refused = officer.post(f"/api/v1/trusts/{other.pk}/refuse", {"reason": "No"}).json()
    assert (refused["state"], refused["end_reason"]) == ("refused", "No")
    for verb, word in {"suspend": "suspended", "resume": "in force", "end": "ended"}.items():
        client = session_api(world.compliance2)
        answer = client.post(f"{BASE}/lotx-ci/{verb}", {"reason": "Because"})
        assert (answer.status_code, answer.json()["standing"]) == (200, word), answer.json()


def test_a_refused_one_is_answered_with_its_reason(world):
    made = asked_service(world)
    answer = session_api(world.compliance).post(f"{BASE}/{made.name}/refuse", {"reason": "Ask for less"})
    assert (answer.status_code, answer.json()["state"]) == (200, "refused")


@pytest.mark.parametrize(
    "bad",
    [
        {"name": "A b"},
        {"owner": "nobody"},
        {"acts": []},
        {"acts": ["approvals.sign_approval"]},
        {"objects": []},
        {"objects": ["lotx"]},
        {"ends_at": "soon"},
        {"more": 1},
        {"purpose": ""},
    ],
)
def test_bad_input(world, bad):
    answer = session_api(world.author).post(BASE, given(**bad))
    assert (answer.status_code, answer.json()["rule"]) in [(422, "input"), (422, "service-account")], (
        answer.json()
    )
    assert not ServiceAccount.objects.exists()


def test_who_sees_which(world):
    made = service(world)
    token = service_token(world, made)
    for by, seen in {"author": 1, "colleague": 1, "compliance": 1, "administrator": 1, "stranger": 0}.items():
        client = session_api(world.people[by])
        assert client.get(BASE).json()["count"] == seen, by
        assert client.get(f"{BASE}/lotx-ci").status_code == (200 if seen else 404), by
    tokens = session_api(world.author).get(f"{BASE}/lotx-ci").json()["tokens"]
    assert [row["prefix"] for row in tokens] == [token.prefix]
    assert "hashed" not in tokens[0]
    assert session_api(world.colleague).get(f"{BASE}/lotx-ci").json()["tokens"] == []  # only asked for it
    assert session_api(world.author).get(f"{BASE}?state=ended").json()["count"] == 0
    assert session_api(world.author).get(f"{BASE}?state=nonsense").status_code == 422
    mine = session_api(world.author).get("/api/v1/me/tokens").json()["results"]
    assert (mine[0]["service"], mine[0]["objects"]) == ("lotx-ci", ["model lotx"])


def test_the_list_asks_as_often_for_three_as_for_one(world, django_assert_max_num_queries):
    service(world)
    client = session_api(world.author)
    with django_assert_max_num_queries(30) as one:
        client.get(BASE)
    for name in ("lotx-b", "lotx-c"):
        service_token(world, service(world, name=name))
    with django_assert_max_num_queries(len(one)):
        client.get(BASE)


def test_who_may_not_hears_that_before_anything_of_the_input(world):
    """`colleague` asked for it and `registrar` sees it; neither answers for it."""
    made = service(world)
    asked = asked_trust(made, "https://ci.example")
    wanted = {
        "author": [
            f"{BASE}/{made.name}/resume",
            f"{BASE}/{made.name}/refuse",
            f"/api/v1/trusts/{asked.pk}/refuse",
        ],
        "registrar": [
            f"{BASE}/{made.name}/{verb}" for verb in ("suspend", "end", "trusts", "resume", "refuse")
        ],
        "inspector": [f"/api/v1/trusts/{asked.pk}/{verb}" for verb in ("end", "refuse", "approve")],
    }
    for by, urls in wanted.items():
        for url in urls:
            before = Entry.objects.filter(kind="refusal").count()
            answer = session_api(world.people[by]).post(url, {"nonsense": 1})
            entered = Entry.objects.filter(kind="refusal").count() - before
            assert (answer.status_code, entered) == (403, 1), (by, url, answer.json())
            assert answer.json()["eligible"]
