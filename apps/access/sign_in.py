"""Sign-in by username and password: locks after failures, nothing told about which part was wrong.

Failures are counted in three ways (21 CFR 11.300(d)): by username and address, so that a stranger elsewhere locks
nobody out; by username from everywhere, with an alarm; and by address whatever the username. The trail takes a bounded
number of entries from one address: what comes after is counted and entered as one.
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from apps.access import sessions, throttle
from apps.access.actors import Actor
from apps.access.throttle import hit, key_of, network
from apps.accounts import passwords
from apps.accounts.models import Lockout, Throttle, User
from apps.core.clock import now
from apps.core.errors import NotAllowed, TooMany
from apps.trail.writer import Subject, Who, record

SCOPE = "organisation:0"
REFUSALS = "refusals:"


def wrong_pair() -> NotAllowed:
    """The same words whether the username or the password is wrong, or the account is locked or off."""
    return NotAllowed(
        "You are not signed in.",
        fact=(
            "The username and password do not belong together, or this account is locked for a while "
            f"after {settings.SIGN_IN_FAILURES} failed attempts."
        ),
        rule="sign-in",
        who=["you, with the right password; an administrator ends a lock before its time"],
        status=401,
    )


def pair_key(username: str, address: str) -> str:
    """For this address; with an empty one, the beginning that the keys of every address share."""
    place = network(address) if address else ""
    return f"{key_of('sign-in', username.strip().casefold())[:48]}:{key_of('', place)[1:33] if place else ''}"


def authenticate(username: str, password: str, *, address: str = "") -> User:
    """The person these belong to; a Refused with 401, or 429 when too much came from this address."""
    user = User.objects.filter(username__iexact=username.strip(), is_service=False).first()
    from_here = key_of("failures", network(address))
    failures = hit(from_here, settings.LOCKOUT_SECONDS)
    if failures.count > settings.ADDRESS_FAILURES:
        enter_failure(user, username, address, "too many failed attempts from this address")
        raise TooMany(
            "You are not signed in.",
            fact=(
                "There were too many failed attempts from this network address. "
                f"Try again in {failures.left} seconds."
            ),
            who=[f"you, in {failures.left} seconds"],
            retry_after=failures.left,
        )
    pair = pair_key(username, address)
    tries = hit(pair, settings.LOCKOUT_SECONDS)
    if user is None:
        make_password(password)  # takes as long as a comparison would
        good, cause, alarm = False, "unknown username", False
    else:
        good, cause, alarm = _compare(
            user, password, address, locked_here=tries.count > settings.SIGN_IN_FAILURES
        )
    if good and user is not None:
        throttle.forget(pair)
        throttle.take_back(from_here)
        return user
    if tries.count == settings.SIGN_IN_FAILURES:
        throttle.hold(pair, settings.LOCKOUT_SECONDS)
        cause += f"; this username is locked for this address for {settings.LOCKOUT_SECONDS} seconds"
    enter_failure(user, username, address, cause)
    if alarm and user is not None:
        from apps.access.acts.locks import lock_account  # which imports this module

        lock_account(Actor.service("worker", via="web"), user.pk)
    elif user is not None and tries.count == settings.SIGN_IN_FAILURES:
        from apps.access.second import report  # which imports this module

        report(user, f"{tries.count} wrong passwords from one address")
    raise wrong_pair()


def _compare(user: User, password: str, address: str, *, locked_here: bool) -> tuple[bool, str, bool]:
    """(may enter, cause for the trail, alarm: the account was locked for every address just now)."""
    with transaction.atomic():
        Lockout.objects.get_or_create(user=user)
        lockout = Lockout.objects.select_for_update().get(user=user)
        good, fault = passwords.matches(user, password)
        locked = bool(lockout.sign_in_locked_until and lockout.sign_in_locked_until > now())
        if locked and sessions.known_address(user, address):
            locked = False  # a stranger's guessing must not keep a person out of the place they work at
        if locked_here or locked:
            return False, "account locked" if locked else "locked for this address", False
        if good and user.usable:
            if lockout.sign_in_failures:
                lockout.sign_in_failures, lockout.sign_in_locked_until = 0, None
                lockout.save(update_fields=["sign_in_failures", "sign_in_locked_until"])
            return True, "", False
        if good:
            return False, "account not in use", False
        lockout.sign_in_failures += 1
        alarm = lockout.sign_in_failures >= settings.SIGN_IN_FAILURES_EVERYWHERE
        if alarm:
            lockout.sign_in_locked_until = now() + timedelta(seconds=settings.LOCKOUT_SECONDS)
            lockout.sign_in_failures = 0
        lockout.save(update_fields=["sign_in_failures", "sign_in_locked_until"])
        return False, fault or ("wrong password" if user.usable else "account not in use"), alarm


def unlock(user: User) -> None:
    """End every lock of sign-in and signing on this account (inside the act that does so)."""
    Lockout.objects.filter(user=user).delete()
    throttle.forget_all(pair_key(user.username, ""))
    throttle.forget(second_key(user))


def second_key(user: User) -> str:
    """Under which failures of the second factor are counted."""
    return key_of("second", str(user.uuid))


def enter_failure(user: User | None, username: str, address: str, cause: str) -> None:
    """One entry, as long as few came from this address; afterwards they are only counted."""
    enter_folded()
    window = int(time.time()) // settings.LOCKOUT_SECONDS
    seen = hit(f"{REFUSALS}{window}:{network(address)}", settings.LOCKOUT_SECONDS)
    if seen.count > settings.ADDRESS_ENTRIES:
        return
    if seen.count == settings.ADDRESS_ENTRIES:
        cause += "; further refusals from this address are counted and entered as one"
    with transaction.atomic():
        record(
            kind="refusal",
            act="access.sign_in",
            actor=Who.of(user) if user else Who(),
            subject=Subject.of(user) if user else None,
            scope=SCOPE,
            # An unknown username may be a mistyped password: only its length is kept.
            body={
                "cause": cause,
                "address": address,
                "username": user.username if user else f"{len(username)} characters",
            },
            via="web",
        )


def enter_folded() -> None:
    """Enter what was only counted in windows that have ended: one entry an address, by whoever removes its row."""
    throttle.sweep()
    over = Throttle.objects.filter(key__startswith=REFUSALS, ends_at__lte=int(time.time()))
    for row in over.order_by("pk")[:100]:
        with transaction.atomic():
            removed, _ = Throttle.objects.filter(pk=row.pk, ends_at=row.ends_at).delete()
            folded = row.count - settings.ADDRESS_ENTRIES
            if removed and folded > 0:
                address = row.key.removeprefix(REFUSALS).partition(":")[2]
                record(
                    kind="refusal",
                    act="access.sign_in",
                    scope=SCOPE,
                    body={
                        "cause": f"{folded} more refused attempts, not entered one by one",
                        "folded": folded,
                        "address": address,
                    },
                    via="web",
                )
