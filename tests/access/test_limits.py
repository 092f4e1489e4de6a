"""How often: windows across processes, sign-in by address and from everywhere, a trail that cannot be filled."""

from __future__ import annotations

import subprocess
import sys
import threading

import pytest
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse

from apps.access import sessions, throttle
from apps.access.actors import Actor
from apps.access.acts import create_token, lock_account, unlock_account
from apps.access.sign_in import authenticate, enter_folded
from apps.access.throttle import Leases, hit, key_of, network
from apps.accounts.models import ApiToken, Lockout, SignedIn, Throttle
from apps.core.errors import BadInput, NotAllowed, NotVisible, TooMany
from apps.core.jobs import run_queued
from apps.trail.models import Entry
from tests.access.telling import assert_told, body_of, last, refused
from tests.cast import PASSWORD

pytestmark = pytest.mark.django_db
HOME, STRANGER = "192.0.2.10", "198.51.100.66"


def attempt(username: str, password: str, address: str) -> int:
    """The status of one attempt to sign in; 200 when it worked."""
    try:
        authenticate(username, password, address=address)
    except (NotAllowed, TooMany) as error:
        return error.status
    return 200


def test_a_window_counts_and_begins_anew(monkeypatch):
    clock = [1_000]
    monkeypatch.setattr(throttle, "_clock", lambda: clock[0])
    assert [hit("k", 60).count for _ in range(3)] == [1, 2, 3]
    clock[0] += 59
    last_one = hit("k", 60)
    assert (last_one.count, last_one.left) == (4, 1)
    clock[0] += 1
    assert hit("k", 60).count == 1
    throttle.take_back("k")
    assert hit("k", 60).count == 1
    clock[0] += 61
    throttle.sweep()
    assert not Throttle.objects.exists()


def test_an_ipv6_subscriber_is_one_address():
    assert network("2001:db8:1:2:3::4") == network("2001:db8:1:2::ffff") != network("2001:db8:1:3::1")
    assert network("::ffff:192.0.2.1") == network("192.0.2.1")
    assert len(network("x" * 500)) == 60


@pytest.mark.parametrize("limit", [1, 7, 100])
def test_leases_of_several_processes_never_exceed_the_limit(limit):
    processes = [Leases() for _ in range(4)]
    passed = sum(
        1 for n in range(4 * limit + 40) if processes[n % 4].refused_for(f"lease-{limit}", limit, 60) == 0
    )
    assert passed <= limit
    assert passed >= limit - 4 * max(1, limit // 40)
    assert 0 < processes[0].refused_for(f"lease-{limit}", limit, 60) <= 60


def test_a_call_within_its_lease_asks_nothing_of_the_database(django_assert_num_queries):
    leases = Leases()
    leases.refused_for("quiet", 400, 60)
    with django_assert_num_queries(0):
        for _ in range(9):
            assert leases.refused_for("quiet", 400, 60) == 0
    with django_assert_num_queries(1):
        leases.refused_for("quiet", 400, 60)


@pytest.mark.django_db(transaction=True)
def test_counts_made_at_the_same_moment_are_all_counted():
    found: list[int] = []

    def work():
        try:
            found.extend(hit("race", 60).count for _ in range(10))
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(1, 41))


def test_five_failures_lock_the_username_for_that_address_only(world, settings):
    for _ in range(settings.SIGN_IN_FAILURES):
        assert attempt("approver", "wrong", STRANGER) == 401
    assert attempt("approver", PASSWORD, STRANGER) == 401, "locked, in the words of a wrong password"
    assert attempt("approver", PASSWORD, HOME) == 200, "the person elsewhere is not locked out"
    assert attempt("owner", PASSWORD, STRANGER) == 200, "nor are others at that address"


def test_an_unknown_username_is_locked_in_the_same_way_and_words(world, settings):
    said = set()
    for name in ("approver", "nobody.at.all"):
        for _ in range(settings.SIGN_IN_FAILURES + 2):
            with pytest.raises(NotAllowed) as caught:
                authenticate(name, "wrong", address=STRANGER)
            said.add((caught.value.status, caught.value.sentence()))
    assert len(said) == 1


