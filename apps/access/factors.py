"""Second factors: who has one, who must, and whether what was shown is right. Each code and each challenge works once.

Where `SECOND_FACTOR` is "required", whoever holds a duty that signs needs one to work, and everybody to sign. Where it
is "offered", who has one is asked for it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core import signing
from django.db import transaction
from django.db.models import Exists

from apps.access import passkeys, totp
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.access.sharing import once
from apps.accounts import sealing
from apps.accounts.corrections import Correction
from apps.accounts.factors import Factor, FactorUse, RecoveryCode, Reset
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.digests import canonical_json, sha256_hex
from apps.core.errors import NotAllowed
from apps.trail import standing

SIGNING_DUTIES = frozenset(duty for row in TABLE.values() if row.signs for duty in row.duties)
RULE = "21 CFR 11.200(a)(1): a signature has two components"
SALT = "countersign.signing-challenge"
COPIED = "the counter of "  # how the cause begins for which a passkey that may exist twice was ended


def required() -> bool:
    return bool(settings.SECOND_FACTOR == "required")


def live(user: User) -> list[Factor]:
    """The person's factors that can be used."""
    return list(Factor.objects.filter(person=user, ended_at=None).order_by("pk"))


def has_any(user: User) -> bool:
    return Factor.objects.filter(person=user, ended_at=None).exists()


def bereft(user: User) -> Factor | None:
    """The factor that went last, of who held one and holds none now; None once two people reset the factors since.

    Their password alone adds no factor: it would be enough for whoever knows it.
    """
    rows = list(Factor.objects.filter(person=user).order_by("ended_at", "pk"))
    if not rows or any(row.ended_at is None for row in rows):
        return None
    done = Reset.objects.filter(
        person=user,
        what=Reset.What.FACTORS,
        state=Reset.State.APPROVED,
        decided_at__gte=max(row.created_at for row in rows),
    )
    return None if done.exists() else rows[-1]


def copied(user: User) -> bool:
    """Whether the last factor was ended because it may exist twice: the password alone then opens nothing."""
    last = bereft(user)
    return last is not None and last.end_cause.startswith(COPIED)


def asked_of(user: User) -> bool:
    """Whether sign-in asks for more than the password."""
    return has_any(user) or copied(user)


def lacks(user: User) -> bool:
    """Whether this person cannot sign for want of a second factor. One query for everybody that a page asks about."""
    if not required():
        return False
    return user.pk not in once(("second factors",), _everybody_with_one)


def _everybody_with_one() -> frozenset[int]:
    return frozenset(Factor.objects.filter(ended_at=None).values_list("person_id", flat=True))


def owes(user: User) -> bool:
    """Whether this person must add a second factor before doing anything else."""
    if not required():
        return False
    none = ~Exists(Factor.objects.filter(person=user, ended_at=None))
    return Assignment.objects.active().filter(none, person=user, duty__in=SIGNING_DUTIES).exists()


def warning(person: User, duty: str) -> str:
    """What to tell whoever gives this duty; empty when nothing is missing."""
    if duty not in SIGNING_DUTIES or not required() or has_any(person):
        return ""
    return (
        f"{person.printed_name} has no second factor. The duty signs, so at the next sign-in they must add one before "
        "anything else."
    )


def owes_without(factor: Factor) -> bool:
    """Whether the person must keep this factor because it is the only one."""
    rest = Factor.objects.filter(person=factor.person, ended_at=None).exclude(pk=factor.pk)
    if not required() or rest.exists():
        return False
    return Assignment.objects.active().filter(person=factor.person, duty__in=SIGNING_DUTIES).exists()


def codes_left(user: User) -> int:
    return RecoveryCode.objects.filter(person=user, used_at=None, ended_at=None).count()


def unconfirmed(user: User) -> str:
    """Why the identity behind an account counts as unknown, for the refusal of a signature."""
    reset = Reset.objects.filter(person=user, state=Reset.State.APPROVED).order_by("-decided_at").first()
    code = RecoveryCode.objects.filter(person=user).exclude(used_at=None).order_by("-used_at").first()
    if (
        code is not None
        and code.used_at
        and not (reset and reset.decided_at and reset.decided_at > code.used_at)
    ):
        added = (
            Factor.objects.filter(person=user, created_at__gte=code.used_at).order_by("created_at").first()
        )
        if added is not None:
            return (
                f"You added a second factor on {added.created_at:%Y-%m-%d} after signing in with a recovery code; "
                "nobody has confirmed since who is behind your account."
            )
    renamed = Correction.objects.filter(person=user, state=Correction.State.APPROVED).exclude(printed_name="")
    newest = renamed.order_by("-decided_at").first()
    if (
        newest
        and newest.decided_at
        and not (reset and reset.decided_at and reset.decided_at > newest.decided_at)
    ):
        return (
            f"Your printed name was corrected on {newest.decided_at:%Y-%m-%d} ({newest.ref}); nobody has confirmed "
            "since who is behind your account."
        )
    if reset is None or reset.decided_at is None:
        return "Nobody has confirmed yet who is behind your account."
    what = "password was" if reset.what == Reset.What.PASSWORD else "second factors were"
    return f"Your {what} reset on {reset.decided_at:%Y-%m-%d}; nobody has confirmed since who is behind your account."


# ---------------------------------------------------------------- what was shown


