"""Corrections of a printed name or an address: two people, never the person; old signatures keep the old name."""

from __future__ import annotations

import pytest
from django.core import mail

from apps.access import acts
from apps.access.acts import (
    approve_correction,
    approve_reset,
    confirm_identity,
    create_account,
    refuse_correction,
    request_correction,
    request_reset,
    withdraw_correction,
)
from apps.access.gate import visible
from apps.access.signing import SignatureInput, content_digest
from apps.accounts.corrections import Correction
from apps.accounts.models import Enrolment, User
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from apps.trail.models import Signature
from tests.access.telling import assert_history, assert_told, refused
from tests.accounts.test_enrolment import link_of
from tests.cast import PASSWORD
from tests.factories.doors import browser, session_api, text_of
from tests.factories.foundation import USE
from tests.web.changing import confirm

pytestmark = pytest.mark.django_db
ASK, APPROVE = "access.request_correction", "access.approve_correction"
REFUSE, WITHDRAW = "access.refuse_correction", "access.withdraw_correction"
NAME, ADDRESS = "Xenia Process-Expert", "xenia@example.org"


@pytest.fixture
def expert(world) -> User:
    return world.process_expert


def again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def asked(world, person, **given) -> Correction:
    given = given or {"printed_name": NAME, "email": ADDRESS}
    return request_correction(world.administrator, person.pk, reason="Married; passport seen", **given)


def test_request_correction_and_approve_correction(world, expert):
    old_name, old_address = expert.printed_name, expert.email
    row = asked(world, expert)
    assert_told(ASK, by=world.administrator, about=expert, reason="Married; passport seen")
    assert_history(row, act=ASK, by=world.administrator, reason="Married; passport seen")
    assert again(expert).printed_name == old_name, "asking alone changes nothing"
    run_queued()
    mail.outbox.clear()
    approve_correction(world.compliance2, row.pk, reason="Passport seen too")
    assert_told(APPROVE, by=world.compliance2, about=expert, reason="Passport seen too", wrote=2)
    person = again(expert)
    assert (person.printed_name, person.email, person.username) == (NAME, ADDRESS, expert.username)
    assert (person.identity_confirmed_at, person.identity_confirmed_by) == (None, None)
    run_queued()
    assert sorted(m.to[0] for m in mail.outbox) == sorted([old_address, ADDRESS])
    assert "Ada Administrator asked for it, and Compliance2 Person approved it" in mail.outbox[0].body


def test_what_was_signed_keeps_its_name_and_the_new_one_signs_once_confirmed(world, expert):
    use = write_intended_use(world.owner, world.model.pk, given=USE, reason="First statement")
    before = sign_intended_use_expert(expert, use.pk, signature=SignatureInput(content_digest(use), PASSWORD))
    old = Signature.objects.get(signer=expert)
    assert before is not None
    approve_correction(world.compliance2, asked(world, expert, printed_name=NAME).pk)
    old.refresh_from_db()
    assert old.printed_name == expert.printed_name != NAME
    second = write_intended_use(world.owner, world.model.pk, given=USE, reason="Second statement")
    person = again(expert)
    shown = SignatureInput(content_digest(second), PASSWORD)
    act = "registry.sign_intended_use_expert"
    with refused(NotAllowed, "21 CFR 11.100(b)", act=act, by=person) as caught:
        sign_intended_use_expert(person, second.pk, signature=shown)
    assert caught.value.fact.startswith("Your printed name was corrected on ")
    with refused(Conflict, "DY18", act="access.confirm_identity", by=world.compliance2):
        confirm_identity(world.compliance2, expert.pk, how="known")
    confirm_identity(world.registrar, expert.pk, how="document")
    sign_intended_use_expert(again(expert), second.pk, signature=shown)
    assert set(Signature.objects.filter(signer=expert).values_list("printed_name", flat=True)) == {
        expert.printed_name,
        NAME,
    }


def test_an_address_alone_leaves_the_identity_and_ends_links_to_the_old_one(world):
    made = create_account(
        world.administrator, username="nnovak", printed_name="Nina Novak", email="typo@example.org"
    )
    run_queued()
    uid, secret = link_of(mail.outbox[-1])
    confirm_identity(world.registrar, made.pk, how="known")
    approve_correction(world.compliance2, asked(world, made, email="nina@example.org").pk)
    assert again(made).identity_confirmed_at is not None
    assert Enrolment.objects.get(person=made).ended_at is not None
    with pytest.raises(NotVisible):
        acts.enrol(again(made), made.pk, secret=secret, password="a new phrase that only they know")
    assert uid


def test_an_account_without_an_address_is_reset_after_a_correction(world):
    """The road to a password for who has no address: two people enter one, two people reset; neither chooses it."""
    person = world.compliance
    with refused(WrongState, "account-state", act="access.request_reset", by=world.administrator) as caught:
        request_reset(world.administrator, person.pk, what="password", reason="Lost")
    assert "correction" in caught.value.who[0]
    approve_correction(world.compliance2, asked(world, person, email="cora@example.org").pk)
    row = request_reset(world.administrator, person.pk, what="password", reason="Lost")
    approve_reset(world.compliance2, row.pk)
    run_queued()
    assert any(m.to == ["cora@example.org"] and "/enrol/" in m.body for m in mail.outbox)


