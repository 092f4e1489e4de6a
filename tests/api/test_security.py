"""Resets, links and second factors by the API: the same acts, the same refusals in the same order."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.access.acts import propose_link, request_reset
from apps.accounts.models import User
from tests.factories.doors import session_api, token_api
from tests.factories.factors import app_for

pytestmark = pytest.mark.django_db
RESETS, LINKS, FACTORS = "api:reset-list", "api:sign-on-list", "api:second-factor-list"
ASKED = {"person": "author", "what": "password", "reason": "Forgot it"}


@pytest.fixture
def provider(settings) -> None:
    settings.OIDC_PROVIDERS = [
        {"key": "corp", "name": "Corporate", "issuer": "https://id.example/", "client_id": "x"}
    ]


def test_a_reset(world):
    admin, compliance = session_api(world.administrator), session_api(world.compliance2)
    made = admin.post(reverse(RESETS), ASKED, headers={"Idempotency-Key": "one"})
    assert (made.status_code, made.json()["state"]) == (201, "requested")
    again = admin.post(reverse(RESETS), ASKED, headers={"Idempotency-Key": "one"})
    assert again.json()["id"] == made.json()["id"]
    pk = made.json()["id"]
    assert [row["ref"] for row in compliance.get(reverse(RESETS)).json()["results"]] == [f"R-{pk}"]
    assert compliance.get(reverse(RESETS), {"state": "approved"}).json()["results"] == []
    assert compliance.get(reverse(RESETS), {"state": "x"}).status_code == 422
    done = compliance.post(reverse("api:reset-approve", args=[pk]), {})
    assert (done.status_code, done.json()["decided_by"]) == (200, "compliance2")
    assert not User.objects.get(username="author").has_usable_password()
    again = compliance.post(reverse("api:reset-refuse", args=[pk]), {"reason": "No"})
    assert again.status_code == 409


def test_of_a_reset_sight_and_duty_are_told_before_the_input(world):
    url = reverse(RESETS)
    assert session_api(world.owner).post(url, ASKED).status_code == 404
    assert session_api(world.compliance).post(url, {"person": "author"}).status_code == 403
    assert token_api(world.administrator).post(url, ASKED).status_code == 403
    admin = session_api(world.administrator)
    for person in ("nobody", "a\x00b", 7, None, ["author"]):
        assert admin.post(url, ASKED | {"person": person}, format="json").status_code == 404
    for given in ({"what": "all"}, {"reason": ""}, {"reason": "x" * 2001}, {"more": 1}):
        assert admin.post(url, ASKED | given).status_code == 422
    pk = request_reset(world.administrator, world.author.pk, what="password", reason="Lost").pk
    for verb in ("approve", "refuse"):
        each = reverse(f"api:reset-{verb}", args=[pk])
        assert session_api(world.owner).post(each, {}).status_code == 404
        assert session_api(world.author).post(each, {}).status_code == 403
        assert session_api(world.compliance2).post(each, {"more": 1}).status_code == 422
        assert token_api(world.compliance2).post(each, {"reason": "x"}).status_code == 403


def test_links(world, provider):
    admin = session_api(world.administrator)
    given = {"person": "author", "provider": "corp", "subject": "abc"}
    made = admin.post(reverse(LINKS), given)
    assert (made.status_code, made.json()["state"]) == (201, "proposed")
    assert set(admin.post(reverse(LINKS), given).json()["fields"]) == {"subject"}
    assert session_api(world.owner).post(reverse(LINKS), given).status_code == 404
    assert session_api(world.compliance).post(reverse(LINKS), {"person": "author"}).status_code == 403
    end = reverse("api:sign-on-end", args=[made.json()["id"]])
    assert session_api(world.owner).post(end, {"reason": "x"}).status_code == 404
    assert session_api(world.author).post(end, {}).status_code == 403
    assert admin.post(end, {}).status_code == 422
    assert admin.post(end, {"reason": "Left"}).json()["state"] == "ended"
    assert admin.post(end, {"reason": "Left"}).status_code == 409


def test_factors_are_shown_without_their_secrets(world):
    factor, _ = app_for(world.author)
    for person, shown in (
        (world.author, 1),
        (world.administrator, 1),
        (world.owner, 0),
        (world.inspector, 0),
    ):
        answer = session_api(person).get(reverse(FACTORS))
        assert len(answer.json()["results"]) == shown
        assert factor.sealed not in answer.content.decode()


def test_lists_ask_as_often_for_many_as_for_few(world, provider):
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    api = session_api(world.compliance2)

    def asked() -> list[int]:
        counts = []
        for name in (RESETS, LINKS, FACTORS):
            with CaptureQueriesContext(connection) as queries:
                assert api.get(reverse(name)).status_code == 200
            counts.append(len(queries))
        return counts

    def make(*names: str) -> None:
        for name in names:
            person = world.people[name]
            request_reset(world.administrator, person.pk, what="password", reason="Lost")
            propose_link(world.administrator, person.pk, provider="corp", subject=name)
            app_for(person)

    make("author")
    asked()
    one = asked()
    make("owner", "approver")
    assert asked() == one