def test_case_and_spaces_of_the_username_make_no_further_tries(world, settings):
    for name in ("approver", "APPROVER", " approver ", "Approver", "aPPROVER")[: settings.SIGN_IN_FAILURES]:
        assert attempt(name, "wrong", STRANGER) == 401
    assert attempt("approver", PASSWORD, STRANGER) == 401


def test_failures_from_everywhere_lock_the_account_with_an_alarm_and_a_mail(world, settings):
    settings.SIGN_IN_FAILURES_EVERYWHERE = 8
    token = create_token(world.approver, name="ci")
    sessions.begin(world.approver, "k" * 32, address=HOME, browser="x")
    for n in range(8):
        assert attempt("approver", "wrong", f"198.51.100.{n}") == 401
    assert attempt("approver", PASSWORD, "203.0.113.5") == 401
    assert attempt("approver", PASSWORD, HOME) == 200, "where the person has signed in before, they still may"
    entry = last("access.lock_account")
    facts = body_of(entry)["facts"]
    assert (entry.subject_id, facts["alarm"]) == (str(world.approver.pk), True)
    assert facts["tokens"] == [token.ref]
    assert len(facts["sessions"]) == 1
    assert ApiToken.objects.get(pk=token.pk).ended_at is not None
    run_queued()
    assert [m.to for m in mail.outbox] == [["approver@example.org"], ["compliance2@example.org"]]
    assert "locked" in mail.outbox[0].subject


def test_an_administrator_unlocks(world, settings):
    settings.SIGN_IN_FAILURES_EVERYWHERE = 6
    for n in range(6):
        attempt("approver", "wrong", STRANGER if n < 5 else "203.0.113.9")
    assert attempt("approver", PASSWORD, "203.0.113.5") == 401
    act = "access.unlock_account"
    with refused(BadInput, "reason", act=act, by=world.administrator):
        unlock_account(world.administrator, world.approver.pk)
    with refused(NotAllowed, "duty", act=act, by=world.compliance):
        unlock_account(world.compliance, world.approver.pk, reason="Asked by phone")
    with refused(NotVisible, "visibility", act=act, by=world.owner):
        unlock_account(world.owner, world.approver.pk, reason="Asked by phone")
    unlock_account(world.administrator, world.approver.pk, reason="Asked by phone")
    assert_told(act, by=world.administrator, about=world.approver, reason="Asked by phone", wrote=0)
    assert attempt("approver", PASSWORD, "203.0.113.5") == 200
    assert attempt("approver", PASSWORD, STRANGER) == 200


def test_only_the_portal_raises_the_alarm(world):
    with refused(NotAllowed, "service", act="access.lock_account", by=world.administrator):
        lock_account(world.administrator, world.approver.pk)
    lock_account(Actor.service("worker"), world.approver.pk)
    assert not Lockout.objects.filter(user=world.approver, sign_in_locked_until__isnull=False).exists()


def test_one_address_is_answered_429_and_a_good_sign_in_does_not_count(world, settings):
    settings.ADDRESS_FAILURES = 10
    for _ in range(20):
        assert attempt("owner", PASSWORD, STRANGER) == 200
    answers = [attempt(f"person{n}", "guess", STRANGER) for n in range(12)]
    assert answers == [401] * 10 + [429] * 2
    assert attempt("owner", PASSWORD, STRANGER) == 429
    assert attempt("owner", PASSWORD, HOME) == 200


def test_the_page_says_when_to_try_again(world, settings):
    settings.ADDRESS_FAILURES = 1
    client, form = Client(), {"username": "approver", "password": "wrong"}
    assert client.post(reverse("web:sign_in"), form).status_code == 401
    answer = client.post(reverse("web:sign_in"), form)
    assert answer.status_code == 429
    assert 0 < int(answer["Retry-After"]) <= settings.LOCKOUT_SECONDS
    html = answer.content.decode()
    assert "<h1>Too many attempts</h1>" in html
    assert f"Try again in {answer['Retry-After']} seconds." in html


