"""Sign-in by username and password: lockout after failures, nothing told about which part was wrong."""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from apps.accounts import passwords
from apps.accounts.models import Lockout, User
from apps.core.clock import now
from apps.core.errors import NotAllowed
from apps.trail.writer import Subject, Who, record

SCOPE = "organisation:0"


def wrong_pair() -> NotAllowed:
    """The same words whether the username or the password is wrong, or the account is locked or off."""
    return NotAllowed(
        "You are not signed in.",
        fact=(
            "The username and password do not belong together, or this account is locked for a while "
            f"after {settings.SIGN_IN_FAILURES} failed attempts."
        ),
        rule="sign-in",
        who=["you, with the right password; an administrator helps with a lost one"],
        status=401,
    )


def authenticate(username: str, password: str, *, address: str = "") -> User:
    """The person these belong to. Failures are counted by account and entered in the trail (21 CFR 11.300(d))."""
    user = User.objects.filter(username__iexact=username.strip(), is_service=False).first()
    if user is None:
        make_password(password)  # takes as long as a comparison would
        _enter_failure(None, username, address, "unknown username")
        raise wrong_pair()
    with transaction.atomic():
        Lockout.objects.get_or_create(user=user)
        lockout = Lockout.objects.select_for_update().get(user=user)
        good, fault = passwords.matches(user, password)
        locked = bool(lockout.sign_in_locked_until and lockout.sign_in_locked_until > now())
        if good and user.usable and not locked:
            if lockout.sign_in_failures:
                lockout.sign_in_failures, lockout.sign_in_locked_until = 0, None
                lockout.save(update_fields=["sign_in_failures", "sign_in_locked_until"])
            return user
        wrong = fault or "wrong password"
        cause = "account not in use" if not user.usable else "account locked" if locked else wrong
        if not locked and not good:
            lockout.sign_in_failures += 1
            if lockout.sign_in_failures >= settings.SIGN_IN_FAILURES:
                lockout.sign_in_locked_until = now() + timedelta(seconds=settings.LOCKOUT_SECONDS)
                lockout.sign_in_failures = 0
                cause = f"{wrong}; locked until {lockout.sign_in_locked_until:%Y-%m-%d %H:%M} UTC"
            lockout.save(update_fields=["sign_in_failures", "sign_in_locked_until"])
        _enter_failure(user, username, address, cause)
    raise wrong_pair()


def _enter_failure(user: User | None, username: str, address: str, cause: str) -> None:
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
