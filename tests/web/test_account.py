"""One's own account: password, tokens, time zone."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from apps.access.acts import create_token
from apps.accounts.models import ApiToken, SignedIn
from apps.trail.models import Entry
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
NEW = "another long phrase of mine"


@pytest.fixture
def client(world):
    made = Client()
    made.force_login(world.author, backend=BACKEND)
    return made


def page_of(response) -> str:
    return response.content.decode()


def test_the_page_shows_own_duties_with_their_places(client, world):
    html = page_of(client.get(reverse("web:account")))
    assert re.search(r'<th scope="row">developer</th><td>lotx</td>', html)
    assert "30 minutes" in html or "minutes without use" in html
    assert Client().get(reverse("web:account")).status_code == 302


def test_the_password_is_changed_by_who_knows_the_current_one(client, world):
    other = Client()
    other.force_login(world.author, backend=BACKEND)
    url = reverse("web:change_password")
    wrong = client.post(url, {"current": "wrong", "password": NEW, "again": NEW})
    assert wrong.status_code == 422
    assert "do not belong together" in page_of(wrong)
    assert client.post(url, {"current": PASSWORD, "password": "short", "again": "short"}).status_code == 422
    assert client.post(url, {"current": PASSWORD, "password": NEW, "again": "other"}).status_code == 422
    world.author.refresh_from_db()
    assert world.author.check_password(PASSWORD)
    assert client.post(url, {"current": PASSWORD, "password": NEW, "again": NEW}).status_code == 302
    world.author.refresh_from_db()
    assert world.author.check_password(NEW)
    assert client.get(reverse("web:account")).status_code == 200
    assert other.get(reverse("web:account")).status_code == 302


def test_guessing_the_current_password_locks_and_is_in_the_trail(client, world, settings):
    url = reverse("web:change_password")
    for _ in range(settings.SIGN_IN_FAILURES):
        client.post(url, {"current": "guess", "password": NEW, "again": NEW})
    assert client.post(url, {"current": PASSWORD, "password": NEW, "again": NEW}).status_code == 422
    refusals = Entry.objects.filter(kind="refusal", act="access.sign_in", actor_uuid=str(world.author.uuid))
    assert refusals.count() == settings.SIGN_IN_FAILURES + 1


def test_a_token_is_shown_once_and_opens_the_api(client, world):
    form = {"name": "ci-lotx", "days": "30", "password": PASSWORD, "idempotency_key": "t1"}
    bad = client.post(reverse("web:create_token"), form | {"password": "wrong"})
    assert bad.status_code == 422
    assert not ApiToken.objects.exists()
    assert "wrong" not in page_of(bad).partition("<form")[2]
    made = client.post(reverse("web:create_token"), form)
    assert made.status_code == 201
    secret = re.search(r'id="token-secret">(cs_[^<]+)<', page_of(made))[1]
    assert secret not in page_of(client.get(reverse("web:account")))
    again = client.post(reverse("web:create_token"), form)
    assert again.status_code == 302
    assert ApiToken.objects.filter(owner=world.author).count() == 1
    api = Client(headers={"Authorization": f"Bearer {secret}"})
    assert api.get("/api/v1/me").status_code == 200
    token = ApiToken.objects.get(owner=world.author)
    end = reverse("web:end_token", args=[token.pk])
    assert client.get(end).status_code == 200
    assert client.post(end).status_code == 302
    assert api.get("/api/v1/me").status_code == 401
    assert client.post(end).status_code == 409


def test_bad_tokens_and_tokens_of_others(client, world):
    url = reverse("web:create_token")
    assert client.post(url, {"name": " ", "days": "30", "idempotency_key": "a"}).status_code == 422
    bad = client.post(url, {"name": "ci", "days": "999", "password": PASSWORD, "idempotency_key": "b"})
    assert bad.status_code == 422
    assert "Between 1 and 365 days." in page_of(bad)
    assert 'value="999"' in page_of(bad)
    theirs = create_token(world.owner, name="theirs")
    assert client.post(reverse("web:end_token", args=[theirs.pk])).status_code == 404
    theirs.refresh_from_db()
    assert theirs.ended_at is None


def test_times_are_shown_in_the_zone_one_chose(client, world):
    url = reverse("web:set_zone")
    assert client.post(url, {"time_zone": "Mars/Base", "idempotency_key": "z"}).status_code == 422
    assert client.post(url, {"time_zone": "Asia/Tokyo", "idempotency_key": "z1"}).status_code == 302
    world.author.refresh_from_db()
    assert world.author.time_zone == "Asia/Tokyo"
    assert "Asia/Tokyo, UTC+09:00" in page_of(client.get(reverse("web:account")))
    entry = Entry.objects.filter(act="access.set_preferences", kind="act").get()
    assert entry.actor_uuid == str(world.author.uuid)


def test_ones_sessions_are_listed_and_ended(world):
    here, there, other = Client(), Client(headers={"User-Agent": "Elsewhere/1.0"}), Client()
    for each, name in ((here, "author"), (there, "author"), (other, "owner")):
        each.post(reverse("web:sign_in"), {"username": name, "password": PASSWORD})
    html = page_of(here.get(reverse("web:account")))
    assert "Elsewhere/1.0" in html
    assert html.count("End this session<") == 1
    row = SignedIn.objects.get(browser="Elsewhere/1.0")
    end = reverse("web:end_session", args=[row.pk])
    assert other.post(end).status_code == 404
    assert there.get(reverse("web:account")).status_code == 200
    assert here.post(end).status_code == 302
    assert there.get(reverse("web:account")).status_code == 302
    entry = Entry.objects.filter(act="access.end_session", kind="act").get()
    assert (entry.actor_uuid, entry.subject_id) == (str(world.author.uuid), str(row.pk))
    assert here.post(end).status_code == 409


def test_all_other_sessions_end_at_once_and_this_one_stays(world):
    here, there, other = Client(), Client(), Client()
    for each, name in ((here, "author"), (there, "author"), (other, "owner")):
        each.post(reverse("web:sign_in"), {"username": name, "password": PASSWORD})
    assert here.post(reverse("web:end_other_sessions")).status_code == 302
    assert here.get(reverse("web:account")).status_code == 200
    assert there.get(reverse("web:account")).status_code == 302
    assert other.get(reverse("web:account")).status_code == 200
    assert Entry.objects.filter(act="access.end_other_sessions", kind="act").count() == 1


def test_a_new_password_ends_tokens_and_other_sessions_and_keeps_this_one(world):
    here, there = Client(), Client()
    for each in (here, there):
        each.post(reverse("web:sign_in"), {"username": "author", "password": PASSWORD})
    token = create_token(world.author, name="ci")
    form = {"current": PASSWORD, "password": NEW, "again": NEW}
    assert here.post(reverse("web:change_password"), form).status_code == 302
    token.refresh_from_db()
    assert token.ended_at is not None
    assert here.get(reverse("web:account")).status_code == 200
    assert there.get(reverse("web:account")).status_code == 302
    live = SignedIn.objects.get(user=world.author, ended_at=None)
    assert live.key == here.session.session_key
