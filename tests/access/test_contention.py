"""Acts that wait for each other's rows: begun anew, whole, once; an address that two were given belongs to one."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from apps.access import acts, colliding
from apps.access.acting import Act
from apps.access.acts import approve_correction, create_account, create_token, request_correction
from apps.access.colliding import collision
from apps.access.models import Assignment
from apps.accounts.corrections import Correction
from apps.accounts.models import User
from apps.core.errors import BadInput, Busy, Conflict, Refused
from apps.core.models import Job
from apps.trail import verifier
from apps.trail.models import Entry
from tests.access.telling import body_of, last
from tests.access.test_races import asking, together
from tests.factories.doors import browser, session_api, text_of

pytestmark = pytest.mark.django_db


class FromDriver(Exception):
    def __init__(self, state: str) -> None:
        super().__init__(state)
        self.sqlstate = state


def given_up(state: str = "40P01", said: str = "deadlock detected") -> OperationalError:
    error = OperationalError(said)
    error.__cause__ = FromDriver(state)
    return error


@pytest.fixture
def failing(monkeypatch):
    """The first `times` acts are given up by the database when everything but the commit is done."""
    plain, told = Act.entry, SimpleNamespace(tries=0)

    def install(times: int, error=given_up) -> SimpleNamespace:
        def entry(doing):
            plain(doing)
            told.tries += 1
            if told.tries <= times:
                raise error()

        monkeypatch.setattr(Act, "entry", entry)
        monkeypatch.setattr(colliding, "PAUSE", 0)
        return told

    return install


def make(world, **given) -> User:
    given = {"username": "nnovak", "printed_name": "Nina Novak", "email": "nina@example.org"} | given
    return create_account(world.administrator, **given)


def test_an_act_that_the_database_gave_up_is_begun_anew_and_happens_once(world, failing):
    jobs, before = Job.objects.count(), Entry.objects.filter(kind="act").count()
    told = failing(2)
    made = make(world, idempotency_key="one-form")
    assert told.tries == 3
    assert User.objects.get(username="nnovak") == made
    assert Entry.objects.filter(kind="act").count() == before + 1
    assert Job.objects.count() == jobs + 1, "one mail, not three"
    assert make(world, idempotency_key="one-form") == made
    assert told.tries == 3
    assert verifier.verify().ok


def test_the_components_of_a_signature_are_asked_once(world, failing, monkeypatch):
    """A one-time code is used up by being shown: a second attempt of the database's asks for none."""
    from apps.access import demands, signing
    from apps.registry.acts import sign_intended_use_expert, write_intended_use
    from tests.factories.foundation import USE, sign

    asked, plain = [], signing.check_components
    monkeypatch.setattr(demands.signing, "check_components", lambda *given: asked.append(1) or plain(*given))
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    told = failing(1)
    sign_intended_use_expert(world.process_expert, use.pk, signature=sign(use))
    assert (told.tries, len(asked)) == (2, 1)
    assert len(body_of(last("registry.sign_intended_use_expert"))["facts"]["signatures"]) == 1


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (given_up, colliding.ATTEMPTS),
        (lambda: given_up("40001", "could not serialize access"), colliding.ATTEMPTS),
        (lambda: OperationalError("database is locked"), 1),  # SQLite has waited already
        (lambda: given_up("55P03", "could not obtain lock"), 1),
    ],
)
def test_what_stays_contended_is_told_as_busy_and_leaves_nothing(world, failing, error, tries):
    told = failing(99, error)
    entries = Entry.objects.count()
    with pytest.raises(Busy) as caught:
        make(world)
    assert told.tries == tries
    assert (caught.value.status, caught.value.rule) == (503, "busy")
    assert caught.value.retry_after > 0
    assert not User.objects.filter(username="nnovak").exists()
    assert Entry.objects.count() == entries, "nobody was refused anything"


def test_any_other_fault_of_the_database_is_no_refusal(world, failing):
    failing(1, lambda: given_up("57014", "canceling statement"))
    with pytest.raises(OperationalError, match="canceling"):
        make(world)