def test_the_trail_takes_few_entries_from_one_address_and_says_how_many_more(world, settings):
    settings.ADDRESS_ENTRIES = 4
    refusals = Entry.objects.filter(kind="refusal", act="access.sign_in")
    before = refusals.count()
    for n in range(30):
        attempt(f"guess{n}", "x", STRANGER)
    assert refusals.count() == before + 4
    assert "counted and entered as one" in body_of(refusals.latest("id"))["facts"]["cause"]
    enter_folded()
    assert refusals.count() == before + 4, "the window is still open"
    Throttle.objects.filter(key__startswith="refusals:").update(ends_at=1)
    attempt("owner", "wrong", HOME)
    enter_folded()
    folded = [body_of(e)["facts"] for e in refusals.order_by("id")[before + 4 :]]
    assert [f.get("folded") for f in folded] == [26, None]
    assert folded[0]["address"] == STRANGER


def test_an_address_in_the_forwarding_header_is_believed_from_own_proxies_only(world, settings):
    def told(**headers) -> str:
        Client().post(reverse("web:sign_in"), {"username": "approver", "password": "x"}, headers=headers)
        return body_of(last("access.sign_in", "refusal"))["facts"]["address"]

    assert told(x_forwarded_for="203.0.113.77") == "127.0.0.1"
    settings.TRUSTED_PROXIES = 1
    assert told(x_forwarded_for="203.0.113.77") == "203.0.113.77"
    assert told(x_forwarded_for="10.0.0.1, 203.0.113.78") == "203.0.113.78", "what the stranger wrote is not"
    assert told(x_forwarded_for="nonsense") == "127.0.0.1"
    assert told() == "127.0.0.1"
    settings.TRUSTED_PROXIES = 2
    assert told(x_forwarded_for="203.0.113.79") == "127.0.0.1", "it did not come through both"
    assert told(x_forwarded_for="6.6.6.6, 203.0.113.80, 10.0.0.2") == "203.0.113.80"


def test_signing_attempts_are_bounded(world, settings):
    from apps.access.policy import policy
    from apps.access.signing import SignatureInput, check_components

    settings.SIGNING_ATTEMPTS = 3
    row = policy("approvals.sign_approval")
    good = SignatureInput(digest="", password=PASSWORD)
    for _ in range(3):
        check_components(world.approver, good, row)
    with pytest.raises(TooMany) as caught:
        check_components(world.approver, good, row)
    assert 0 < caught.value.retry_after <= 60
    check_components(world.owner, good, row)


def test_keys_tell_nothing(world):
    secret = "my password typed as a name"
    attempt(secret, "x", HOME)
    assert not any(secret in key for key in Throttle.objects.values_list("key", flat=True))
    assert key_of("a", "b", "c") != key_of("a", "bc")
    assert SignedIn.objects.count() == 0


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_count_holds_across_processes(tmp_path):
    """Four processes on one database of their own."""
    import os

    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "portal.settings.test",
        "COUNTERSIGN_TEST_DATA": str(tmp_path),
        "DATABASE_URL": f"sqlite:///{tmp_path / 'limits.sqlite3'}",
    }
    table = (
        "import django; django.setup()\n"
        "from django.db import connection\n"
        "from apps.accounts.models import Throttle\n"
        "with connection.schema_editor() as editor: editor.create_model(Throttle)"
    )
    subprocess.run([sys.executable, "-c", table], env=env, check=True)
    code = (
        "import django; django.setup()\n"
        "from apps.access.throttle import Leases\n"
        "mine = Leases(); print(sum(mine.refused_for('k', 200, 600) == 0 for _ in range(150)))"
    )
    running = [
        subprocess.Popen([sys.executable, "-c", code], env=env, stdout=subprocess.PIPE, text=True)
        for _ in range(4)
    ]
    passed = [int(process.communicate(timeout=120)[0]) for process in running]
    assert sum(passed) == 200
