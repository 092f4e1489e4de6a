"""A database owner who replaces a password hash neither signs in nor signs, and verify_trail names the row."""

from __future__ import annotations

import pytest
from django.contrib.auth.hashers import make_password
from django.db import connection
from django.urls import reverse

from apps.access import sign_in
from apps.access.acts import renew_enrolment, set_password
from apps.access.policy import policy
from apps.access.signing import SignatureInput, check_components, content_digest
from apps.accounts import passwords
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Conflict, NotAllowed
from apps.registry.acts import sign_intended_use_expert, write_intended_use
from apps.trail import verifier
from apps.trail.models import Signature
from tests.access.telling import body_of, last
from tests.cast import PASSWORD
from tests.factories.doors import browser, text_of
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db
ROW = policy("registry.sign_intended_use_owner")
STOLEN = "chosen by the database owner"


def as_owner(statement, *parameters):
    """Straight SQL by the owner of the database; it must have changed a row."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        assert cursor.rowcount > 0, "the attack changed nothing"


def replace_hash(user, password=STOLEN):
    as_owner("UPDATE accounts_user SET password = %s WHERE id = %s", make_password(password), user.pk)


def findings(table="accounts_user"):
    return {
        (each.detector, each.row, each.field) for each in verifier.verify().findings if each.table == table
    }


def told(user, password):
    """The refusal of a sign-in as the person reads it."""
    with pytest.raises(NotAllowed) as caught:
        sign_in.authenticate(user.username, password)
    return caught.value.sentence()


def test_every_account_has_its_mark(world):
    people = list(User.objects.all())
    assert {"installer", "worker", "owner"} <= {user.username for user in people}
    assert all(passwords.marked(user) and len(user.password_mark) == 64 for user in people)
    assert len({user.password_mark for user in people}) == len(people)
    assert findings() == set()


def test_a_replaced_hash_signs_nobody_in(world):
    wrong = told(world.approver, "not the password")
    assert body_of(last("access.sign_in", "refusal"))["facts"]["cause"] == "wrong password"
    replace_hash(world.approver)
    assert told(world.approver, STOLEN) == wrong
    assert body_of(last("access.sign_in", "refusal"))["facts"]["cause"] == passwords.WRONG_MARK
    assert told(world.approver, PASSWORD) == wrong
    assert findings() == {("password", str(world.approver.pk), "password")}


def test_a_replaced_hash_signs_nothing(world):
    def words(password):
        with pytest.raises(NotAllowed) as caught:
            check_components(world.approver, SignatureInput("sha256:0", password), ROW)
        return caught.value

    check_components(world.approver, SignatureInput("sha256:0", PASSWORD), ROW)
    wrong = words("not the password")
    check_components(world.approver, SignatureInput("sha256:0", PASSWORD), ROW)  # the failures start anew
    replace_hash(world.approver)
    stolen = words(STOLEN)
    assert stolen.parts() == wrong.parts()
    assert (wrong.cause, stolen.cause) == ("wrong password", passwords.WRONG_MARK)


def test_a_refused_signing_names_the_fact_in_the_trail(world):
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    expert = world.process_expert
    replace_hash(expert)
    given = SignatureInput(content_digest(use), STOLEN)
    with pytest.raises(NotAllowed):
        sign_intended_use_expert(expert, use.pk, signature=given)
    facts = body_of(last("registry.sign_intended_use_expert", "refusal"))["facts"]
    assert facts["cause"] == passwords.WRONG_MARK
    assert not Signature.objects.exists()


def test_hash_and_mark_of_another_account_do_not_fit(world):
    as_owner(
        "UPDATE accounts_user SET password = o.password, password_mark = o.password_mark "
        "FROM (SELECT password, password_mark FROM accounts_user WHERE id = %s) o WHERE accounts_user.id = %s",
        world.stranger.pk,
        world.approver.pk,
    )
    told(world.approver, PASSWORD)
    assert findings() == {
        ("password", str(world.approver.pk), "password"),
        ("live", str(world.approver.pk), "password_mark"),
    }


def test_two_accounts_exchanged_whole_do_not_open(world):
    """uuid, hash and mark of one's own account in another's row: the mark holds, the history does not."""
    mine, theirs = world.stranger, world.approver
    set_password(mine, mine.pk, password=STOLEN)
    mine.refresh_from_db()
    as_owner("UPDATE accounts_user SET uuid = %s WHERE id = %s", "0" * 32, mine.pk)
    uuid = mine.uuid if connection.vendor == "postgresql" else mine.uuid.hex
    as_owner(
        "UPDATE accounts_user SET uuid = %s, password = %s, password_mark = %s WHERE id = %s",
        uuid,
        mine.password,
        mine.password_mark,
        theirs.pk,
    )
    assert passwords.marked(User.objects.get(pk=theirs.pk))
    told(theirs, STOLEN)
    cause = body_of(last("access.sign_in", "refusal"))["facts"]["cause"]
    assert "uuid" in cause
    assert "password_mark" in cause
    assert ("live", str(theirs.pk), "uuid") in findings()


def test_an_older_password_does_not_come_back(world):
    before = User.objects.get(pk=world.approver.pk)
    set_password(world.approver, world.approver.pk, password="another good phrase")
    as_owner(
        "UPDATE accounts_user SET password = %s, password_mark = %s WHERE id = %s",
        before.password,
        before.password_mark,
        before.pk,
    )
    told(before, PASSWORD)
    assert findings() == {("live", str(before.pk), "password_mark")}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("is_active", False),
        ("is_superuser", True),
        ("is_service", True),
        ("email", "x@example.org"),
        ("username", "somebody"),
        ("printed_name", "Somebody Else"),
    ],
)
def test_what_else_an_owner_changes_of_an_account_is_named(world, column, value):
    as_owner(f"UPDATE accounts_user SET {column} = %s WHERE id = %s", value, world.approver.pk)
    assert findings() == {("live", str(world.approver.pk), column)}
    assert column in passwords.fault(User.objects.get(pk=world.approver.pk))


def test_a_disabled_account_switched_on_does_not_sign_in(world):
    from apps.access.acts import deactivate_account

    gone = deactivate_account(world.administrator, world.stranger.pk, reason="Left")
    as_owner("UPDATE accounts_user SET is_active = %s WHERE id = %s", True, gone.pk)
    told(gone, PASSWORD)
    assert findings() == {("live", str(gone.pk), "is_active")}


def test_a_hash_taken_away_opens_no_enrolment(world):
    """Else an administrator's link, honestly given, would let the thief choose a password."""
    as_owner("UPDATE accounts_user SET password = '!x' WHERE id = %s", world.monitor.pk)
    assert not User.objects.get(pk=world.monitor.pk).has_usable_password()
    with pytest.raises(Conflict) as caught:
        renew_enrolment(world.administrator, world.monitor.pk)
    assert caught.value.rule == "account-integrity"
    with pytest.raises(Conflict):
        set_password(world.monitor, world.monitor.pk, password="a new phrase of some length")
    assert last("access.set_password", "refusal").actor_name == world.monitor.printed_name
    assert findings() == {("password", str(world.monitor.pk), "password")}


def test_unusable_passwords_have_marks_too(world):
    worker = User.objects.get(username="worker")
    replace_hash(worker)
    assert findings() == {("password", str(worker.pk), "password")}


def test_a_page_of_then_does_not_claim_that_a_password_was_set(world):
    url, moment = reverse("web:person", args=["author"]), now()
    client = browser(world.administrator)
    then = text_of(client.get(url, {"as-of": moment.isoformat()}))
    assert "not kept: of passwords there is no history" in then
    assert "set by the person" not in then
    assert "set by the person" in text_of(client.get(url))
