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

from apps.access import factors, schemas
from apps.access.ceremony import Fresh, Listed, Together, challenge_of, fault_of
from apps.access.policy import Policy
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
    `fresh`: an authentication at the identity provider over that challenge, in the place of the password.
    `together`: the ceremony whose components were shown for this record among others.
    """

    digest: str
    password: str
    decision: str = "approved"  # approved | rejected
    code: str = ""
    passkey: str = ""
    nonce: str = ""
    fresh: Fresh | None = None
    together: Together | None = None


DECISIONS = ("approved", "rejected")


@dataclass(frozen=True)
class Components:
    """What a signature rests on. `repeated`: a component that was right and used before. `first`: of single sign-on."""

    factors: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    repeated: bool = False
    first: dict[str, Any] = field(default_factory=dict)


PASSWORD_RULE = "21 CFR 11.200(a)(1)"  # the rule of a refusal that a wrong password brings
SECOND_RULE = factors.RULE
CHANGED_RULE = "21 CFR 11.70"  # of the refusal to sign what is not as it was shown
FRESH_RULE = "21 CFR 11.200(a)(1): single sign-on again, for this signature alone"
GIVEN = "signatures"  # under this name they are shared


class SigningLocked(NotAllowed):
    status = 423


def content_of(subject: Subject) -> dict[str, Any]:
    """The one canonical content of a record: what is shown, digested, signed, exported and printed."""
    kind = subject.subject_kind
    if (telling := schemas.under_way()) is not None:
        return telling.content(kind, subject)
    return once(("content", kind, subject.pk), lambda: registries.content[kind](subject))


def content_digest(subject: Subject) -> str:
    return digest(content_of(subject))


def as_signed(subject: Subject, signed: str) -> dict[str, Any] | None:
    """The content that was signed, if the record still says it, under the schema of then; else None."""
    with schemas.as_today():
        return schemas.signed_as(subject.subject_kind, subject, content_of(subject), signed)


def still_signed(subject: Subject, signed: str) -> bool:
    """Whether the record still says what the digest `signed` was given for."""
    return as_signed(subject, signed) is not None


def check_components(
    user: User, given: SignatureInput, row: Policy, listed: Sequence[Listed] = ()
) -> Components:
    """The password, or a fresh authentication elsewhere, and the second factor of who has one or needs one.

    Runs before the act's transaction, so a failure is counted even though nothing else is. `listed`: the records of a
    ceremony; else it is the one record that `given` and `row` name.
    """
    if given.together is not None:
        if not given.together.place(row.act, given.digest, given.decision):
            raise LookupError(f"{row.act} is not among what this ceremony was shown for")
        shown: Components = given.together.components
        return shown
    listed = listed or (Listed(row.act, 0, given.digest, given.decision),)
    challenge = challenge_of(user, listed, given.nonce)
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
        good, fault, fact = _first(user, given, challenge)
        second = _second(user, given, challenge) if good else None
        if good and (second is None or second.good or second.repeated):
            # What was used before proves nothing new: it does not wipe out failed attempts.
            if lockout.signing_failures and (second is None or second.good):
                lockout.signing_failures, lockout.signing_locked_until = 0, None
                lockout.save(update_fields=["signing_failures", "signing_locked_until"])
            return _components(given, second)
        lockout.signing_failures += 1
        if lockout.signing_failures >= settings.SIGNING_FAILURES:
            lockout.signing_locked_until = now() + timedelta(seconds=settings.LOCKOUT_SECONDS)
            lockout.signing_failures = 0
        lockout.save(update_fields=["signing_failures", "signing_locked_until"])
        failures, locked = lockout.signing_failures, lockout.signing_locked_until
    left = settings.SIGNING_FAILURES - failures
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
        rule=SECOND_RULE if second is not None else FRESH_RULE if given.fresh else PASSWORD_RULE,
        who=[
            "you, with your second factor"
            if second is not None
            else "you, by authenticating again"
            if given.fresh
            else "you, with your password"
        ],
        cause=second.cause if second is not None else fault or "wrong password",
    )


def _first(user: User, given: SignatureInput, challenge: bytes) -> tuple[bool, str, str]:
    """(is the first component right, what is wrong with it for the trail, and for the person)."""
    account = User.objects.get(pk=user.pk)
    if given.fresh is None:
        good, fault = passwords.matches(account, given.password)
        return good, fault, "The password is not right. Nothing was signed."
    wrong = passwords.fault(account)
    told, cause = fault_of(user, given.fresh, challenge)
    if not wrong and not told and not factors.nonce_holds(user, given.nonce):
        told, cause = "The page was open for too long.", "nonce"
    return not wrong and not told, wrong or cause, f"{told or 'It was not accepted.'} Nothing was signed."


def _components(given: SignatureInput, second: factors.Seen | None) -> Components:
    kinds: tuple[str, ...] = ("password",)
    first: dict[str, Any] = {}
    facts: dict[str, Any] = {}
    repeated = False
    if given.fresh is not None:
        kinds, first = ("sso",), dict(given.fresh.facts)
        used = hit(key_of("signing-fresh", given.nonce), settings.SESSION_IDLE_SECONDS + 120)
        repeated = used.count > 1
    if second is not None:
        kinds, facts, repeated = (*kinds, second.kind), second.facts, repeated or second.repeated
    return Components(kinds, facts, repeated, first)


def _second(user: User, given: SignatureInput, challenge: bytes) -> factors.Seen | None:
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
            rule=CHANGED_RULE,
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
    with schemas.as_today():
        kind, today = subject.subject_kind, content_of(subject)
        now_digest = digest(today)
        return [
            Standing(
                each,
                each.content_digest == now_digest
                or schemas.signed_as(kind, subject, today, each.content_digest) is not None,
            )
            for each in signatures
        ]


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
