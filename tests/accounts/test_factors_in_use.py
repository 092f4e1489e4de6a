"""Second factors in use: shown to change how one is known, used once, and asked as the second step of sign-in."""

from __future__ import annotations

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
    add_totp,
    approve_reset,
    confirm_identity,
    confirm_link,
    deactivate_account,
    end_factor,
    make_recovery_codes,
    propose_link,
    request_reset,
    sign_in,
    unlock_account,
)
from apps.access.acts.factors import end_copied_passkey
from apps.access.gate import may
from apps.access.showing import Shown
from apps.access.signing import SignatureInput, content_digest
from apps.accounts.factors import Factor, FactorUse, RecoveryCode, SignOnLink
from apps.accounts.models import User
from apps.core.errors import BadInput, NotAllowed, TooMany, WrongState
from apps.core.jobs import run_queued
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from apps.trail.models import Entry
from tests.access.telling import assert_told, body_of, last, refused
from tests.cast import PASSWORD
from tests.factories.factors import app_for, code_of, passkey_for, sealed_for, shows, shows_key
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db


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