def test_request_correction_refused(world, expert):
    with refused(NotAllowed, "duty", act=ASK, by=world.compliance):
        request_correction(world.compliance, expert.pk, printed_name=NAME, reason="Typo")
    with refused(NotVisible, "visibility", act=ASK, by=world.owner):
        request_correction(world.owner, expert.pk, printed_name=NAME, reason="Typo")
    with refused(Conflict, "DY18", act=ASK, by=world.administrator):
        request_correction(world.administrator, world.administrator.pk, printed_name=NAME, reason="Typo")
    with refused(BadInput, "reason", act=ASK, by=world.administrator):
        request_correction(world.administrator, expert.pk, printed_name=NAME)
    for given, field in (
        ({}, "printed_name"),
        ({"printed_name": expert.printed_name, "email": expert.email}, "printed_name"),
        ({"printed_name": world.owner.printed_name.upper()}, "printed_name"),
        ({"printed_name": "Xenia\u202eExpert"}, "printed_name"),
        ({"email": "nobody"}, "email"),
        ({"email": world.owner.email.upper()}, "email"),
    ):
        with refused(BadInput, "correction", act=ASK, by=world.administrator) as caught:
            request_correction(world.administrator, expert.pk, reason="Typo", **given)
        assert set(caught.value.fields) == {field}
    asked(world, expert, printed_name=expert.printed_name.upper())
    with refused(WrongState, "correction-state", act=ASK, by=world.administrator):
        asked(world, expert)


def test_approve_correction_refused(world, expert):
    row = asked(world, expert)
    with refused(NotAllowed, "duty", act=APPROVE, by=world.administrator):
        approve_correction(world.administrator, row.pk)
    with refused(NotVisible, "visibility", act=APPROVE, by=world.owner):
        approve_correction(world.owner, row.pk)
    with refused(NotAllowed, "duty", act=APPROVE, by=expert):
        approve_correction(expert, row.pk)
    own = asked(world, world.compliance2, printed_name="Cleo Compliance")
    with refused(Conflict, "DY18", act=APPROVE, by=world.compliance2) as caught:
        approve_correction(world.compliance2, own.pk)
    assert caught.value.fact == "It is for your own account."
    create_account(world.administrator, username="xenia2", printed_name=NAME, email="x2@example.org")
    with refused(WrongState, "correction-state", act=APPROVE, by=world.compliance2) as caught:
        approve_correction(world.compliance2, row.pk)
    assert "Somebody else has this name" in caught.value.fact
    assert refuse_correction(world.compliance2, row.pk, reason="Two of that name").state == "refused"


def test_refuse_correction_and_withdraw_correction(world, expert):
    row = asked(world, expert)
    with refused(BadInput, "reason", act=REFUSE, by=world.compliance2):
        refuse_correction(world.compliance2, row.pk)
    with refused(NotAllowed, "duty", act=WITHDRAW, by=world.compliance2):
        withdraw_correction(world.compliance2, row.pk, reason="Not mine")
    done = withdraw_correction(world.administrator, row.pk, reason="Wrong person")
    assert_told(WITHDRAW, by=world.administrator, about=done, reason="Wrong person")
    for verb, act, by in (
        (approve_correction, APPROVE, world.compliance2),
        (refuse_correction, REFUSE, world.compliance2),
        (withdraw_correction, WITHDRAW, world.administrator),
    ):
        with refused(WrongState, "correction-state", act=act, by=by):
            verb(by, row.pk, reason="Again")
    second = asked(world, expert)
    refuse_correction(world.compliance2, second.pk, reason="No proof")
    assert_told(REFUSE, by=world.compliance2, about=second, reason="No proof")
    third = asked(world, expert)
    acts.deactivate_account(world.administrator, expert.pk, reason="Left")
    third.refresh_from_db()
    assert third.state == "withdrawn"
    with refused(WrongState, "account-state", act=ASK, by=world.administrator):
        asked(world, expert)


def test_who_sees_corrections(world, expert):
    row = asked(world, expert)
    for person in (expert, world.compliance2, world.administrator):
        assert set(visible(person, Correction)) == {row}
    for person in (world.owner, world.inspector, world.registrar):
        assert set(visible(person, Correction)) == set()


def test_by_page_and_by_api(world, expert):
    client = browser(world.administrator)
    page = client.get(f"/people/{expert.username}/correct/")
    assert expert.printed_name in page.content.decode()
    given = {"printed_name": NAME, "email": expert.email, "reason_code": "other", "reason": "Married"}
    made = confirm(client, f"/people/{expert.username}/correct/", given | {"idempotency_key": "k"})
    row = Correction.objects.get()
    assert made.headers["Location"] == f"/corrections/{row.pk}/"
    assert (row.printed_name, row.email) == (NAME, "")
    assert row.ref in text_of(client.get("/corrections/"))
    other = browser(world.compliance2)
    assert NAME in text_of(other.get(f"/corrections/{row.pk}/"))
    done = other.post(f"/corrections/{row.pk}/approve/", {"idempotency_key": "k2"})
    assert done.headers["Location"] == f"/corrections/{row.pk}/"
    assert again(expert).printed_name == NAME
    api = session_api(world.administrator)
    told = api.post(
        "/api/v1/corrections",
        {"person": expert.username, "email": ADDRESS, "reason": "New address"},
        format="json",
    )
    assert (told.status_code, told.json()["email"]) == (201, ADDRESS)
    pk = told.json()["id"]
    refusal = api.post(f"/api/v1/corrections/{pk}/approve", {}, format="json")
    assert (refusal.status_code, set(refusal.json()) >= {"fact", "rule", "eligible"}) == (403, True)
    assert api.post(f"/api/v1/corrections/{pk}/withdraw", {"reason": "No"}, format="json").status_code == 200


def test_who_confirmed_an_identity_may_approve_a_correction_but_not_confirm_it_again(world, expert):
    """Else an organisation whose one compliance officer confirmed everybody could correct nobody."""
    assert expert.identity_confirmed_by == world.compliance
    approve_correction(world.compliance, asked(world, expert).pk)
    with refused(Conflict, "DY18", act="access.confirm_identity", by=world.compliance):
        confirm_identity(world.compliance, expert.pk, how="known")
