"""The caller and their tokens."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from apps.access.acts import create_token
from apps.core.rulewords import rule_words
from tests.cast import give
from tests.factories.doors import session_api

pytestmark = pytest.mark.django_db


@pytest.fixture
def own(world):
    token = create_token(world.bias_tester, name="ci")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token.secret}")
    return client, token


def test_who_is_asking_and_what_they_may(own, world):
    client, token = own
    me = client.get("/api/v1/me").json()
    assert (me["username"], me["token"]) == ("bias_tester", token.prefix)
    assert [(d["duty"], d["on"]) for d in me["duties"]] == [("bias_tester", "lotx")]
    given = give(world, "bias_tester", "monitor", world.model)
    assert given.ref in {d["assignment"] for d in client.get("/api/v1/me").json()["duties"]}
    assert APIClient().get("/api/v1/me").status_code == 401


def test_a_call_by_nobody_is_told_what_is_missing_and_who_is_answered(world):
    """Without anything, with a bad token, and with the cookie of a session that was ended somewhere else."""
    nothing = APIClient()
    bad = APIClient()
    bad.credentials(HTTP_AUTHORIZATION="Bearer cs_nothing")
    ended = session_api(world.author)
    assert ended.get("/api/v1/me").status_code == 200
    ended.session.delete()
    facts = set()
    for client, rule in (
        (nothing, "not_authenticated"), (bad, "authentication_failed"), (ended, "not_authenticated")
    ):  # fmt: skip
        answer = client.get("/api/v1/me")
        told = answer.json()
        assert (answer.status_code, told["rule"], told["what"]) == (401, rule, told["detail"])
        assert told["rule_text"] == rule_words(rule)
        assert all(told[part] for part in ("what", "fact", "eligible"))
        assert answer["WWW-Authenticate"] == "Bearer"
        facts.add(told["fact"])
    assert len(facts) == 3


def test_own_tokens_are_listed_and_ended_and_never_made_here(own, world):
    client, token = own
    theirs = create_token(world.author, name="theirs")
    listed = client.get("/api/v1/me/tokens").json()["results"]
    assert [row["id"] for row in listed] == [token.pk]
    assert "hashed" not in listed[0]
    assert listed[0]["last_used_at"] is not None
    assert client.post("/api/v1/me/tokens", {"name": "more"}).status_code == 405
    assert client.post(f"/api/v1/me/tokens/{theirs.pk}/end").status_code == 404
    assert client.post(f"/api/v1/me/tokens/{token.pk}/end").json()["ended_at"] is not None
    assert client.get("/api/v1/me").status_code == 401


def test_a_reader_of_everything_still_has_only_their_own_tokens(own, world):
    inspector = APIClient()
    inspector.force_login(world.inspector, backend="django.contrib.auth.backends.ModelBackend")
    assert inspector.get("/api/v1/me/tokens").json()["results"] == []
    assert inspector.post(f"/api/v1/me/tokens/{own[1].pk}/end").status_code == 404
