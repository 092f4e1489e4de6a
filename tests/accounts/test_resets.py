"""Resets: two people, neither of them the person; signing is suspended until a third confirms the identity (DY18)."""

from __future__ import annotations

import threading

import pytest
from django.core import mail
from django.db import connections

from apps.access import factors, sessions
from apps.access.acts import (
    approve_reset,
    confirm_identity,
    create_account,
    create_token,
    deactivate_account,
    enrol,
    make_recovery_codes,
    refuse_reset,
    renew_enrolment,
    request_reset,
    withdraw_reset,
)
from apps.access.gate import eligible, may, visible
from apps.access.signing import SignatureInput, content_digest
from apps.accounts.factors import Factor, Reset
from apps.accounts.models import ApiToken, SignedIn, User
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, Refused, WrongState
from apps.core.jobs import run_queued
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.accounts.test_enrolment import link_of
from tests.cast import PASSWORD
from tests.factories.factors import app_for, shows
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
CHOSEN = "a new phrase that only they know"


@pytest.fixture
def expert(world) -> User:
    return world.process_expert


@pytest.fixture
def asked(world, expert) -> Reset:
    return request_reset(world.administrator, expert.pk, what="password", reason="Forgot it, called back")


def save(user: User, **fields) -> None:
    """Change an account behind the acts, for what no act makes any more."""
    User.objects.filter(pk=user.pk).update(**fields)


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def test_request_reset_and_approve_reset_of_a_password(world, expert, asked):
    told = {"act": "access.request_reset", "by": world.administrator, "reason": "Forgot it, called back"}
    assert_told(**told, about=expert)
    assert_history(asked, **told)
    assert again(expert).has_usable_password(), "asking alone changes nothing"
    token = create_token(expert, name="ci")
    sessions.begin(expert, "k" * 32, address="192.0.2.1", browser="x")
    run_queued()
    mail.outbox.clear()
    done = approve_reset(world.compliance2, asked.pk, reason="Called back too")
    assert_told("access.approve_reset", by=world.compliance2, about=expert, reason="Called back too", wrote=4)
    assert (done.state, done.decided_by) == ("approved", world.compliance2)
    person = again(expert)
    assert not person.has_usable_password()
    assert (person.identity_confirmed_at, person.identity_confirmed_by, person.identity_checked) == (
        None,
        None,
        "",
    )
    assert ApiToken.objects.get(pk=token.pk).ended_at is not None
    assert SignedIn.objects.get(user=expert).ended_at is not None
    run_queued()
    assert [m.to for m in mail.outbox] == [[expert.email]] * 2
    both = "\n".join(m.body for m in mail.outbox)
    assert "Ada Administrator asked for a reset of your password, and Compliance2 Person approved it" in both
    secret = next(link_of(m)[1] for m in mail.outbox if "/enrol/" in m.body)
    enrol(person, person.pk, secret=secret, password=CHOSEN)
    assert again(expert).check_password(CHOSEN)


def test_signing_is_suspended_until_a_third_confirms_the_identity(world, expert, asked):
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    act = "registry.sign_intended_use_expert"
    assert expert in eligible(act, use)
    approve_reset(world.compliance2, asked.pk)
    run_queued()
    secret = next(
        link_of(m)[1] for m in reversed(mail.outbox) if "/enrol/" in m.body and expert.email in m.to
    )
    enrol(again(expert), expert.pk, secret=secret, password=CHOSEN)
    person = again(expert)
    shown = SignatureInput(content_digest(use), CHOSEN)
    with refused(NotAllowed, "21 CFR 11.100(b)", act=act, by=person) as caught:
        sign_intended_use_expert(person, use.pk, signature=shown)
    assert caught.value.fact.startswith("Your password was reset on ")
    assert "Compliance2 Person" not in caught.value.who, "who approved the reset cannot confirm"
    confirm = "access.confirm_identity"
    with refused(Conflict, "DY18", act=confirm, by=world.compliance2):
        confirm_identity(world.compliance2, expert.pk, how="known")
    with refused(NotAllowed, "duty", act=confirm, by=world.administrator):
        confirm_identity(world.administrator, expert.pk, how="known")
    confirm_identity(world.registrar, expert.pk, how="document")
    assert sign_intended_use_expert(again(expert), use.pk, signature=shown)


