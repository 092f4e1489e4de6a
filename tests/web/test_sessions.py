"""Sign-in, lockout, idle and absolute limits, enrolment."""

from __future__ import annotations

import re
import time

import pytest
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.core import mail
from django.test import Client
from django.urls import reverse

from apps.access import throttle
from apps.access.acts import create_account, create_token, deactivate_account, set_password
from apps.accounts.models import SignedIn
from apps.core.errors import BadInput, NotAllowed
from apps.core.jobs import run_queued
from apps.core.rulewords import rule_words
from apps.trail.models import Entry
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db


def sign_in(client: Client, username: str, password: str = PASSWORD, **extra):
    return client.post(reverse("web:sign_in"), {"username": username, "password": password, **extra})


def test_sign_in_enters_the_trail_and_goes_to_work(world, client):
    response = sign_in(client, "approver")
    assert response.status_code == 302
    entry = Entry.objects.filter(act="access.sign_in", kind="act").latest("id")
    assert entry.actor_uuid == str(world.approver.uuid)


def test_the_same_words_for_an_unknown_name_a_wrong_password_and_a_deactivated_account(world, client):
    deactivate_account(world.administrator, world.stranger.pk, reason="Left")
    answers = [
        sign_in(client, *pair) for pair in (("nobody", "x"), ("approver", "x"), ("stranger", PASSWORD))
    ]
    assert {a.status_code for a in answers} == {401}
    pages = {
        a.content.decode().split("<main")[1].replace(u, "")
        for a, u in zip(answers, ("nobody", "approver", "stranger"), strict=True)
    }
    tokens_aside = {p.split("csrfmiddlewaretoken")[0] for p in pages}
    assert len(tokens_aside) == 1


def test_five_failures_lock_and_the_lock_ends(world, client, settings, monkeypatch):
    for _ in range(settings.SIGN_IN_FAILURES):
        assert sign_in(client, "approver", "wrong").status_code == 401
    assert sign_in(client, "approver").status_code == 401
    assert (
        Entry.objects.filter(
            kind="refusal", act="access.sign_in", actor_uuid=str(world.approver.uuid)
        ).count()
        == 6
    )
    monkeypatch.setattr(throttle, "_clock", lambda: int(time.time()) + settings.LOCKOUT_SECONDS + 1)
    assert sign_in(client, "approver").status_code == 302


@pytest.mark.parametrize(
    "target", ["//evil.example", "https:evil.example", "\\\\evil.example", "javascript:alert(1)"]
)
def test_no_open_redirect(world, client, target):
    response = sign_in(client, "approver", next=target)
    assert response["Location"] == reverse("web:work")


def test_an_idle_session_ends_and_says_so(world, client, settings):
    sign_in(client, "approver")
    session = client.session
    session["seen"] = session.get("seen", session.get("began", 0)) - settings.SESSION_IDLE_SECONDS - 1
    session.save()
    response = client.get(reverse("web:work"))
    assert response.status_code == 302
    assert "ended=1" in response["Location"]
    assert Entry.objects.filter(act="access.sign_out").latest("id").actor_uuid == str(world.approver.uuid)


def test_a_page_that_asks_by_itself_keeps_no_session_from_being_idle(world, client, settings):
    """A job that waits for a worker is asked after every ten seconds, whoever has left the desk."""
    sign_in(client, "approver")
    work = reverse("web:work")
    assert client.get(work).status_code == 200
    long_ago = int(time.time()) - settings.SESSION_IDLE_SECONDS + 60

    def seen_then() -> int:
        session = client.session
        session["seen"] = long_ago
        session.save()
        return long_ago

    seen_then()
    polls = {"HX-Request": "true", "X-Asked-By": "page"}
    assert client.get(work, headers=polls).status_code == 200
    assert client.session["seen"] == long_ago
    assert client.get(work, headers={"HX-Request": "true"}).status_code == 200  # a filter that somebody chose
    assert client.session["seen"] > long_ago
    seen_then()
    assert client.get(work, headers={"X-Asked-By": "page"}).status_code == 200  # a page that somebody opened
    assert client.session["seen"] > long_ago
    long_ago = int(time.time()) - settings.SESSION_IDLE_SECONDS - 1
    seen_then()
    assert "ended=1" in client.get(work, headers=polls)["HX-Redirect"]


def test_the_enrolment_link_works_once(world, client):
    create_account(
        world.administrator, username="new.person", printed_name="New Person", email="new@example.org"
    )
    run_queued()
    url = re.search(r"http://[^/]+(/enrol/\S+/)", mail.outbox[-1].body)[1]
    assert client.get(url).status_code == 200
    short = client.post(url, {"password": "short", "again": "short"})
    assert short.status_code == 422
    done = client.post(url, {"password": "a long phrase of mine", "again": "a long phrase of mine"})
    assert done.status_code == 302
    assert client.get(url).status_code == 404


def test_the_demo_switch_does_not_exist_here(world, client):
    assert client.post(reverse("web:switch_person"), {"username": "approver"}).status_code == 404


def test_a_form_sent_after_the_session_ended_is_not_lost(world, client):
    """Sign in, go on, and the form stands as it was, without its password."""
    url = reverse("web:sign_out")
    asked = client.post(url, {"reason": "Seen twice & <checked>", "password": "secret", "choice": ["a", "b"]})
    assert asked.status_code == 401
    page = asked.content.decode()
    assert 'name="kept.reason" value="Seen twice &amp; &lt;checked&gt;"' in page
    assert "secret" not in page
    signed_in = sign_in(
        client, "approver", resume=url, **{"kept.reason": "Seen twice & <checked>", "kept.choice": ["a", "b"]}
    )
    assert signed_in.status_code == 200
    again = signed_in.content.decode()
    assert f'action="{url}"' in again
    assert 'name="reason" value="Seen twice &amp; &lt;checked&gt;"' in again
    assert again.count('name="choice"') == 2


