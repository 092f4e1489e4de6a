"""A second factor shown once more, before a person changes how they are known: adds or ends a factor, makes codes.

Whoever knows the password in an open session must not be able to add a factor of their own and sign with it
(21 CFR 11.200(a)(3)). The act asks, before its transaction, so that a failure is counted though nothing is written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from django.conf import settings

from apps.access import factors, throttle
from apps.access.policy import Policy
from apps.access.second import closed, failed, told
from apps.access.sign_in import second_key
from apps.access.signing import Components
from apps.access.throttle import hit, key_of
from apps.accounts.factors import RecoveryCode
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import BadInput, NotAllowed

RULE = "second-factor"
RECOVERED = "recovery"
FIELD = "held_code"
ENDS = "access.end_factor"  # adds nothing: its own state says that there is nothing to end
WORDS = {"totp": "a code of your authenticator app", "passkey": "your passkey"}


@dataclass(frozen=True)
class Shown:
    """What a person shows of a factor they hold. `challenge` (base64url): what the passkey was asked.

    `recovered`: the session began with a recovery code, so the factor may be lost.
    """

    code: str = ""
    passkey: str = ""
    challenge: str = ""
    recovered: bool = False


class NotShown(NotAllowed):
    """The factor that was shown was not right."""


def check(user: User, given: Shown, row: Policy) -> Components:
    """What the change rests on beside the password; empty for who holds no factor and came in without a code."""
    held = {factor.kind for factor in factors.live(user)}
    if not held or not (given.code or given.passkey):
        if row.recovers and given.recovered and _recovered_lately(user):
            return Components((RECOVERED,))
        if not held:
            if row.act != ENDS and factors.bereft(user) is not None:
                raise _bereft(user, row)
            return Components()
        wanted = " or ".join(words for kind, words in WORDS.items() if kind in held)
        said = f"Show {wanted} as well: your password alone must not be enough."
        raise BadInput("Nothing was changed.", fact=said, rule=RULE, fields={FIELD: [said]})
    what = _what(row)
    key = second_key(user)
    tries = hit(key, settings.LOCKOUT_SECONDS)
    if tries.count > settings.SIGN_IN_FAILURES:
        raise closed(what, tries)
    seen = _by_passkey(user, given) if given.passkey else factors.by_code(user, given.code)
    if seen.good or seen.repeated:
        throttle.forget(key) if seen.good else throttle.take_back(key)
        return Components((seen.kind,), seen.facts, seen.repeated)
    failed(user, seen, tries)
    raise NotShown(
        what, fact=told(seen), rule=RULE, who=["you, with a second factor you hold"], cause=seen.cause
    )


def _bereft(user: User, row: Policy) -> NotAllowed:
    """Once a factor was held the password alone adds none (21 CFR 11.200(a)(3))."""
    who = ["an administrator asks for a reset of your second factors, and a compliance officer approves it"]
    if row.recovers and factors.codes_left(user):
        who.insert(0, "you, after signing in with one of your recovery codes")
    return NotAllowed(
        _what(row),
        fact="You held a second factor and have none now: your password alone must not be enough.",
        rule=RULE,
        who=who,
    )


def _by_passkey(user: User, given: Shown) -> factors.Seen:
    """Each challenge is answered once; the same answer sent again is no copy of the passkey."""
    first = hit(key_of("shown-challenge", given.challenge), settings.SESSION_ABSOLUTE_SECONDS).count == 1
    seen = factors.by_passkey(user, given.passkey, given.challenge)
    if first:
        return seen
    return replace(seen, good=False, repeated=seen.good or seen.copied is not None, copied=None)


def _recovered_lately(user: User) -> bool:
    """Whether a recovery code was used within the longest life of a session: the door's word alone is not enough."""
    since = now() - timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS)
    return RecoveryCode.objects.filter(person=user, used_at__gt=since).exists()


def _what(row: Policy) -> str:
    return f"“{row.label}” was not done."


def used_before(row: Policy) -> NotShown:
    """A right factor that was used up, and not by this same request."""
    return NotShown(
        _what(row),
        fact="This code, or this answer of your passkey, was used already. A new code comes within 30 seconds.",
        rule=RULE,
        who=["you, with the next code or by asking your passkey again"],
        cause="second factor used before",
    )