def test_who_confirmed_an_identity_may_reset_the_account_but_not_confirm_it_again(world, expert, asked):
    """Else an organisation whose one compliance officer confirmed everybody could reset nobody."""
    assert expert.identity_confirmed_by == world.compliance
    approve_reset(world.compliance, asked.pk)
    with refused(Conflict, "DY18", act="access.confirm_identity", by=world.compliance):
        confirm_identity(world.compliance, expert.pk, how="known")
    assert confirm_identity(world.compliance2, expert.pk, how="known")


def test_reset_of_factors(world, expert):
    with refused(WrongState, "account-state", act="access.request_reset", by=world.administrator):
        request_reset(world.administrator, expert.pk, what="factors", reason="Lost the phone")
    factor, _ = app_for(expert)
    make_recovery_codes(expert, expert.pk, second=shows(factor))
    asked = request_reset(world.administrator, expert.pk, what="factors", reason="Lost the phone")
    approve_reset(world.compliance2, asked.pk)
    facts = body_of(last("access.approve_reset"))["facts"]
    assert (len(facts["factors"]), facts["recovery_codes"], facts["what"]) == (1, 10, "factors")
    assert not factors.has_any(expert)
    assert Factor.objects.get(person=expert).end_cause == f"reset {asked.ref}"
    person = again(expert)
    assert person.check_password(PASSWORD), "the password is as it was"
    assert person.identity_confirmed_at is None
    assert not Factor.objects.filter(person=expert, ended_at=None).exists()


def test_refuse_reset(world, expert, asked):
    with refused(BadInput, "reason", act="access.refuse_reset", by=world.compliance2):
        refuse_reset(world.compliance2, asked.pk)
    done = refuse_reset(world.compliance2, asked.pk, reason="They did not ask for it")
    assert_told("access.refuse_reset", by=world.compliance2, about=done, reason="They did not ask for it")
    assert again(expert).has_usable_password()
    assert again(expert).identity_confirmed_at is not None
    for verb, act in ((approve_reset, "access.approve_reset"), (refuse_reset, "access.refuse_reset")):
        with refused(WrongState, "reset-state", act=act, by=world.compliance2):
            verb(world.compliance2, asked.pk, reason="Again")
    assert request_reset(world.administrator, expert.pk, what="password", reason="Now they did")


def test_request_reset_refused(world, expert, asked):
    act = "access.request_reset"
    with refused(NotAllowed, "duty", act=act, by=world.compliance):
        request_reset(world.compliance, expert.pk, what="password", reason="Lost")
    with refused(NotVisible, "visibility", act=act, by=world.owner):
        request_reset(world.owner, expert.pk, what="password", reason="Lost")
    with refused(Conflict, "DY18", act=act, by=world.administrator):
        request_reset(world.administrator, world.administrator.pk, what="password", reason="Lost")
    with refused(WrongState, "reset-state", act=act, by=world.administrator):
        request_reset(world.administrator, expert.pk, what="password", reason="Lost")
    with refused(BadInput, "reason", act=act, by=world.administrator):
        request_reset(world.administrator, expert.pk, what="password")
    for what in ("", "everything", "password "):
        with refused(BadInput, "input", act=act, by=world.administrator) as caught:
            request_reset(world.administrator, expert.pk, what=what, reason="Lost")
        assert set(caught.value.fields) == {"what"}
    with refused(WrongState, "account-state", act=act, by=world.administrator):
        request_reset(world.administrator, world.compliance.pk, what="password", reason="Lost")  # no address
    deactivate_account(world.administrator, world.monitor.pk, reason="Left")
    with refused(WrongState, "account-state", act=act, by=world.administrator):
        request_reset(world.administrator, world.monitor.pk, what="password", reason="Lost")


def test_approve_reset_refused(world, expert, asked):
    act = "access.approve_reset"
    with refused(NotAllowed, "duty", act=act, by=world.administrator):
        approve_reset(world.administrator, asked.pk)
    with refused(NotAllowed, "duty", act=act, by=expert):
        approve_reset(expert, asked.pk)
    with refused(NotVisible, "visibility", act=act, by=world.owner):
        approve_reset(world.owner, asked.pk)
    own = request_reset(world.administrator, world.compliance2.pk, what="password", reason="Lost")
    with refused(Conflict, "DY18", act=act, by=world.compliance2) as caught:
        approve_reset(world.compliance2, own.pk)
    assert caught.value.fact == "It is for your own account."
    deactivate_account(world.administrator, expert.pk, reason="Left")
    with refused(WrongState, "reset-state", act=act, by=world.compliance2):
        approve_reset(world.compliance2, asked.pk)