def test_a_kept_form_goes_to_no_other_site(world, client):
    response = sign_in(client, "approver", resume="//evil.example/", **{"kept.reason": "x"})
    assert response["Location"] == reverse("web:work")


def test_a_demo_account_does_nothing_outside_the_demo(world, client, settings):
    settings.DEMO = True
    person = create_account(
        world.administrator,
        username="demo.person",
        printed_name="Demo Person",
        email="d@example.org",
        is_demo=True,
    )
    set_password(person, person.pk, password=PASSWORD)
    assert sign_in(client, "demo.person").status_code == 302
    settings.DEMO = False
    assert sign_in(Client(), "demo.person").status_code == 401
    with pytest.raises(BadInput):
        create_account(
            world.administrator,
            username="demo.two",
            printed_name="Demo Two",
            email="two@example.org",
            is_demo=True,
        )
    with pytest.raises(NotAllowed):
        create_token(person, name="left over")


def test_an_empty_form_is_answered_422_with_errors_beside_the_fields(world, client):
    answer = client.post(reverse("web:sign_in"), {})
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "<title>Error: Sign in" in html
    assert html.count('class="error"') == 2
    assert "Fill in “Username”." in html


def test_a_session_is_noted_where_it_began_and_ended_with_its_cause(world, client, settings):
    sign_in(client, "approver")
    row = SignedIn.objects.get(user=world.approver)
    assert (row.key, row.address, row.ended_at) == (client.session.session_key, "127.0.0.1", None)
    client.post(reverse("web:sign_out"))
    row.refresh_from_db()
    assert (row.key, row.cause) == (None, "signed out")
    sign_in(client, "approver")
    session = client.session
    session["began"] = int(time.time()) - settings.SESSION_ABSOLUTE_SECONDS - 1
    session.save()
    assert client.get(reverse("web:work")).status_code == 302
    assert SignedIn.objects.filter(user=world.approver).latest("pk").cause == "absolute limit"


def without_beginning(client: Client) -> None:
    """Take from the session of a client when it began, as if none of our roads had made it."""
    session = client.session
    del session["began"]
    session.save()


def test_a_session_without_a_beginning_is_ended_and_says_so(world, client):
    """Not taken for a fresh one, on a page, for htmx, in the API, nor for a form, which is kept."""
    for ask, status in (
        (lambda: client.get("/work/"), 302),
        (lambda: client.get("/work/", headers={"HX-Request": "true"}), 204),
        (lambda: client.get("/api/v1/me"), 401),
        (lambda: client.post(reverse("web:change_password"), {"current": "x"}), 401),
    ):
        sign_in(client, "approver")
        assert client.get("/work/").status_code == 200
        without_beginning(client)
        answer = ask()
        assert answer.status_code == status
        if status == 302:
            assert "Your session has ended." in client.get(answer["Location"]).content.decode()
        elif status == 204:
            assert "ended=1" in answer["HX-Redirect"]
        elif answer["Content-Type"] == "application/problem+json":
            assert answer.json()["what"] == "Your session has ended."
            told = answer.json()
            assert told["eligible"] == ["you, once you have signed in again"]
            assert (told["rule"], told["type"], told["detail"]) == ("session", "about:blank", told["what"])
            assert told["rule_text"] == rule_words("session") != "Rule session."
            assert "idle or open for too long" in told["fact"]
            assert answer["WWW-Authenticate"] == "Bearer"
        else:
            assert "Your session has ended." in answer.content.decode()
        assert "_auth_user_id" not in client.session
        assert SignedIn.objects.filter(user=world.approver).latest("pk").cause == "no beginning"
        left = Entry.objects.filter(act="access.sign_out").latest("id")
        assert left.actor_uuid == str(world.approver.uuid)
        assert "no beginning" in left.body
    assert SignedIn.objects.filter(user=world.approver, ended_at=None).count() == 0


def test_a_session_made_behind_the_portals_back_opens_nothing(world, client):
    """A row of the session store with a valid person and hash, and no sign-in behind it."""
    session = SessionStore()
    session[SESSION_KEY] = str(world.approver.pk)
    session[BACKEND_SESSION_KEY] = "django.contrib.auth.backends.ModelBackend"
    session[HASH_SESSION_KEY] = world.approver.get_session_auth_hash()
    session.create()
    client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
    assert client.get("/work/")["Location"].startswith(reverse("web:sign_in"))
    assert client.get("/work/").status_code == 302


def test_enrolment_and_the_demo_switch_note_when_the_session_began(world, client, settings):
    create_account(
        world.administrator, username="new.person", printed_name="New Person", email="new@example.org"
    )
    run_queued()
    url = re.search(r"http://[^/]+(/enrol/\S+/)", mail.outbox[-1].body)[1]
    client.post(url, {"password": "a long phrase of mine", "again": "a long phrase of mine"})
    assert abs(client.session["began"] - time.time()) < 60
    settings.DEMO = True
    person = create_account(
        world.administrator, username="demo.p", printed_name="Demo P", email="d@example.org", is_demo=True
    )
    client.post(reverse("web:switch_person"), {"username": person.username})
    assert client.session["_auth_user_id"] == str(person.pk)
    assert abs(client.session["began"] - time.time()) < 60
