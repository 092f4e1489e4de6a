"""Second factors: their arithmetic, proved when added, sealed, named, ended; nobody adds one for another."""

from __future__ import annotations

import json

import pytest
from django.core import mail
from django.db import connection

from apps.access import factors, passkeys, totp
from apps.access.actors import Actor
from apps.access.acts import (
    add_passkey,
    add_totp,
    end_factor,
    make_recovery_codes,
    name_factor,
)
from apps.access.gate import visible
from apps.accounts import sealing
from apps.accounts.factors import Factor
from apps.core.errors import BadInput, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from tests.access.telling import assert_history, assert_told, refused
from tests.factories.factors import app_for, code_of, passkey_for, sealed_for, shows, shows_key
from tests.factories.passkeys import Authenticator

pytestmark = pytest.mark.django_db


# ---------------------------------------------------------------- the arithmetic


@pytest.mark.parametrize(
    ("moment", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")],
)
def test_codes_are_those_of_rfc_6238(moment, code):
    secret = b"12345678901234567890"
    assert totp.code_at(secret, moment // 30) == code
    assert totp.step_of(secret, code, moment) == moment // 30


def test_a_code_is_good_for_its_thirty_seconds_and_fifteen_more_either_way():
    secret, begins = totp.new_secret(), 30 * 1_000_000
    code = totp.code_at(secret, 1_000_000)
    assert totp.step_of(secret, code, begins - 15) == 1_000_000
    assert totp.step_of(secret, code, begins + 44.9) == 1_000_000
    assert totp.step_of(secret, code, begins - 15.1) is None
    assert totp.step_of(secret, code, begins + 45) is None


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567", "１２３４５６", "abcdef", "12 34", "\x00" * 6, "9" * 10_000]
)
def test_what_is_no_code_is_no_code(code):
    assert totp.step_of(totp.new_secret(), code, 0) is None


def test_a_sealed_secret_is_read_only_whole_and_only_for_its_person(world):
    sealed = sealed_for(world.author, b"secret")
    assert b"secret" not in sealed.encode()
    assert sealing.unseal(sealed, factors.belongs_to(world.author.uuid)) == b"secret"
    for wrong, person in (
        (sealed, world.owner),
        (sealed[:-4] + "AAAA", world.author),
        ("", world.author),
        ("ä", world.author),
    ):
        with pytest.raises(sealing.Unreadable):
            sealing.unseal(wrong, factors.belongs_to(person.uuid))


# ---------------------------------------------------------------- adding


def test_add_totp(world):
    factor, secret = app_for(world.author)
    assert_told("access.add_totp", by=world.author, about=factor, wrote=1)
    assert_history(factor, act="access.add_totp", by=world.author)
    assert totp.as_text(secret) not in factor.sealed
    with connection.cursor() as cursor:
        cursor.execute("SELECT body FROM trail_entry")
        assert not any(totp.as_text(secret) in body for (body,) in cursor.fetchall())
    run_queued()
    assert mail.outbox[-1].to == [world.author.email]
    assert "“phone” (one-time codes) was added" in mail.outbox[-1].body


def test_add_totp_needs_the_code_of_the_secret_that_was_shown(world):
    author, secret = world.author, totp.new_secret()
    good = {"name": "phone", "sealed": sealed_for(author, secret), "code": code_of(secret)}
    for given, field in (
        ({"code": code_of(totp.new_secret())}, "code"),
        ({"code": code_of(secret, after=-600)}, "code"),
        ({"code": ""}, "code"),
        ({"name": "  "}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": "a\u202eb"}, "name"),
    ):
        with refused(BadInput, "input", act="access.add_totp", by=author) as caught:
            add_totp(author, author.pk, **good | given)
        assert set(caught.value.fields) == {field}
    with refused(WrongState, "second-factor", act="access.add_totp", by=author):
        add_totp(author, author.pk, **good | {"sealed": sealed_for(world.owner, secret)})
    assert not Factor.objects.exists()


def test_nobody_adds_a_factor_for_another_not_even_an_administrator(world):
    secret = totp.new_secret()
    for who in (world.administrator, world.compliance, world.colleague):
        with refused(NotVisible, "visibility", act="access.add_totp", by=who):
            add_totp(
                who,
                world.author.pk,
                name="mine",
                sealed=sealed_for(world.author, secret),
                code=code_of(secret),
            )
        with refused(NotVisible, "visibility", act="access.add_passkey", by=who):
            add_passkey(who, world.author.pk, name="mine", answer="{}", challenge="")
        with refused(NotVisible, "visibility", act="access.make_recovery_codes", by=who):
            make_recovery_codes(who, world.author.pk)


def test_no_token_touches_a_factor(world):
    from apps.access.acts import create_token

    actor = Actor.of(world.author, via="api", token=create_token(world.author, name="ci"))
    with pytest.raises(NotAllowed) as caught:
        make_recovery_codes(actor, world.author.pk)
    assert caught.value.rule == "21 CFR 11.200(a)(2)"


def test_the_code_that_proved_the_app_is_used_up(world):
    secret = totp.new_secret()
    code = code_of(secret)
    add_totp(world.author, world.author.pk, name="phone", sealed=sealed_for(world.author, secret), code=code)
    seen = factors.by_code(world.author, code)
    assert (seen.good, seen.repeated) == (False, True)


def test_add_passkey(world):
    factor, device = passkey_for(world.author)
    assert_told("access.add_passkey", by=world.author, about=factor, wrote=1)
    assert_history(factor, act="access.add_passkey", by=world.author)
    options, challenge = passkeys.request([factor])
    assert options["userVerification"] == "required"
    assert factors.by_passkey(world.author, device.shows(options), challenge).good


def test_add_passkey_refuses_what_does_not_hold(world):
    author = world.author

    def add(device: Authenticator, *, spoil=lambda text: text, other_challenge: bool = False, **made) -> None:
        options, challenge = passkeys.creation(author, [])
        answer = spoil(device.makes(options, **made))
        if other_challenge:
            _, challenge = passkeys.creation(author, [])
        with refused(BadInput, "input", act="access.add_passkey", by=author) as caught:
            add_passkey(author, author.pk, name="key", answer=answer, challenge=challenge)
        assert set(caught.value.fields) == {"passkey"}

    add(Authenticator(verifies=False))  # nobody was asked for PIN, finger or face
    add(Authenticator(), origin="https://evil.example")
    add(Authenticator(), other_challenge=True)
    add(Authenticator(), spoil=lambda text: "")
    add(Authenticator(), spoil=lambda text: "[]")
    add(Authenticator(), spoil=lambda text: "x" * 30_000)
    add(Authenticator(), spoil=lambda text: text.replace("attestationObject", "other"))
    add(
        Authenticator(),
        spoil=lambda text: json.dumps(json.loads(text) | {"response": {"clientDataJSON": "é"}}),
    )
    assert not Factor.objects.exists()


def test_a_passkey_is_one_persons(world):
    _, device = passkey_for(world.author)
    options, challenge = passkeys.creation(world.colleague, [])
    with refused(WrongState, "second-factor", act="access.add_passkey", by=world.colleague):
        add_passkey(
            world.colleague, world.colleague.pk, name="key", answer=device.makes(options), challenge=challenge
        )


def test_a_person_has_at_most_ten(world):
    factor, device = passkey_for(world.author, name="key 0")
    for number in range(1, 10):
        passkey_for(world.author, name=f"key {number}", second=shows_key(factor, device))
    secret = totp.new_secret()
    with refused(WrongState, "second-factor", act="access.add_totp", by=world.author):
        add_totp(
            world.author,
            world.author.pk,
            name="phone",
            sealed=sealed_for(world.author, secret),
            code=code_of(secret),
            second=shows_key(factor, device),
        )


# ---------------------------------------------------------------- naming and ending


def test_name_factor_and_end_factor(world):
    factor, _secret = app_for(world.author)
    name_factor(world.author, factor.pk, name="  work   phone ")
    assert_told("access.name_factor", by=world.author, about=factor)
    assert Factor.objects.get(pk=factor.pk).name == "work phone"
    with refused(BadInput, "input", act="access.name_factor", by=world.author):
        name_factor(world.author, factor.pk, name="")
    for verb, act, given in (
        (name_factor, "access.name_factor", {"name": "x"}),
        (end_factor, "access.end_factor", {}),
    ):
        with refused(NotVisible, "visibility", act=act, by=world.administrator):
            verb(world.administrator, factor.pk, **given)
    make_recovery_codes(world.author, world.author.pk, second=shows(factor))
    done = end_factor(world.author, factor.pk, second=shows(factor))
    assert_told("access.end_factor", by=world.author, about=factor, wrote=11)
    assert (done.ended_at is not None, done.sealed) == (True, "")
    assert factors.codes_left(world.author) == 0, "they stand in for a factor that is gone"
    with refused(WrongState, "second-factor", act="access.end_factor", by=world.author):
        end_factor(world.author, factor.pk)
    assert not factors.by_code(world.author, code_of(_secret)).good


def test_who_must_have_one_keeps_the_only_one(world, settings):
    settings.SECOND_FACTOR = "required"
    factor, _ = app_for(world.approver)
    with refused(WrongState, "21 CFR 11.200(a)(1)", act="access.end_factor", by=world.approver):
        end_factor(world.approver, factor.pk, second=shows(factor))
    other, device = passkey_for(world.approver, second=shows(factor))
    end_factor(world.approver, factor.pk, second=shows_key(other, device))
    with refused(WrongState, "21 CFR 11.200(a)(1)", act="access.end_factor", by=world.approver):
        end_factor(world.approver, other.pk, second=shows_key(other, device))
    stranger, _ = app_for(world.stranger)
    assert end_factor(world.stranger, stranger.pk, second=shows(stranger))


def test_who_sees_factors(world):
    mine, _ = app_for(world.author)
    other, _ = passkey_for(world.owner)
    assert set(visible(world.author, Factor)) == {mine}
    assert set(visible(world.inspector, Factor)) == set()
    assert set(visible(world.administrator, Factor)) == {mine, other}
    assert set(visible(world.compliance, Factor)) == {mine, other}
