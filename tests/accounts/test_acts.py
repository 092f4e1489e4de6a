"""Acts on accounts and tokens: works, wrong person, wrong duty, wrong state, bad input."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.hashers import check_password

from apps.access.actors import Actor
from apps.access.acts import (
    create_account,
    create_token,
    deactivate_account,
    end_token,
    export_trail,
    renew_enrolment,
    set_password,
    set_preferences,
    sign_in,
    sign_out,
)
from apps.access.acts.accounts import hashed
from apps.access.gate import ORGANISATION_SUBJECT
from apps.accounts.models import ApiToken, User
from apps.core.clock import now
from apps.core.errors import BadInput, NotAllowed, NotVisible, WrongState
from apps.trail.models import Entry
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
NEW = {"username": "nnovak", "printed_name": "Nina Novak", "email": "n@example.org"}


def test_create_account(world):
    made = create_account(world.administrator, **NEW, reason="Starts on Monday")
    told = {"act": "access.create_account", "by": world.administrator, "reason": "Starts on Monday"}
    assert_told(**told, about=made)
    assert_history(made, **told)
    assert (made.is_active, made.has_usable_password(), made.is_superuser) == (True, False, False)


def test_only_an_administrator_creates_accounts(world):
    for person in (world.compliance, world.owner, world.stranger):
        with refused(NotAllowed, "duty", act="access.create_account", by=person) as caught:
            create_account(person, **NEW)
        assert caught.value.who == ("Ada Administrator",)
    assert not User.objects.filter(username="nnovak").exists()


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"username": "Stranger"}, "username"),
        ({"username": "STRANGER".lower()}, "username"),
        ({"username": "x"}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "../etc"}, "username"),
        ({"printed_name": "  "}, "printed_name"),
        ({"email": "nobody"}, "email"),
    ],
)
def test_an_account_with_bad_input(world, change, field):
    with refused(BadInput, "input", act="access.create_account", by=world.administrator) as caught:
        create_account(world.administrator, **NEW | change)
    assert set(caught.value.fields) == {field}


def test_a_username_is_never_given_to_another_person(world):
    deactivate_account(world.administrator, world.stranger.pk, reason="Left")
    with pytest.raises(BadInput) as caught:
        create_account(world.administrator, **NEW | {"username": "stranger"})
    assert "11.100(a)" in caught.value.fields["username"][0]


def test_deactivate_account(world):
    told = {"act": "access.deactivate_account", "by": world.administrator, "reason": "Left the company"}
    gone = deactivate_account(world.administrator, world.monitor.pk, reason="Left the company")
    entry = assert_told(**told, about=gone)
    assert_history(gone, **told)
    assert not gone.is_active
    ended = gone.assignments.get()
    assert body_of(entry)["facts"]["ended"] == [ended.ref]
    assert_history(ended, **told)


def test_deactivation_refused(world):
    act = "access.deactivate_account"
    with refused(BadInput, "reason", act=act, by=world.administrator):
        deactivate_account(world.administrator, world.monitor.pk)
    with refused(NotVisible, "visibility", act=act, by=world.owner):
        deactivate_account(world.owner, world.monitor.pk, reason="Left")
    with refused(NotAllowed, "duty", act=act, by=world.compliance):
        deactivate_account(world.compliance, world.monitor.pk, reason="Left")
    with refused(NotVisible, "visibility", act=act, by=world.administrator):
        deactivate_account(world.administrator, 10**9, reason="Left")
    deactivate_account(world.administrator, world.monitor.pk, reason="Left")
    with refused(WrongState, "account-state", act=act, by=world.administrator):
        deactivate_account(world.administrator, world.monitor.pk, reason="Left again")


def test_set_password(world):
    secret = "a new phrase of some length"
    set_password(world.monitor, world.monitor.pk, password=secret)
    entry = assert_told("access.set_password", by=world.monitor, about=world.monitor)
    assert_history(world.monitor, act="access.set_password", by=world.monitor)
    kept = User.objects.get(pk=world.monitor.pk)
    assert check_password(secret, kept.password)
    assert secret not in entry.body
    assert not Entry.objects.filter(body__contains=kept.password).exists(), "not even the hash"
    assert not hasattr(kept.history.latest(), "password")


@pytest.mark.parametrize("bad", ["short", "monitor person", "qwerty123456"])
def test_a_weak_password_is_refused(world, bad):
    with refused(BadInput, "input", act="access.set_password", by=world.monitor) as caught:
        set_password(world.monitor, world.monitor.pk, password=bad)
    assert caught.value.fields["password"]
    assert check_password(PASSWORD, User.objects.get(pk=world.monitor.pk).password)


@pytest.mark.parametrize(
    "verb",
    [
        lambda who, pk: set_password(who, pk, password="a new phrase of some length"),
        lambda who, pk: set_preferences(who, pk, time_zone="UTC"),
        lambda who, pk: sign_in(who, pk),
        lambda who, pk: sign_out(who, pk),
    ],
    ids=["set_password", "set_preferences", "sign_in", "sign_out"],
)
@pytest.mark.parametrize("name", ["administrator", "compliance", "owner"])
def test_nobody_does_it_for_another(world, verb, name):
    """Not even an administrator sets another's password: the account's person alone can sign as them."""
    person = world.people[name]
    with pytest.raises(NotVisible):
        verb(person, world.monitor.pk)
    assert check_password(PASSWORD, User.objects.get(pk=world.monitor.pk).password)


def test_set_preferences(world):
    set_preferences(world.monitor, world.monitor.pk, time_zone="Europe/Zurich", reason="Moved")
    told = {"act": "access.set_preferences", "by": world.monitor, "reason": "Moved"}
    assert_told(**told, about=world.monitor)
    assert_history(world.monitor, **told)
    with refused(BadInput, "input", act="access.set_preferences", by=world.monitor) as caught:
        set_preferences(world.monitor, world.monitor.pk, time_zone="Mars/Olympus")
    assert set(caught.value.fields) == {"time_zone"}


def test_sign_in_and_out_are_told(world):
    sign_in(Actor.of(world.monitor, address="192.0.2.7"), world.monitor.pk)
    entry = assert_told("access.sign_in", by=world.monitor, about=world.monitor, wrote=0)
    assert body_of(entry)["facts"] == {"address": "192.0.2.7", "factors": ["password"]}
    sign_out(world.monitor, world.monitor.pk, cause="idle")
    entry = assert_told("access.sign_out", by=world.monitor, about=world.monitor, wrote=0)
    assert body_of(entry)["facts"] == {"cause": "idle"}


def test_a_deactivated_person_can_do_nothing(world):
    deactivate_account(world.administrator, world.monitor.pk, reason="Left")
    person = User.objects.get(pk=world.monitor.pk)
    for name, call in {
        "access.sign_in": lambda: sign_in(person, person.pk),
        "access.set_password": lambda: set_password(person, person.pk, password="another good phrase"),
        "access.create_token": lambda: create_token(person, name="ci"),
    }.items():
        with refused(NotAllowed, "account", act=name, by=person):
            call()


def test_renew_enrolment(world):
    fresh = create_account(world.administrator, **NEW)
    renew_enrolment(world.administrator, fresh.pk)
    assert_told("access.renew_enrolment", by=world.administrator, about=fresh, wrote=0)
    act = "access.renew_enrolment"
    with refused(WrongState, "account-state", act=act, by=world.administrator) as caught:
        renew_enrolment(world.administrator, world.monitor.pk)
    assert caught.value.fact == "Monitor Person has set a password already."
    with refused(NotAllowed, "duty", act=act, by=world.compliance):
        renew_enrolment(world.compliance, fresh.pk)
    with refused(NotVisible, "visibility", act=act, by=world.owner):
        renew_enrolment(world.owner, fresh.pk)
    deactivate_account(world.administrator, fresh.pk, reason="Never came")
    with refused(WrongState, "account-state", act=act, by=world.administrator):
        renew_enrolment(world.administrator, fresh.pk)


def test_create_token(world):
    token = create_token(world.author, name=" ci ", days=10, reason="Nightly build")
    told = {"act": "access.create_token", "by": world.author, "reason": "Nightly build"}
    entry = assert_told(**told, about=token)
    assert_history(token, **told)
    assert token.secret.startswith(f"cs_{token.prefix}_")
    kept = ApiToken.objects.get(pk=token.pk)
    assert (kept.name, kept.hashed) == ("ci", hashed(token.secret))
    assert timedelta(days=9, hours=23) < kept.expires_at - now() < timedelta(days=10, seconds=1)
    assert token.secret not in entry.body
    assert not hasattr(kept, "secret")


@pytest.mark.parametrize(
    ("given", "field"),
    [({"name": " "}, "name"), ({"name": "ci", "days": 0}, "days"), ({"name": "ci", "days": 366}, "days")],
)
def test_a_token_with_bad_input(world, given, field):
    with refused(BadInput, "input", act="access.create_token", by=world.author) as caught:
        create_token(world.author, **given)
    assert set(caught.value.fields) == {field}


def test_end_token(world):
    token = create_token(world.author, name="ci")
    ended = end_token(world.author, token.pk, reason="Lost")
    told = {"act": "access.end_token", "by": world.author, "reason": "Lost"}
    assert_told(**told, about=ended)
    assert_history(ended, **told)
    with refused(WrongState, "token-state", act="access.end_token", by=world.author):
        end_token(world.author, token.pk)
    other = create_token(world.author, name="other")
    for person in (world.administrator, world.compliance, world.colleague):
        with refused(NotVisible, "visibility", act="access.end_token", by=person):
            end_token(person, other.pk)


def test_a_token_makes_no_token_and_no_password_and_its_use_is_told(world):
    token = create_token(world.author, name="ci")
    by_token = Actor.of(world.author, via="api", token=token)
    for name, call in {
        "access.create_token": lambda: create_token(by_token, name="more"),
        "access.set_password": lambda: set_password(
            by_token, world.author.pk, password="another good phrase"
        ),
        "access.sign_in": lambda: sign_in(by_token, world.author.pk),
    }.items():
        with refused(NotAllowed, "21 CFR 11.200(a)(2)", act=name, by=world.author):
            call()
    end_token(by_token, token.pk)
    facts = body_of(last("access.end_token"))
    assert (facts["via"], facts["facts"]) == ("api", {"token": token.prefix})


def test_an_export_is_entered(world):
    export_trail(world.stranger, asked={"act": "access.sign_in"}, count=3, form="CSV")
    entry = assert_told("trail.export", by=world.stranger, about=ORGANISATION_SUBJECT, wrote=0)
    assert body_of(entry)["facts"] == {"filter": {"act": "access.sign_in"}, "count": 3, "form": "CSV"}


def test_a_service_does_no_act_of_a_person(world):
    worker = Actor.service("worker")
    for name, call in {
        "access.create_account": lambda: create_account(worker, **NEW),
        "access.create_token": lambda: create_token(worker, name="ci"),
    }.items():
        with refused(NotAllowed, "service-never-decides", act=name, by=worker.user):
            call()