def test_both_doors_say_busy(world, failing):
    token = create_token(world.author, name="ci")
    api, page = session_api(world.author), browser(world.author)
    failing(99)
    answer = api.post(f"/api/v1/me/tokens/{token.pk}/end", {}, format="json")
    assert (answer.status_code, answer["Retry-After"], answer.json()["rule"]) == (503, "5", "busy")
    assert answer.json()["title"] == "Busy"
    answer = page.post(f"/account/tokens/{token.pk}/end/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "in a few seconds" in text_of(answer)


# ---------------------------------------------------------------- one address, one person


def test_an_address_belongs_to_one_account_in_use_in_any_case(world):
    for email in (world.author.email, world.author.email.upper()):
        with pytest.raises(BadInput) as caught:
            make(world, email=email)
        assert set(caught.value.fields) == {"email"}
    twin = User(
        username="twin",
        printed_name="T",
        email=world.author.email.upper(),
        created_at=world.author.created_at,
    )
    with pytest.raises(IntegrityError, match="email_unique_in_any_case") as broken, transaction.atomic():
        User.objects.bulk_create([twin])
    told = collision(broken.value)
    assert isinstance(told, Conflict)
    assert (told.status, told.rule) == (409, "one-address")
    assert told.fact.startswith("Somebody else has this address")
    # Accounts without an address are many; a former person's address is free for whom it belongs to now.
    acts.deactivate_account(world.administrator, world.stranger.pk, reason="Left")
    assert make(world, email=world.stranger.email).pk
    assert User.objects.filter(email="").count() >= 2


@pytest.mark.django_db(transaction=True)
def test_two_corrections_at_once_give_an_address_once(world):
    rows = []
    for name, who in (("author", "nina@example.org"), ("validator", "NINA@example.org")):
        rows.append(
            request_correction(world.administrator, world.people[name].pk, email=who, reason="Typo").pk
        )
    answers = together(
        lambda: approve_correction(world.compliance, rows[0]),
        lambda: approve_correction(world.compliance2, rows[1]),
    )
    refused = [a for a in answers if isinstance(a, Refused)]
    assert [r.status for r in refused] == [409]
    assert User.objects.filter(email__iexact="nina@example.org").count() == 1
    assert sorted(Correction.objects.filter(pk__in=rows).values_list("state", flat=True)) == [
        "approved",
        "requested",
    ]
    assert verifier.verify().ok


@pytest.mark.django_db(transaction=True)
def test_two_accounts_at_once_are_not_given_one_name_or_address(world):
    def one(username, **given):
        return lambda: make(world, username=username, **given)

    answers = together(
        one("nnovak"),
        one("nina", printed_name="Nina  NOVAK", email="other@example.org"),
        one("nn", printed_name="N."),
    )
    assert len([a for a in answers if isinstance(a, User)]) in (1, 2), "the name once, the address once"
    assert User.objects.filter(email__iexact="nina@example.org").count() <= 1
    assert User.objects.filter(printed_name__in=["Nina Novak", "Nina  NOVAK"]).count() <= 1


# ---------------------------------------------------------------- real threads


def _waits(cursor) -> bool:
    """Whether somebody waits for a lock in this database."""
    cursor.execute(
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    return cursor.fetchone() is not None


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_no_fault_of_the_person(world, monkeypatch):
    """Another transaction holds the request and wants the account; the act holds the account and wants the request.

    PostgreSQL gives the one up that noticed first, the act; it is begun anew. SQLite has one writer at a time.
    """
    asked = asking(world, "stranger", "monitor")()
    monkeypatch.setattr(colliding, "PAUSE", 0.2)
    holds, follows, answers, tries = threading.Event(), threading.Event(), [], []
    plain = Act.lock

    def lock(doing, queryset, **lookup):
        if queryset.model is Assignment:
            tries.append(1)
            follows.set()
        return plain(doing, queryset, **lookup)

    monkeypatch.setattr(Act, "lock", lock)

    def other():
        try:
            with transaction.atomic():
                list(Assignment.objects.order_by().select_for_update().filter(pk=asked.pk))
                holds.set()
                if connection.vendor == "postgresql":
                    assert follows.wait(30)
                    with connection.cursor() as cursor:
                        cursor.execute("SET LOCAL deadlock_timeout = '30s'")  # it is the act that notices
                        while not _waits(cursor):
                            time.sleep(0.02)
                    list(User.objects.select_for_update().filter(pk=world.stranger.pk))
        finally:
            connection.close()

    def approve():
        try:
            answers.append(acts.approve_assignment(world.owner, asked.pk))
        except Exception as error:
            answers.append(error)
        finally:
            connection.close()

    first, second = threading.Thread(target=other), threading.Thread(target=approve)
    first.start()
    assert holds.wait(30)
    second.start()
    for each in (first, second):
        each.join(60)
    assert [type(answer) for answer in answers] == [Assignment]
    assert len(tries) == (2 if connection.vendor == "postgresql" else 1)
    assert Assignment.objects.get(pk=asked.pk).state == "approved"
    assert Entry.objects.filter(kind="act", act="access.approve_assignment", subject_id=asked.pk).count() == 1
    assert verifier.verify().ok


@pytest.mark.django_db(transaction=True)
def test_a_leaver_and_what_is_decided_about_them_never_end_as_a_fault(world):
    """Account before request, and board before seat, on both sides: each ends with a result or a sentence."""
    reset = acts.request_reset(world.administrator, world.author.pk, what="password", reason="Lost")
    wish = request_correction(world.administrator, world.author.pk, email="a2@example.org", reason="Typo")
    duty = asking(world, "author", "deployer", parent=world.other_model, by="other_owner")
    answers = together(
        lambda: acts.approve_reset(world.compliance, reset.pk),
        lambda: approve_correction(world.compliance2, wish.pk),
        lambda: acts.deactivate_account(world.administrator, world.author.pk, reason="Left"),
        duty,
    )
    assert [answer.rule for answer in answers if isinstance(answer, Busy)] == []
    assert not User.objects.get(pk=world.author.pk).is_active
    assert not Assignment.objects.active().filter(person=world.author).exists()
    assert verifier.verify().ok
