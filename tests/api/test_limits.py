"""How often the API answers: by token, by person, by address, and bad tokens."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.access.acts import create_token
from apps.accounts.models import ApiToken

pytestmark = pytest.mark.django_db


def client_of(token: ApiToken | str, address: str = "192.0.2.1") -> APIClient:
    secret = token if isinstance(token, str) else token.secret
    return APIClient(headers={"Authorization": f"Bearer {secret}"}, REMOTE_ADDR=address)


def test_calls_with_one_token_are_bounded_and_another_goes_on(world, settings):
    settings.API_CALLS = 5
    one, other = (client_of(create_token(world.author, name=n)) for n in ("one", "other"))
    answers = [one.get("/api/v1/me") for _ in range(7)]
    assert [a.status_code for a in answers] == [200] * 5 + [429] * 2
    told = answers[-1]
    assert told["Content-Type"] == "application/problem+json"
    assert 0 < int(told["Retry-After"]) <= 60
    assert (told.json()["rule"], told.json()["status"]) == ("rate-limit", 429)
    assert "5 calls a minute with one token" in told.json()["fact"]
    assert other.get("/api/v1/me").status_code == 200


def test_calls_of_a_person_in_sessions_are_bounded(world, settings):
    settings.API_CALLS = 3
    client = APIClient()
    client.force_login(world.owner, backend="django.contrib.auth.backends.ModelBackend")
    assert [client.get("/api/v1/me").status_code for _ in range(4)] == [200] * 3 + [429]


def test_one_address_is_bounded_before_anybody_is_looked_up(world, settings, django_assert_num_queries):
    settings.API_CALLS_ADDRESS = 4
    token = create_token(world.author, name="ci")
    here, there = client_of(token), client_of(token, "192.0.2.9")
    assert [here.get("/api/v1/me").status_code for _ in range(5)] == [200] * 4 + [429]
    with django_assert_num_queries(0):
        assert here.get("/api/v1/me").status_code == 429
    assert there.get("/api/v1/me").status_code == 200


def test_bad_tokens_are_bounded_and_a_good_one_from_the_same_address_works(world, settings):
    settings.ADDRESS_FAILURES = 3
    good = client_of(create_token(world.author, name="ci"))
    answers = [client_of(f"cs_guess_{n}").get("/api/v1/me") for n in range(5)]
    assert [a.status_code for a in answers] == [401] * 3 + [429] * 2
    assert 0 < int(answers[-1]["Retry-After"]) <= settings.LOCKOUT_SECONDS
    assert good.get("/api/v1/me").status_code == 200


def test_a_good_token_within_its_limit_costs_one_query(world, settings, django_assert_num_queries):
    """Token, owner and last use in one; the limits in none, but for a portion taken ahead now and then."""
    from apps.api.auth import TokenAuthentication

    settings.API_CALLS, settings.API_CALLS_ADDRESS = 4000, 8000
    client = client_of(create_token(world.author, name="ci"))
    client.get("/api/v1/me")
    request = client.get("/api/v1/me").wsgi_request
    with django_assert_num_queries(1):
        assert TokenAuthentication().authenticate(request)[0] == world.author


def test_a_key_that_cannot_be_kept_is_said_to_be_so(world):
    client = APIClient()
    client.force_login(world.registrar, backend="django.contrib.auth.backends.ModelBackend")
    for key in ("k" * 101, "a\tb"):
        answer = client.post(
            "/api/v1/models",
            {"slug": "new", "name": "New", "owner": "owner"},
            headers={"Idempotency-Key": key},
        )
        assert (answer.status_code, answer.json()["rule"]) == (422, "idempotency")
    client = Client()
    client.force_login(world.author, backend="django.contrib.auth.backends.ModelBackend")
    token = create_token(world.author, name="ci")
    ended = client.post(reverse("web:end_token", args=[token.pk]), {"idempotency_key": "k" * 101})
    assert ended.status_code == 422
    token.refresh_from_db()
    assert token.ended_at is None
