"""From a new account to a person who can sign: the mailed link, and the identity that a second person confirms."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.contrib.auth.hashers import check_password
from django.core import mail
from django.test import Client
from django.urls import reverse

from apps.access.actors import Actor
from apps.access.acts import (
    confirm_identity,
    create_account,
    create_token,
    deactivate_account,
    enrol,
    fail_enrolment,
    finish_enrolment,
    renew_enrolment,
    set_password,
)
from apps.access.enrolment import hash_of
from apps.access.gate import eligible, may
from apps.access.signing import SignatureInput, content_digest
from apps.accounts.models import Enrolment, User
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from apps.core.models import Job
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from apps.trail.models import Entry
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.cast import PASSWORD, give
from tests.factories.doors import browser, text_of
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
NEW = {"username": "nnovak", "printed_name": "Nina Novak", "email": "nina@example.org"}
CHOSEN = "a phrase that only Nina knows"


@pytest.fixture
def nina(world) -> User:
    return create_account(world.administrator, **NEW)


def link_of(message) -> tuple[str, str]:
    return re.search(r"/enrol/([0-9a-f]{32})/([\w-]{43})/", message.body).groups()


def sent() -> tuple[str, str]:
    """Work the jobs; (uid, secret) of the newest mail."""
    run_queued()
    return link_of(mail.outbox[-1])


def test_the_link_goes_to_the_person_and_its_secret_is_kept_nowhere(nina, caplog):
    assert Enrolment.objects.get(person=nina).state == "waiting"
    assert mail.outbox == []
    uid, secret = sent()
    assert [m.to for m in mail.outbox] == [["nina@example.org"]]
    row = Enrolment.objects.get(person=nina)
    assert (row.state, row.hashed, uid) == ("sent", hash_of(secret), nina.uuid.hex)
    assert not Entry.objects.filter(body__contains=secret).exists()
    assert not Job.objects.filter(log__contains=secret).exists()
    assert secret not in caplog.text
    entry = last("access.finish_enrolment")
    assert (entry.subject_kind, entry.subject_id) == ("accounts.enrolment", str(row.pk))
    assert_history(row, act="access.finish_enrolment", by=User.objects.get(username="worker"))


def test_enrol_works_once(nina):
    _uid, secret = sent()
    with refused(BadInput, "input", act="access.enrol", by=nina) as caught:
        enrol(nina, nina.pk, secret=secret, password="short")
    assert set(caught.value.fields) == {"password"}
    enrol(nina, nina.pk, secret=secret, password=CHOSEN)
    assert_told("access.enrol", by=nina, about=nina, wrote=2)
    assert check_password(CHOSEN, User.objects.get(pk=nina.pk).password)
    assert Enrolment.objects.get(person=nina).state == "used"
    with refused(NotVisible, "visibility", act="access.enrol", by=nina):
        enrol(nina, nina.pk, secret=secret, password="yet another good phrase")
    assert check_password(CHOSEN, User.objects.get(pk=nina.pk).password)


def test_enrol_refused_with_a_wrong_an_expired_or_a_replaced_secret_and_for_another(world, nina):
    _uid, first = sent()
    with refused(NotVisible, "visibility", act="access.enrol", by=nina):
        enrol(nina, nina.pk, secret="guess", password=CHOSEN)
    with refused(NotVisible, "visibility", act="access.enrol", by=nina):
        enrol(nina, nina.pk, secret="", password=CHOSEN)
    with refused(NotVisible, "visibility", act="access.enrol", by=world.administrator):
        enrol(world.administrator, nina.pk, secret=first, password=CHOSEN)
    renew_enrolment(world.administrator, nina.pk)
    with refused(NotVisible, "visibility", act="access.enrol", by=nina):
        enrol(nina, nina.pk, secret=first, password=CHOSEN)
    _uid, second = sent()
    assert second != first
    past = now() - timedelta(seconds=1)
    Enrolment.objects.filter(hashed=hash_of(second)).update(expires_at=past)
    with refused(NotVisible, "visibility", act="access.enrol", by=nina):
        enrol(nina, nina.pk, secret=second, password=CHOSEN)
    assert not User.objects.get(pk=nina.pk).has_usable_password()


def test_no_mail_to_who_left_and_no_link_that_outlives_them(world, nina):
    uid, secret = sent()
    renew_enrolment(world.administrator, nina.pk)
    deactivate_account(world.administrator, nina.pk, reason="Never came")
    run_queued()
    assert len(mail.outbox) == 1
    assert Client().get(reverse("web:enrol", args=[uid, secret])).status_code == 404


def test_a_mail_that_cannot_be_sent_is_told_and_a_new_one_can_be(world, nina, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_TIMEOUT = "127.0.0.1", 9, 2
    run_queued()
    row = Enrolment.objects.get(person=nina)
    assert row.state == "failed"
    assert row.failure
    assert last("access.fail_enrolment").subject_id == str(row.pk)
    settings.EMAIL_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    renew_enrolment(world.administrator, nina.pk)
    _uid, secret = sent()
    assert enrol(nina, nina.pk, secret=secret, password=CHOSEN).has_usable_password()


def test_only_the_portals_service_says_that_a_link_was_sent(world, nina):
    row, job = Enrolment.objects.get(person=nina), Job.objects.filter(state="queued").latest("pk")
    for verb, given in ((finish_enrolment, {"hashed": hash_of("mine")}), (fail_enrolment, {"message": "no"})):
        with pytest.raises(NotAllowed):
            verb(world.administrator, row.pk, job=job, **given)
    assert Enrolment.objects.get(pk=row.pk).hashed == ""


@pytest.mark.parametrize("email", ["", "nobody", "author@example.org", "AUTHOR@example.org"])
def test_an_account_needs_an_address_of_its_own(world, email):
    with refused(BadInput, "input", act="access.create_account", by=world.administrator) as caught:
        create_account(world.administrator, **NEW | {"email": email})
    assert set(caught.value.fields) == {"email"}


def test_a_bad_password_does_not_put_the_secret_into_the_log(nina, caplog):
    uid, secret = sent()
    url = reverse("web:enrol", args=[uid, secret])
    client = Client()
    assert client.post(url, {"password": "short", "again": "short"}).status_code == 422
    assert client.post(url, {"password": CHOSEN, "again": CHOSEN}).status_code == 302
    assert Client().get(url).status_code == 404
    assert client.get(reverse("web:account")).status_code == 200
    assert secret not in caplog.text


# ---------------------------------------------------------------- identity


@pytest.fixture
def newcomer(world, nina):
    """A process expert with a password whose identity nobody has confirmed."""
    person = set_password(nina, nina.pk, password=CHOSEN)
    world.people["nnovak"] = person
    give(world, "nnovak", "process_expert", world.model)
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    return person, use


def sign(person: User, use):
    shown = SignatureInput(digest=content_digest(use), password=CHOSEN)
    return sign_intended_use_expert(person, use.pk, signature=shown)


def test_nobody_signs_before_a_second_person_confirmed_who_they_are(world, newcomer):
    person, use = newcomer
    act = "registry.sign_intended_use_expert"
    assert person not in eligible(act, use)
    verdict = may(person, act, use)
    assert (verdict.allowed, verdict.status) == (False, 403)
    with refused(NotAllowed, "21 CFR 11.100(b)", act=act, by=person) as caught:
        sign(person, use)
    assert caught.value.fact == "Nobody has confirmed yet who is behind your account."
    assert set(caught.value.who) == {"Cora Compliance", "Compliance2 Person", "Registrar Person"}
    confirm_identity(world.registrar, person.pk, how="document")
    person.refresh_from_db()
    assert person in eligible(act, use)
    assert sign(person, use)


def test_confirm_identity(world, newcomer):
    person, _use = newcomer
    done = confirm_identity(world.compliance2, person.pk, how="video", reason="Seen on Monday")
    told = {"act": "access.confirm_identity", "by": world.compliance2, "reason": "Seen on Monday"}
    entry = assert_told(**told, about=done)
    assert_history(done, **told)
    assert body_of(entry)["facts"]["how"] == "video"
    assert (done.identity_confirmed_by, done.identity_checked) == (world.compliance2, "video")
    with refused(WrongState, "account-state", act="access.confirm_identity", by=world.compliance):
        confirm_identity(world.compliance, person.pk, how="video")


def test_confirm_identity_refused(world, newcomer):
    person, _use = newcomer
    act = "access.confirm_identity"
    with refused(NotAllowed, "duty", act=act, by=world.administrator) as caught:
        confirm_identity(world.administrator, person.pk, how="known")
    assert "Cora Compliance" in caught.value.who
    with refused(NotVisible, "visibility", act=act, by=world.owner):
        confirm_identity(world.owner, person.pk, how="known")
    with refused(NotAllowed, "PC07", act=act, by=world.inspector):
        confirm_identity(world.inspector, person.pk, how="known")
    for how in ("", "installation", "guessed"):
        with refused(BadInput, "input", act=act, by=world.compliance) as caught:
            confirm_identity(world.compliance, person.pk, how=how)
        assert set(caught.value.fields) == {"how"}
    token = Actor.of(world.compliance, via="api", token=create_token(world.compliance, name="ci"))
    with refused(NotAllowed, "21 CFR 11.200(a)(2)", act=act, by=world.compliance):
        confirm_identity(token, person.pk, how="known")
    deactivate_account(world.administrator, person.pk, reason="Left")
    with refused(WrongState, "account-state", act=act, by=world.compliance):
        confirm_identity(world.compliance, person.pk, how="known")


def test_nobody_confirms_themselves_nor_whom_they_entered(world):
    User.objects.filter(pk=world.registrar.pk).update(identity_confirmed_at=None)
    with refused(Conflict, "21 CFR 11.100(b)", act="access.confirm_identity", by=world.registrar) as caught:
        confirm_identity(world.registrar, world.registrar.pk, how="known")
    assert caught.value.fact == "This is your own account."


def test_the_first_two_people_are_named_by_whoever_installed_the_portal(world):
    first, second = world.administrator, world.compliance
    assert {first.identity_confirmed_by.username, second.identity_confirmed_by.username} == {"installer"}
    assert {first.identity_checked, second.identity_checked} == {"installation"}
    page = text_of(browser(second).get(f"/people/{first.username}/"))
    assert "Named by whoever installed the portal; recorded" in page
    assert "confirmed by" not in page
    page = text_of(browser(second).get(f"/people/{world.author.username}/"))
    assert "; confirmed by" in page


def test_the_cast_is_confirmed_by_somebody_else(world):
    for person in world.people.values():
        assert person.identity_confirmed_at is not None
        assert person.identity_confirmed_by != person
    assert world.author.check_password(PASSWORD)
