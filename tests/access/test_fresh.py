"""Acts that administer ask for a recent sign-in: of both doors, told in four parts; what was entered is kept."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.access import acts
from apps.access.actors import Actor
from apps.access.fresh import NEVER, signed_in_at
from apps.access.policy import TABLE
from apps.accounts.models import SignedIn, User
from apps.core.clock import now
from apps.core.errors import NotAllowed, NotVisible
from tests.access.telling import last, refused
from tests.cast import PASSWORD
from tests.factories.doors import browser, session_api, text_of, token_api
from tests.factories.factors import app_for, code_of

NEW = {"username": "nnovak", "printed_name": "Nina Novak", "email": "nina@example.org"}
CREATE = "access.create_account"


def aged(client, seconds: int) -> None:
    """The session of this client began so long ago; it was in use all the time."""
    session = client.session
    session["began"] = int(now().timestamp()) - seconds
    session["seen"] = int(now().timestamp())
    session.save()


def since(person: User, **ago: int) -> Actor:
    return Actor.of(person, signed_in_at=now() - timedelta(**ago))


def test_what_administers_asks_for_it_and_takes_no_token():
    fresh = {row.act for row in TABLE.values() if row.fresh}
    assert {CREATE, "access.approve_reset", "access.propose_rules", "access.approve_trust"} <= fresh
    assert [act for act in fresh if TABLE[act].token] == []
    credentials = {row.act for row in TABLE.values() if "reset_credential" in row.verbs}
    assert credentials <= fresh
    assert not fresh & {row.act for row in TABLE.values() if row.signs or row.service or row.reads}


def test_a_session_that_does_not_say_when_it_began_began_long_ago():
    assert signed_in_at({}) == NEVER


@pytest.mark.django_db
def test_within_the_time_it_is_done_and_after_it_refused(world, settings):
    acts.create_account(since(world.administrator, seconds=settings.FRESH_SIGN_IN_SECONDS - 5), **NEW)
    with refused(NotAllowed, "fresh-sign-in", act=CREATE, by=world.administrator) as caught:
        acts.create_account(
            since(world.administrator, seconds=settings.FRESH_SIGN_IN_SECONDS + 5),
            **NEW | {"username": "other"},
        )
    assert caught.value.what == "“Create account” was not done."
    assert caught.value.fact.endswith("this asks for a sign-in within the last 15 minutes.")
    assert caught.value.who == ("you, once you have signed in again",)
    assert not User.objects.filter(username="other").exists()


@pytest.mark.django_db
def test_who_may_not_do_it_is_told_that_first(world):
    old = since(world.compliance, hours=3)
    with refused(NotAllowed, "duty", act=CREATE, by=world.compliance):
        acts.create_account(old, **NEW)
    with refused(NotVisible, "visibility", act="access.request_reset", by=world.stranger):
        acts.request_reset(since(world.stranger, hours=3), world.author.pk, what="password", reason="Lost")


@pytest.mark.django_db
def test_other_acts_of_an_old_session_go_on(world):
    acts.deactivate_account(since(world.administrator, hours=3), world.stranger.pk, reason="Left")
    assert not User.objects.get(pk=world.stranger.pk).is_active


@pytest.mark.django_db
def test_the_page_asks_to_sign_in_again_keeps_what_was_entered_and_goes_on(world):
    client, url = browser(world.administrator), reverse("web:create_account")
    client.get(url)
    aged(client, 3600)
    assert client.get(url).status_code == 200, "looking asks for nothing"
    entered = NEW | {"idempotency_key": "k" * 32}
    asked = client.post(url, entered)
    assert asked.status_code == 403
    told = text_of(asked)
    assert "“Create account” was not done." in told
    assert "who administers has signed in not long ago" in told
    assert "What you entered is kept." in told
    assert 'name="kept.username" value="nnovak"' in asked.content.decode()
    assert not User.objects.filter(username="nnovak").exists()
    again = client.post(
        reverse("web:sign_in"),
        {"username": "administrator", "password": PASSWORD, "resume": url}
        | {f"kept.{name}": value for name, value in entered.items()},
    )
    assert 'name="username" value="nnovak"' in again.content.decode(), "one button sends it again"
    done = client.post(url, entered)
    assert done.status_code == 302
    assert User.objects.filter(username="nnovak").exists()
    assert last("access.sign_out")


@pytest.mark.django_db
def test_with_a_second_factor_it_is_asked_too_and_the_form_still_travels(world, settings):
    """Password alone is no sign-in here; who comes by a provider finds the way there."""
    settings.OIDC_PROVIDERS = [
        {"key": "hq", "name": "HQ", "issuer": "https://idp.example/", "client_id": "cs", "client_secret": "s"}
    ]
    _factor, secret = app_for(world.administrator)
    client, url = browser(world.administrator), reverse("web:create_account")
    client.get(url)
    aged(client, 3600)
    entered = NEW | {"idempotency_key": "k" * 32}
    asked = client.post(url, entered)
    assert "/sign-in/with/hq/" in asked.content.decode()
    kept = {"resume": url} | {f"kept.{name}": value for name, value in entered.items()}
    second = client.post(reverse("web:sign_in"), {"username": "administrator", "password": PASSWORD} | kept)
    assert 'name="kept.username" value="nnovak"' in second.content.decode()
    assert client.post(url, entered).status_code == 403, "not signed in anew yet"
    done = client.post(reverse("web:second_factor"), {"way": "code", "code": code_of(secret)} | kept)
    assert 'name="username" value="nnovak"' in done.content.decode()
    assert client.post(url, entered).status_code == 302


@pytest.mark.django_db
def test_signing_in_again_ends_the_session_before(world, client):
    sign_in, given = reverse("web:sign_in"), {"username": "administrator", "password": PASSWORD}
    client.post(sign_in, given)
    aged(client, 3600)
    client.post(sign_in, given)
    assert now() - signed_in_at(client.session) < timedelta(minutes=1)
    rows = list(
        SignedIn.objects.filter(user=world.administrator).order_by("pk").values_list("cause", "ended_at")
    )
    assert len(rows) == 2
    assert (rows[0][0], rows[1][1]) == ("signed in again", None)


@pytest.mark.django_db
def test_the_api_refuses_an_old_session_and_every_token(world):
    client = session_api(world.administrator)
    client.get("/api/v1/people")
    aged(client, 3600)
    answer = client.post("/api/v1/people", NEW)
    assert (answer.status_code, answer.json()["rule"]) == (403, "fresh-sign-in")
    assert set(answer.json()) >= {"what", "fact", "rule", "eligible"}
    aged(client, 5)
    assert client.post("/api/v1/people", NEW).status_code == 201
    by_token = token_api(world.administrator).post("/api/v1/people", NEW | {"username": "other"})
    assert (by_token.status_code, by_token.json()["what"]) == (403, "A token cannot do this.")