@dataclass(frozen=True)
class Seen:
    """What became of a code or an assertion. `repeated`: it was right, and was used before."""

    good: bool
    kind: str = ""
    cause: str = ""
    repeated: bool = False
    copied: Factor | None = None  # a passkey whose counter went back
    facts: dict[str, Any] = field(default_factory=dict)


def secret_of(factor: Factor) -> bytes:
    return sealing.unseal(factor.sealed, belongs_to(factor.person.uuid))


def belongs_to(person: object) -> str:
    """What a TOTP secret is sealed for: `person` is the account's uuid."""
    return f"totp of {person}"


def _altered(factor: Factor) -> str:
    wrong = standing.faults(factor)
    return f"{factor.ref} is not as its last act left it (field {', '.join(wrong)})" if wrong else ""


def by_code(user: User, code: str) -> Seen:
    """Judge a one-time code. A right one is used up at once, for every process."""
    cause = "wrong one-time code"
    with transaction.atomic():
        for factor in Factor.objects.filter(person=user, kind=Factor.Kind.TOTP, ended_at=None).select_related(
            "person"
        ):
            if altered := _altered(factor):
                cause = altered
                continue
            try:
                step = totp.step_of(secret_of(factor), code, time.time())
            except sealing.Unreadable:
                cause = f"the secret of {factor.ref} cannot be read"
                continue
            if step is None:
                continue
            if not use_step(factor, step):
                return Seen(False, "totp", "a one-time code that was used before", repeated=True)
            return Seen(True, "totp", facts={"factor": factor.ref})
    return Seen(False, "totp", cause)


def use_step(factor: Factor, step: int) -> bool:
    """Use up a step; False when it, or a later one, was used. The row is locked until the transaction ends."""
    FactorUse.objects.get_or_create(factor=factor)
    use = FactorUse.objects.select_for_update().get(factor=factor)
    if step <= use.last_step:
        return False
    use.last_step, use.last_used_at = step, now()
    use.save(update_fields=["last_step", "last_used_at"])
    return True


def by_passkey(user: User, answer: str, challenge: str) -> Seen:
    """Judge an assertion over `challenge` (base64url). The counter must grow, where the passkey counts at all."""
    held = [f for f in live(user) if f.kind == Factor.Kind.PASSKEY]
    try:
        shown = passkeys.shown(held, answer, challenge)
    except passkeys.BadAnswer as bad:
        return Seen(False, "passkey", f"passkey: {bad}")
    if altered := _altered(shown.factor):
        return Seen(False, "passkey", altered)
    facts = {"factor": shown.factor.ref, "passkey": shown.proof}
    with transaction.atomic():
        FactorUse.objects.get_or_create(factor=shown.factor)
        use = FactorUse.objects.select_for_update().get(factor=shown.factor)
        if (use.sign_count or shown.sign_count) and shown.sign_count <= use.sign_count:
            cause = f"{COPIED}{shown.factor.ref} went from {use.sign_count} to {shown.sign_count}"
            return Seen(False, "passkey", cause, copied=shown.factor)
        use.sign_count, use.last_used_at = shown.sign_count, now()
        use.save(update_fields=["sign_count", "last_used_at"])
    return Seen(True, "passkey", facts=facts)


# ---------------------------------------------------------------- recovery codes


def new_code() -> str:
    """Eighty random bits as four groups: `k3fn-x2pq-7hzd-w5ta`."""
    alphabet = "abcdefghijkmnpqrstuvwxyz23456789"  # 32 signs; no l, o, 0, 1
    text = "".join(secrets.choice(alphabet) for _ in range(16))
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))


def hash_of_code(user: User, code: str) -> str:
    """How a recovery code is kept: SHA-256 of account and code; 80 random bits need no slow hash."""
    plain = "".join(sign for sign in code.casefold() if sign.isalnum())
    return sha256_hex(f"recovery code of {user.uuid}: {plain}".encode())


def found_code(user: User, code: str) -> RecoveryCode | None:
    """The unused code that this is."""
    rows = RecoveryCode.objects.filter(person=user, used_at=None, ended_at=None)
    return rows.filter(hashed=hash_of_code(user, code)).first()


# ---------------------------------------------------------------- the challenge of a signature


def new_nonce(user: User) -> str:
    """Names one showing of a record to one person; it lasts as long as an idle session."""
    return signing.TimestampSigner(salt=SALT).sign(f"{user.uuid.hex}.{secrets.token_hex(16)}")


def nonce_holds(user: User, nonce: str) -> bool:
    try:
        value = signing.TimestampSigner(salt=SALT).unsign(nonce, max_age=settings.SESSION_IDLE_SECONDS + 60)
    except signing.BadSignature:
        return False
    return value.partition(".")[0] == user.uuid.hex


def signing_challenge(*, user: User, act: str, digest: str, meaning: str, nonce: str) -> bytes:
    """What a passkey signs when its person signs a record: the digest shown, the sentence, the act, the nonce."""
    said = {
        "act": act,
        "digest": digest,
        "meaning": meaning,
        "nonce": nonce,
        "person": str(user.uuid),
        "v": 1,
    }
    return hashlib.sha256(canonical_json(said)).digest()


def none_to_sign_with() -> NotAllowed:
    return NotAllowed(
        "Nothing was signed.",
        fact="You have no second factor, and here a signature needs one besides the password.",
        rule=RULE,
        who=["you, after adding an authenticator app or a passkey under Security on your account page"],
    )