def test_who_sees_resets(world, expert, asked):
    assert set(visible(expert, Reset)) == {asked}
    assert set(visible(world.compliance2, Reset)) == {asked}
    for person in (world.owner, world.inspector, world.registrar):
        assert set(visible(person, Reset)) == set()


def test_a_new_enrolment_link_lifts_a_confirmation_given_before_it_was_used(world):
    """An administrator who sends a link anew could send it to another person than the one who was confirmed."""
    made = create_account(
        world.administrator, username="nnovak", printed_name="Nina Novak", email="nina@example.org"
    )
    confirm_identity(world.registrar, made.pk, how="known")
    renew_enrolment(world.administrator, made.pk)
    assert again(made).identity_confirmed_at is None
    assert body_of(last("access.renew_enrolment"))["facts"]["identity"] == "to be confirmed again"


def test_nobody_with_a_token_resets(world, expert):
    from apps.access.actors import Actor

    actor = Actor.of(world.administrator, via="api", token=create_token(world.administrator, name="ci"))
    assert may(actor, "access.request_reset", expert).rule == "21 CFR 11.200(a)(2)"


@pytest.mark.django_db(transaction=True)
def test_two_who_decide_at_once_decide_once(world):
    asked = request_reset(world.administrator, world.author.pk, what="password", reason="Lost")
    ready, answers = threading.Barrier(2), []

    def decide(verb) -> None:
        ready.wait()
        try:
            verb(world.compliance2, asked.pk, reason="Decided")
            answers.append("done")
        except Refused as told:
            answers.append(told.rule)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=decide, args=(verb,)) for verb in (approve_reset, refuse_reset)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == ["done", "reset-state"]


def test_withdraw_reset(world, expert, asked):
    act = "access.withdraw_reset"
    with refused(NotAllowed, "duty", act=act, by=world.compliance2):
        withdraw_reset(world.compliance2, asked.pk, reason="Not mine")
    with refused(NotVisible, "visibility", act=act, by=world.owner):
        withdraw_reset(world.owner, asked.pk, reason="Not mine")
    with refused(BadInput, "reason", act=act, by=world.administrator):
        withdraw_reset(world.administrator, asked.pk)
    done = withdraw_reset(world.administrator, asked.pk, reason="Found it again")
    assert_told(act, by=world.administrator, about=done, reason="Found it again")
    assert (done.state, done.decided_by) == ("withdrawn", None)
    assert again(expert).has_usable_password()
    with refused(WrongState, "reset-state", act=act, by=world.administrator):
        withdraw_reset(world.administrator, asked.pk, reason="Again")
    assert request_reset(world.administrator, expert.pk, what="password", reason="Lost for good")


def test_no_reset_gets_stuck(world, expert, asked):
    """Who left, or lost the address meanwhile, is refused four parts, and the reset can be refused or withdrawn."""
    save(expert, email="")
    with refused(WrongState, "account-state", act="access.approve_reset", by=world.compliance2) as caught:
        approve_reset(world.compliance2, asked.pk)
    assert caught.value.fact == f"{expert.printed_name} has no e-mail address."
    assert "correction" in caught.value.who[0]
    assert again(expert).has_usable_password()
    assert refuse_reset(world.compliance2, asked.pk, reason="No address").state == "refused"
    save(expert, email="expert@example.org")
    row = request_reset(world.administrator, expert.pk, what="password", reason="Lost")
    save(
        expert, is_active=False
    )  # as accounts stood that were deactivated before resets were withdrawn with them
    with refused(WrongState, "reset-state", act="access.approve_reset", by=world.compliance2) as caught:
        approve_reset(world.compliance2, row.pk)
    assert caught.value.who == ("nobody; a compliance officer refuses it, or an administrator withdraws it",)
    assert refuse_reset(world.compliance2, row.pk, reason="Left").state == "refused"


def test_a_leavers_resets_are_withdrawn(world, expert, asked):
    deactivate_account(world.administrator, expert.pk, reason="Left")
    row = Reset.objects.get(pk=asked.pk)
    assert (row.state, row.decision_reason, row.decided_by) == ("withdrawn", "Left", None)
    with refused(WrongState, "account-state", act="access.request_reset", by=world.administrator) as caught:
        request_reset(world.administrator, expert.pk, what="password", reason="Lost")
    assert all([caught.value.what, caught.value.fact, caught.value.rule, caught.value.who])
