"""The second step of sign-in: a one-time code, a passkey or a recovery code, after the password was right.

Failures are counted apart from those of the password, since whoever comes here knows it: after as many, the step is
closed for a while and the person and the watchers are told.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.conf import settings

from apps.access import factors, throttle
from apps.access.actors import Actor
from apps.access.sign_in import enter_failure, second_key
from apps.access.throttle import hit
from apps.accounts.models import User
from apps.core.errors import NotAllowed, TooMany


@dataclass(frozen=True)
class Proof:
    """What a sign-in rests on, for its entry. `recovery`: the key of the recovery code it uses up."""

    factors: tuple[str, ...]
    facts: dict[str, Any] = field(default_factory=dict)
    recovery: int | None = None


def judge(
    user: User,
    *,
    code: str = "",
    passkey: str = "",
    challenge: str = "",
    recovery: str = "",
    address: str = "",
    first: str = "password",
) -> Proof:
    """What was shown; NotAllowed with 401 when it is not right, TooMany after too many failures."""
    key = second_key(user)
    tries = hit(key, settings.LOCKOUT_SECONDS)
    if tries.count > settings.SIGN_IN_FAILURES:
        enter_failure(user, user.username, address, "too many failures of the second factor")
        raise closed("You are not signed in.", tries)
    if recovery:
        row = factors.found_code(user, recovery)
        if row is not None:
            throttle.forget(key)
            return Proof((first, "recovery"), {"recovery_code": row.ref}, row.pk)
        seen = factors.Seen(False, "recovery", "wrong recovery code")
    elif passkey:
        seen = factors.by_passkey(user, passkey, challenge)
    else:
        seen = factors.by_code(user, code)
    if seen.good:
        throttle.forget(key)
        return Proof((first, seen.kind), seen.facts)
    enter_failure(user, user.username, address, seen.cause)
    failed(user, seen, tries)
    raise NotAllowed(
        "You are not signed in.",
        fact=told(seen),
        rule="second-factor",
        who=["you, with your second factor or a recovery code"],
        status=401,
    )


def closed(what: str, tries: throttle.Count) -> TooMany:
    """The refusal of whoever failed too often. `what`: what did not happen."""
    return TooMany(
        what,
        fact=f"The second factor was wrong {settings.SIGN_IN_FAILURES} times. Try again in {tries.left} seconds.",
        rule="21 CFR 11.300(d)",
        who=[f"you, in {tries.left} seconds", "an administrator, who can end the lock before"],
        retry_after=tries.left,
    )


def failed(user: User, seen: factors.Seen, tries: throttle.Count) -> None:
    """What follows a wrong second factor: the end of a copied passkey, and after too many the lock and the alarm."""
    tell(user, seen)
    if tries.count == settings.SIGN_IN_FAILURES:
        throttle.hold(second_key(user), settings.LOCKOUT_SECONDS)
        report(user, "wrong second factors after a right password")


def told(seen: factors.Seen) -> str:
    """What was wrong, for the person."""
    if seen.copied is not None:
        return (
            "This passkey answered with an older counter than before: it may have been copied, so it was ended. "
            "Use another factor or a recovery code, and tell your administrator."
        )
    if seen.repeated:
        return "This code was used already. Wait for the next one; it comes within 30 seconds."
    return {
        "passkey": "The passkey was not accepted. Try again, or use another factor.",
        "recovery": "This is none of your unused recovery codes.",
    }.get(seen.kind, "The code is not right. It changes every 30 seconds; check the clock of your device.")


def tell(user: User, seen: factors.Seen) -> None:
    """End a passkey that may have been copied, with an alarm."""
    if seen.copied is not None:
        from apps.access.acts.factors import end_copied_passkey  # which imports this module

        end_copied_passkey(Actor.service("worker", via="web"), seen.copied.pk, cause=seen.cause)


def report(user: User, what: str) -> None:
    """An alarm about an account, at most one in each window of lockouts (21 CFR 11.300(d))."""
    if hit(throttle.key_of("reported", str(user.uuid)), settings.LOCKOUT_SECONDS).count == 1:
        from apps.access.acts.locks import report_misuse  # which imports sign_in

        report_misuse(Actor.service("worker", via="web"), user.pk, what=what)
