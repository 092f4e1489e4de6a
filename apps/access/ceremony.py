"""What stands in the place of the password (a fresh authentication elsewhere), and one ceremony for several records.

Several records: each listed with the digest that was shown of it, the same meaning, the components shown once over all
the statements together. Each is then signed by its own act, with a signature and a receipt of its own; no record that
is not listed can be signed by it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fido2.utils import websafe_encode

from apps.access import factors, oidc
from apps.access.policy import meaning_sentence, policy
from apps.accounts.factors import SignOnLink
from apps.accounts.models import User
from apps.core.digests import canonical_json

MOST = 20  # records in one ceremony
FRESH_FOR = 300  # seconds for which a fresh authentication may be used, once
AHEAD = 30  # seconds by which the provider's clock may go before ours
BEHIND = 5  # and behind it


@dataclass(frozen=True)
class Listed:
    """One record of a ceremony: the act that signs it, its key, the digest shown, the decision and its reason."""

    act: str
    pk: int
    digest: str
    decision: str = "approved"
    reason: str = ""

    @property
    def meaning(self) -> str:
        return meaning_sentence(policy(self.act).meaning, self.decision)


def challenge_of(user: User, listed: Sequence[Listed], nonce: str) -> bytes:
    """What the components of a signature are shown over: one statement, or all of a ceremony, 32 bytes."""
    if len(listed) == 1:
        one = listed[0]
        return factors.signing_challenge(
            user=user, act=one.act, digest=one.digest, meaning=one.meaning, nonce=nonce
        )
    statements = [
        {"act": one.act, "digest": one.digest, "meaning": one.meaning, "record": one.pk} for one in listed
    ]
    said = {"nonce": nonce, "person": str(user.uuid), "statements": statements, "v": 1}
    return hashlib.sha256(canonical_json(said)).digest()


def as_text(challenge: bytes) -> str:
    """A challenge as passkeys and identity providers carry it (base64url)."""
    return str(websafe_encode(challenge))


# ---------------------------------------------------------------- a fresh authentication


@dataclass(frozen=True)
class Fresh:
    """An authentication made at the identity provider for these statements alone. `fault`: why it does not count."""

    challenge: str
    at: float
    facts: Mapping[str, Any] = field(default_factory=dict)
    fault: str = ""
    cause: str = ""


def fresh_from(user: User, said: oidc.Said, *, challenge: str, left_at: float) -> Fresh:
    """Judge what the provider said of who came back. Its token's nonce, which is the challenge, was compared before."""
    moment = time.time()
    link = SignOnLink.objects.filter(
        person=user, issuer=said.issuer, subject=said.subject, state=SignOnLink.State.CONFIRMED
    ).first()
    fault = cause = ""
    if link is None:
        fault = "The identity provider names another person than the one who signs."
        cause = f"subject {said.subject!r} of {said.issuer}"[:200]
    elif said.auth_time is None:
        fault = "The identity provider does not say when you authenticated: that is no fresh authentication."
        cause = "no auth_time"
    elif said.auth_time < left_at - BEHIND:
        fault = (
            "The identity provider did not ask you again: it says you authenticated before you began to sign."
        )
        cause = f"auth_time {int(left_at - said.auth_time)} s before it was asked"
    elif said.auth_time > moment + AHEAD:
        fault = "The identity provider says you authenticated at a time that lies ahead."
        cause = f"auth_time {int(said.auth_time - moment)} s ahead"
    facts = dict(said.facts()) | ({"link": link.ref} if link else {})
    return Fresh(challenge, moment, facts, fault, cause)


def fault_of(user: User, fresh: Fresh, challenge: bytes) -> tuple[str, str]:
    """(what is wrong with a fresh authentication for this challenge, its cause); empty when nothing is."""
    if fresh.fault:
        return fresh.fault, fresh.cause
    if not secrets.compare_digest(fresh.challenge, as_text(challenge)):
        return "You authenticated to sign something else.", "challenge of another statement"
    if time.time() - fresh.at > FRESH_FOR:
        return "You authenticated too long ago. Authenticate again.", "fresh authentication too old"
    return "", ""


# ---------------------------------------------------------------- several records


@dataclass(frozen=True)
class Together:
    """A ceremony whose components were shown: made by `signing_together` alone. `components`: signing.Components."""

    listed: tuple[Listed, ...]
    components: Any
    name: str = field(default_factory=lambda: secrets.token_hex(8))

    def place(self, act: str, digest: str, decision: str) -> int:
        """The place of this statement among those listed, from 1; 0 when it is not among them."""
        for number, one in enumerate(self.listed, start=1):
            if (one.act, one.digest, one.decision) == (act, digest, decision):
                return number
        return 0
