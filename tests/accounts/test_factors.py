"""Second factors: proved when added, sealed, used once, ended; nobody adds one for another."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest
from django.core import mail
from django.db import connection, connections
from django.test import Client

from apps.access import factors, passkeys, second, totp
from apps.access.actors import Actor
from apps.access.acts import (
    add_passkey,
    add_totp,
    approve_reset,
    confirm_identity,
    confirm_link,
    deactivate_account,
    end_factor,
    make_recovery_codes,
    name_factor,
    propose_link,
    request_reset,
    sign_in,
    unlock_account,
)
from apps.access.acts.factors import end_copied_passkey
from apps.access.gate import may, visible
from apps.access.showing import Shown
from apps.access.signing import SignatureInput, content_digest
from apps.accounts import sealing
from apps.accounts.factors import Factor, FactorUse, RecoveryCode, SignOnLink
from apps.accounts.models import User
from apps.core.errors import BadInput, NotAllowed, NotVisible, TooMany, WrongState
from apps.core.jobs import run_queued
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from apps.trail.models import Entry
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.cast import PASSWORD
from tests.factories.factors import app_for, code_of, passkey_for, shows, shows_key
from tests.factories.foundation import USE
from tests.factories.passkeys import Authenticator

pytestmark = pytest.mark.django_db


def sealed_for(user: User, secret: bytes) -> str:
    return sealing.seal(secret, factors.belongs_to(user.uuid))


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


# ---------------------------------------------------------------- a held factor is shown


def changes(world, factor: Factor) -> list:
    """(name of the act, a call of it with what is shown) for every change of how the author is known."""
    author, secret = world.author, totp.new_secret()

    def app(second):
        sealed = sealed_for(author, secret)
        return add_totp(author, author.pk, name="mine", sealed=sealed, code=code_of(secret), second=second)

    def key(second):
        return passkey_for(author, second=second)[0]

    return [
        ("access.add_totp", app),
        ("access.add_passkey", key),
        ("access.make_recovery_codes", lambda second: make_recovery_codes(author, author.pk, second=second)),
        ("access.end_factor", lambda second: end_factor(author, factor.pk, second=second)),
        ("access.confirm_link", lambda second: confirm_link(author, proposed(world), second=second)),
    ]


def proposed(world) -> int:
    link = SignOnLink.objects.filter(person=world.author).first()
    return (link or propose_link(world.administrator, world.author.pk, provider="corp", subject="abc")).pk


@pytest.mark.parametrize("which", range(5))
def test_who_holds_a_factor_shows_it_to_change_how_they_are_known(world, settings, which):
    settings.OIDC_PROVIDERS = [
        {"key": "corp", "name": "Corporate", "issuer": "https://id.example/", "client_id": "x"}
    ]
    factor, _ = app_for(world.author)
    proposed(world)
    act, change = changes(world, factor)[which]
    rows = Factor.objects.count(), RecoveryCode.objects.count()
    for nothing in (None, Shown(), Shown(challenge="x"), Shown(recovered=True)):
        with refused(BadInput, "second-factor", act=act, by=world.author) as caught:
            change(nothing)
        assert set(caught.value.fields) == {"held_code"}
    for wrong in (Shown(code="000000"), Shown(code="\x00" * 500), Shown(passkey="{}", challenge="x")):
        with refused(NotAllowed, "second-factor", act=act, by=world.author):
            change(wrong)
    assert (Factor.objects.count(), RecoveryCode.objects.count()) == rows
    assert Factor.objects.get(pk=factor.pk).ended_at is None
    change(shows(factor))
    assert body_of(last(act))["facts"]["second_factor"] == {"factor": factor.ref}
    assert User.objects.get(pk=world.author.pk).identity_confirmed_at is not None


def test_a_held_passkey_is_shown_once(world):
    factor, device = passkey_for(world.author)
    shown = shows_key(factor, device)
    made = make_recovery_codes(world.author, world.author.pk, second=shown, idempotency_key="k" * 32)
    again = make_recovery_codes(world.author, world.author.pk, second=shown, idempotency_key="k" * 32)
    assert again == made
    with refused(NotAllowed, "second-factor", act="access.end_factor", by=world.author) as caught:
        end_factor(world.author, factor.pk, second=shown)
    assert "used already" in caught.value.fact
    assert Factor.objects.get().ended_at is None, "the same answer twice is no copied passkey"
    end_factor(world.author, factor.pk, second=shows_key(factor, device))


def test_a_code_is_shown_for_one_change(world):
    factor, _ = app_for(world.author)
    make_recovery_codes(world.author, world.author.pk, second=shows(factor))
    with refused(NotAllowed, "second-factor", act="access.end_factor", by=world.author):
        end_factor(world.author, factor.pk, second=shows(factor, again=False))


def test_wrong_held_factors_are_counted_with_those_of_sign_in(world, settings):
    factor, _ = app_for(world.author)
    for _ in range(settings.SIGN_IN_FAILURES):
        with pytest.raises(NotAllowed):
            end_factor(world.author, factor.pk, second=Shown(code="000000"))
    assert body_of(last("access.report_misuse"))["facts"]["alarm"] is True
    with pytest.raises(TooMany):
        end_factor(world.author, factor.pk, second=shows(factor))
    with pytest.raises(TooMany):
        second.judge(world.author, code="000000")


def test_a_factor_added_after_a_recovery_code_alone_cannot_sign(world):
    expert = world.process_expert
    factor, _ = app_for(expert)
    codes = make_recovery_codes(expert, expert.pk, second=shows(factor)).codes
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    with refused(BadInput, "second-factor", act="access.add_passkey", by=expert):
        passkey_for(expert, second=Shown(recovered=True))  # no recovery code was used
    proof = second.judge(expert, recovery=codes[0])
    sign_in(expert, expert.pk, factors=list(proof.factors), proof=proof.facts, recovery=proof.recovery)
    for act, verb, pk in (
        ("access.end_factor", end_factor, factor.pk),
        ("access.make_recovery_codes", make_recovery_codes, expert.pk),
    ):
        with refused(BadInput, "second-factor", act=act, by=expert):
            verb(expert, pk, second=Shown(recovered=True))
    app_for(expert, name="kept", second=replace(shows(factor), recovered=True))
    assert User.objects.get(pk=expert.pk).identity_confirmed_at is not None, "a held factor was shown"
    _, new = app_for(expert, name="new", second=Shown(recovered=True))
    assert "confirmed again" in body_of(last("access.add_totp"))["facts"]["identity"]
    expert = User.objects.get(pk=expert.pk)
    assert (expert.identity_confirmed_at, expert.identity_confirmed_by, expert.identity_checked) == (
        None,
        None,
        "",
    )
    verdict = may(expert, "registry.sign_intended_use_expert", use)
    assert (verdict.allowed, verdict.status) == (False, 403)
    assert "after signing in with a recovery code" in verdict.fact
    given = SignatureInput(digest=content_digest(use), password=PASSWORD, code=code_of(new))
    with refused(NotAllowed, "21 CFR 11.100(b)", act="registry.sign_intended_use_expert", by=expert):
        sign_intended_use_expert(expert, use.pk, signature=given)
    confirm_identity(world.compliance2, expert.pk, how="known")
    assert may(User.objects.get(pk=expert.pk), "registry.sign_intended_use_expert", use).allowed


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


# ---------------------------------------------------------------- using


def test_a_code_works_once(world):
    _, secret = app_for(world.author)
    code = code_of(secret)
    assert factors.by_code(world.author, code).good
    again = factors.by_code(world.author, code)
    assert (again.good, again.repeated) == (False, True)
    assert factors.by_code(world.author, code_of(secret, after=29)).repeated == (
        code_of(secret, after=29) == code
    )
    assert not factors.by_code(world.owner, code_of(secret)).good


@pytest.mark.django_db(transaction=True)
def test_a_code_works_once_whoever_is_first(world):
    """Two processes with one code: as two threads, each with a connection of its own."""
    _, secret = app_for(world.author)
    code, answers = code_of(secret), []
    ready = threading.Barrier(4)

    def use() -> None:
        ready.wait()
        try:
            answers.append(factors.by_code(User.objects.get(pk=world.author.pk), code).good)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=use) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False, False, False, True]


def test_a_factor_changed_behind_the_portal_is_not_used(world):
    factor, _ = app_for(world.author)
    mine = totp.new_secret()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE accounts_factor SET sealed = %s WHERE id = %s",
            [sealed_for(world.author, mine), factor.pk],
        )
    seen = factors.by_code(world.author, code_of(mine))
    assert not seen.good
    assert "not as its last act left it (field sealed)" in seen.cause


def test_a_passkey_answers_one_challenge_for_one_origin_with_its_person(world):
    factor, device = passkey_for(world.author)

    def shown(**how) -> factors.Seen:
        options, challenge = passkeys.request([factor])
        return factors.by_passkey(world.author, device.shows(options, **how), challenge)

    assert shown().good
    _, other = passkeys.request([factor])
    for how in (
        {"challenge": other},
        {"origin": "https://evil.example"},
        {"origin": "http://127.0.0.1:8000"},
    ):
        seen = shown(**how)
        assert (seen.good, seen.copied) == (False, None), how
    device.verifies = False
    assert "verif" in shown().cause
    device.verifies = True
    options, challenge = passkeys.request([factor])
    assert not factors.by_passkey(world.owner, device.shows(options), challenge).good
    assert shown().good


def test_over_https_only_the_portals_own_address_counts(world, settings):
    settings.PORTAL_URL = "https://portal.example"
    factor, device = passkey_for(world.author, origin="https://portal.example")
    for origin, good in (
        ("https://portal.example", True),
        ("https://evil.portal.example", False),
        ("https://portal.example:8443", False),
        ("http://portal.example", False),
        ("http://localhost", False),
    ):
        options, challenge = passkeys.request([factor])
        assert options["rpId"] == "portal.example"
        assert factors.by_passkey(world.author, device.shows(options, origin=origin), challenge).good is good


def test_a_passkey_whose_counter_goes_back_is_ended_with_an_alarm(world):
    factor, device = passkey_for(world.author)
    device.count = 7
    options, challenge = passkeys.request([factor])
    assert factors.by_passkey(world.author, device.shows(options), challenge).good
    device.count = 3  # the copy was made before and knows nothing of it
    options, challenge = passkeys.request([factor])
    with pytest.raises(NotAllowed) as caught:
        second.judge(world.author, passkey=device.shows(options), challenge=challenge)
    assert "may have been copied" in caught.value.fact
    factor.refresh_from_db()
    assert factor.ended_at is not None
    entry = last("access.end_copied_passkey")
    assert (entry.subject_id, body_of(entry)["facts"]["alarm"]) == (str(factor.pk), True)
    mail.outbox.clear()
    run_queued()
    told = {to for message in mail.outbox for to in message.to}
    assert {world.author.email, "compliance2@example.org"} <= told
    with pytest.raises(NotAllowed):
        end_copied_passkey(world.administrator, factor.pk, cause="no")


# ---------------------------------------------------------------- the second step of sign-in


def test_the_password_alone_adds_no_factor_after_the_last_one_was_ended(world):
    """A synced passkey answers with an older counter: whoever provokes that must not be left with the password."""
    user = world.author
    factor, _ = passkey_for(user)
    end_copied_passkey(
        Actor.service("worker"), factor.pk, cause=f"{factors.COPIED}{factor.ref} went from 9 to 1"
    )
    assert factors.copied(user)
    secret = totp.new_secret()
    sealed, code = sealed_for(user, secret), code_of(secret)
    with refused(NotAllowed, "second-factor", act="access.add_totp", by=user) as caught:
        add_totp(user, user.pk, name="mine now", sealed=sealed, code=code)
    assert caught.value.who == (
        "an administrator asks for a reset of your second factors, and a compliance officer approves it",
    )
    with refused(NotAllowed, "second-factor", act="access.add_passkey", by=user):
        passkey_for(user)
    with refused(NotAllowed, "second-factor", act="access.make_recovery_codes", by=user):
        make_recovery_codes(user, user.pk)
    assert not factors.has_any(user)
    client = Client()
    answer = client.post("/sign-in/", {"username": user.username, "password": PASSWORD})
    assert (answer.status_code, answer.url.split("?")[0]) == (302, "/sign-in/second/")
    assert client.get("/people/").status_code in (302, 401)
    asked = request_reset(world.administrator, user.pk, what="factors", reason="The phone is a copy")
    with refused(NotAllowed, "second-factor", act="access.add_totp", by=user):
        add_totp(user, user.pk, name="not yet", sealed=sealed, code=code)
    approve_reset(world.compliance2, asked.pk)
    assert factors.bereft(user) is None
    user.refresh_from_db()
    assert user.identity_confirmed_at is None, "what is added now signs only once a third knows who it is"
    assert add_totp(user, user.pk, name="new", sealed=sealed, code=code)


def test_who_ends_the_last_factor_adds_the_next_by_more_than_the_password(world):
    user = world.author
    factor, _ = app_for(user)
    end_factor(user, factor.pk, second=shows(factor))
    assert not factors.copied(user), "its person ended it and showed it: the password goes on to sign them in"
    with refused(NotAllowed, "second-factor", act="access.add_totp", by=user):
        app_for(user)


def test_wrong_codes_close_the_step_and_are_told(world, settings):
    _, secret = app_for(world.author)
    run_queued()
    mail.outbox.clear()
    for _ in range(5):
        with pytest.raises(NotAllowed) as caught:
            second.judge(world.author, code="000000", address="192.0.2.7")
        assert caught.value.status == 401
    with pytest.raises(TooMany):
        second.judge(world.author, code=code_of(secret), address="192.0.2.7")
    assert body_of(last("access.report_misuse"))["facts"]["alarm"] is True
    run_queued()
    assert {to for m in mail.outbox for to in m.to} >= {world.author.email, "compliance2@example.org"}
    unlock_account(world.administrator, world.author.pk, reason="It was them")
    assert second.judge(world.author, code=code_of(secret)).factors == ("password", "totp")
    refusals = Entry.objects.filter(kind="refusal", act="access.sign_in", actor_uuid=str(world.author.uuid))
    assert body_of(refusals.earliest("pk"))["facts"]["cause"] == "wrong one-time code"


def test_alarms_reach_the_security_unit_and_only_once_in_a_window(world, settings):
    settings.SECURITY_MAIL = ["soc@example.org"]
    run_queued()
    mail.outbox.clear()
    for _ in range(3):
        second.report(world.author, "five wrong passwords from one address")
    run_queued()
    to = [each for message in mail.outbox for each in message.to]
    assert to.count("soc@example.org") == 1
    assert to.count(world.author.email) == 1


def test_recovery_codes(world):
    with refused(WrongState, "second-factor", act="access.make_recovery_codes", by=world.author):
        make_recovery_codes(world.author, world.author.pk)
    factor, _ = app_for(world.author)
    codes = make_recovery_codes(world.author, world.author.pk, second=shows(factor)).codes
    assert_told("access.make_recovery_codes", by=world.author, about=world.author, wrote=10)
    assert len(set(codes)) == 10
    kept = {row.hashed for row in RecoveryCode.objects.all()}
    assert not any(code in hashed for code in codes for hashed in kept)
    found = factors.found_code(world.author, codes[3].upper().replace("-", " "))
    assert found is not None
    assert factors.found_code(world.owner, codes[3]) is None
    proof = second.judge(world.author, recovery=codes[3])
    assert (proof.factors, proof.recovery) == (("password", "recovery"), found.pk)
    newer = make_recovery_codes(world.author, world.author.pk, second=shows(factor)).codes
    assert factors.found_code(world.author, codes[4]) is None
    assert factors.found_code(world.author, newer[4]) is not None
    with pytest.raises(NotAllowed):
        second.judge(world.author, recovery="aaaa-aaaa-aaaa-aaaa")


def test_a_leavers_factors_open_nothing(world):
    _, secret = app_for(world.author)
    deactivate_account(world.administrator, world.author.pk, reason="Left")
    world.author.refresh_from_db()
    with pytest.raises(NotAllowed):
        add_totp(
            world.author,
            world.author.pk,
            name="phone",
            sealed=sealed_for(world.author, secret),
            code=code_of(secret),
        )


def test_the_counter_row_is_made_with_the_factor(world):
    factor, _ = app_for(world.author)
    assert FactorUse.objects.get(factor=factor).sign_count == 0
    assert abs(time.time() - factor.created_at.timestamp()) < 60
