"""The signing ceremony and the standing of signatures (21 CFR 11.50, 11.70, 11.200; Annex 11 draft 13).

A signature binds the digest of the record's canonical content, shown before signing and compared in the
transaction. Every signing asks the password again; a wrong one is counted apart from sign-in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from fido2.utils import websafe_encode

from apps.access import factors
from apps.access.policy import Policy, meaning_sentence
from apps.access.second import report, tell, told
from apps.access.sharing import gathered, grouped, once
from apps.access.throttle import hit, key_of
from apps.accounts import passwords
from apps.accounts.models import Lockout, User
from apps.core import registries
from apps.core.clock import iso, now
from apps.core.digests import digest
from apps.core.errors import BadInput, Conflict, NotAllowed, TooMany
from apps.core.subjects import Subject
from apps.trail.models import Signature


@dataclass(frozen=True)
class SignatureInput:
    """What a person enters to sign: the digest they were shown, their decision, password and second factor.

    `code`: a one-time code. `passkey`: an assertion (JSON) over the challenge of the showing that `nonce` names.
    """

    digest: str
    password: str
    decision: str = "approved"  # approved | rejected
    code: str = ""
    passkey: str = ""
    nonce: str = ""


DECISIONS = ("approved", "rejected")


@dataclass(frozen=True)
class Components:
    """What a signature rests on. `repeated`: a second factor that was right and used before."""

    factors: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    repeated: bool = False


PASSWORD_RULE = "21 CFR 11.200(a)(1)"  # the rule of a refusal that a wrong password brings
SECOND_RULE = factors.RULE
GIVEN = "signatures"  # under this name they are shared


class SigningLocked(NotAllowed):
    status = 423


def content_of(subject: Subject) -> dict[str, Any]:
    """The one canonical content of a record: what is shown, digested, signed, exported and printed."""
    kind = subject.subject_kind
    return once(("content", kind, subject.pk), lambda: registries.content[kind](subject))


def content_digest(subject: Subject) -> str:
    return digest(content_of(subject))


def check_components(user: User, given: SignatureInput, row: Policy) -> Components:
    """The password, again, and the second factor of who has one or needs one.

    Runs before the act's transaction, so a failure is counted even though nothing else is.
    """
    attempts = hit(key_of("signing", str(user.uuid)), 60)
    if attempts.count > settings.SIGNING_ATTEMPTS:
        raise TooMany(
            "Nothing was signed: too many attempts in a short time.",
            fact=f"At most {settings.SIGNING_ATTEMPTS} a minute. Try again in {attempts.left} seconds.",
            who=[f"you, in {attempts.left} seconds"],
            retry_after=attempts.left,
        )
    with transaction.atomic():
        lockout, _ = Lockout.objects.get_or_create(user=user)
        lockout = Lockout.objects.select_for_update().get(pk=lockout.pk)
        if lockout.signing_locked_until and lockout.signing_locked_until > now():
            raise SigningLocked(
                "Signing is locked for this account.",
                fact=(
                    f"Password or second factor was wrong {settings.SIGNING_FAILURES} times; "
                    f"locked until {lockout.signing_locked_until:%Y-%m-%d %H:%M} UTC."
                ),
                rule="21 CFR 11.300(d)",
                who=["you, when the lock has ended", "an administrator, who can end it before"],
            )
        good, fault = passwords.matches(User.objects.get(pk=user.pk), given.password)
        second = _second(user, given, row) if good else None
        if good and (second is None or second.good or second.repeated):
            if lockout.signing_failures:
                lockout.signing_failures, lockout.signing_locked_until = 0, None
                lockout.save(update_fields=["signing_failures", "signing_locked_until"])
            if second is None:
                return Components(("password",))
            return Components(("password", second.kind), second.facts, second.repeated)
        lockout.signing_failures += 1
        if lockout.signing_failures >= settings.SIGNING_FAILURES:
            lockout.signing_locked_until = now() + timedelta(seconds=settings.LOCKOUT_SECONDS)
            lockout.signing_failures = 0
        lockout.save(update_fields=["signing_failures", "signing_locked_until"])
        failures, locked = lockout.signing_failures, lockout.signing_locked_until
    left = settings.SIGNING_FAILURES - failures
    fact = "The password is not right. Nothing was signed."
    if second is not None:
        tell(user, second)
        fact = f"{told(second)} Nothing was signed."
    if locked and locked > now():
        fact += f" Signing is now locked until {locked:%Y-%m-%d %H:%M} UTC."
        report(user, f"{settings.SIGNING_FAILURES} failed attempts to sign")
    else:
        fact += f" {left} more {'try' if left == 1 else 'tries'} before signing is locked."
    raise NotAllowed(
        "Your signature was not accepted.",
        fact=fact,
        rule=PASSWORD_RULE if second is None else SECOND_RULE,
        who=["you, with your password" if second is None else "you, with your second factor"],
        cause=second.cause if second is not None else fault or "wrong password",
    )


def _second(user: User, given: SignatureInput, row: Policy) -> factors.Seen | None:
    """Judge the second factor; None where none is asked for. A missing one is said before anything is counted."""
    held = {factor.kind for factor in factors.live(user)}
    if not held:
        if factors.required() or factors.copied(user):
            raise factors.none_to_sign_with()
        return None
    if given.passkey:
        if not factors.nonce_holds(user, given.nonce):
            raise NotAllowed(
                "Your signature was not accepted.",
                fact="The page was open for too long for the passkey. Nothing was signed.",
                rule=SECOND_RULE,
                who=["you, after reading the record again"],
            )
        first = hit(key_of("signing-nonce", given.nonce), settings.SESSION_IDLE_SECONDS + 120).count == 1
        challenge = factors.signing_challenge(
            user=user,
            act=row.act,
            digest=given.digest,
            meaning=meaning_sentence(row.meaning, given.decision),
            nonce=given.nonce,
        )
        seen = factors.by_passkey(user, given.passkey, websafe_encode(challenge))
        if not first:  # the same assertion sent again has the same counter
            return replace(seen, good=False, repeated=seen.good or seen.copied is not None, copied=None)
        return replace(seen, facts={**seen.facts, "nonce": given.nonce})
    if given.code:
        return factors.by_code(user, given.code)
    kinds = {"totp": "the code of your authenticator app", "passkey": "your passkey"}
    wanted = " or ".join(words for kind, words in kinds.items() if kind in held)
    raise BadInput(
        "A second factor is needed.",
        fact=f"Sign with your password and {wanted}.",
        rule=SECOND_RULE,
        fields={"code": [f"Sign with your password and {wanted}."]},
    )


def used_before() -> NotAllowed:
    """A right second factor that was used up, and not by this same request."""
    return NotAllowed(
        "Your signature was not accepted.",
        fact="This code, or this answer of your passkey, was used already. Nothing was signed.",
        rule=SECOND_RULE,
        who=["you, with the next code or by asking your passkey again"],
        cause="second factor used before",
    )


def refuse_if_changed(subject: Subject, given: SignatureInput) -> str:
    """The digest of the record now; a Conflict when it is not the one that was shown."""
    today = content_digest(subject)
    if today != given.digest:
        raise Conflict(
            "Nothing was signed: the record changed since it was shown to you.",
            fact=f"You were shown {given.digest[:19]}…, the record is now {today[:19]}….",
            rule="21 CFR 11.70",
            who=["you, after reading it again"],
        )
    return today


@dataclass(frozen=True)
class Standing:
    """A signature and whether it still matches the record it was given for."""

    signature: Signature
    valid: bool

    @property
    def word(self) -> str:
        return "valid" if self.valid else "out of date"


def given_on(records: Sequence[tuple[str, str]]) -> list[list[Signature]]:
    """The signatures on each of these records (kind, id), oldest first, in one query."""

    def load(wanted: list[tuple[str, str]]) -> dict[tuple[str, str], list[Signature]]:
        condition = Q(pk__in=[])
        for kind, ids in grouped(wanted, lambda record: record[0]).items():
            condition |= Q(subject_kind=kind, subject_id__in=[pk for _, pk in ids])
        rows = Signature.objects.filter(condition).order_by("id")
        return grouped(rows, lambda row: (row.subject_kind, row.subject_id))

    found = gathered(GIVEN, records, load)
    return [found[record] or [] for record in records]


def standings(subject: Subject, signatures: Iterable[Signature] | None = None) -> list[Standing]:
    """All signatures on `subject`, oldest first, each compared with the content of today."""
    if signatures is None:
        signatures = given_on([(subject.subject_kind, str(subject.pk))])[0]
    signatures = list(signatures)
    if not signatures:
        return []
    today = content_digest(subject)
    return [Standing(each, each.content_digest == today) for each in signatures]


def has_valid(subject: Subject, meaning: str, *, act: str = "", decision: str = "approved") -> bool:
    return any(
        s.valid and s.signature.meaning == meaning and s.signature.decision == decision
        for s in standings(subject)
    )


def as_printed(signature: Signature) -> dict[str, Any]:
    """The manifestation as data: name, time, meaning and all that page, PDF, CSV and JSON show (11.50)."""
    return {
        "printed_name": signature.printed_name,
        "username": signature.username,
        "duties": signature.duties,
        "meaning": signature.meaning,
        "meaning_text": signature.meaning_text,
        "decision": signature.decision,
        "reason": signature.reason,
        "record": signature.subject_ref,
        "record_version": signature.record_version,
        "content_digest": signature.content_digest,
        "statement_digest": signature.statement_digest,
        "factors": signature.factors,
        "signed_at": iso(signature.signed_at),
    }
