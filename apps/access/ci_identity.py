"""Who a CI job is: a JSON Web Token of its system, judged against the trusts of one service account.

Nothing of the token is believed before its signature was checked with a key of an issuer that two people trusted for
this service. What is wrong is told in the refusal only where the token's own words say it; the rest goes to the trail.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from apps.access import issuers
from apps.accounts.services import CiTrust
from apps.core.errors import Refused

ALGORITHMS = ("RS256", "ES256", "EdDSA")
LEEWAY = 60  # seconds that clocks may differ
MOST = 16 * 1024  # characters of a token
LONGEST = 86_400  # seconds a token may be good for: so long its identifier is remembered
RSA_BITS = 2048
REQUIRED = ["iss", "aud", "exp", "iat", "jti"]

# Of these claims a trust must name one, so that it trusts one project and not everybody on a public CI system, and one
# that says which of its jobs: whoever may open a pull request runs jobs too.
PROJECT = frozenset({"sub", "repository", "repository_id", "project_path", "project_id"})
JOB = frozenset(
    {"sub", "ref", "environment", "workflow_ref", "job_workflow_ref", "ref_protected", "ci_config_ref_uri"}
)


class Untrusted(Refused):
    """The identity was not accepted."""

    status = 401

    def __init__(self, fact: str, *, cause: str = "") -> None:
        super().__init__(
            "This identity was not exchanged for a token.",
            fact=fact,
            rule="ci-identity",
            who=["a job whose identity the service account trusts; its owner asks for a trust"],
            cause=cause,
        )


@dataclass(frozen=True)
class Identity:
    """What was proved: under which trust, and the claims. seconds_left: until the token's own end."""

    trust: CiTrust
    claims: Mapping[str, Any]
    seconds_left: int

    @property
    def replay_key(self) -> tuple[str, str]:
        return self.trust.issuer, str(self.claims["jti"])


def claims_problem(claims: Mapping[str, str]) -> str:
    """Why a trust may not ask for just these claims; empty when it may."""
    if not claims or len(claims) > 12:
        return "Name 1 to 12 claims."
    for name, value in claims.items():
        plain = isinstance(name, str) and isinstance(value, str) and name.isascii() and name.isprintable()
        if not plain or not 0 < len(name) <= 60 or not 0 < len(value) <= 300 or not value.isprintable():
            return "A claim has a name of at most 60 characters and a value of 1 to 300."
        if name in ("iss", "aud", "exp", "nbf", "iat", "jti"):
            return f"{name} is always checked: leave it out."
        if "*" in value or "?" in value:
            return f"{name}: a claim is compared exactly, wildcards mean nothing here."
    if not PROJECT & set(claims):
        return f"Name the project, by one of: {', '.join(sorted(PROJECT))}. Without it everybody there is trusted."
    if not JOB & set(claims):
        return (
            f"Name the job, by one of: {', '.join(sorted(JOB))}. Without it every branch and pull request is."
        )
    return ""


def identify(text: str, trusts: Collection[CiTrust]) -> Identity:
    """The trust whose issuer, audience and claims the token proves; Untrusted otherwise."""
    if len(text) > MOST:
        raise Untrusted(f"The token is longer than {MOST:,} characters.")
    header = _header(text)
    issuer = _issuer(text)
    theirs = [trust for trust in trusts if trust.issuer == issuer]
    if not theirs:
        raise Untrusted(
            "Its issuer is not trusted for this service account.", cause=f"issuer {issuer[:200]!r}"
        )
    try:
        key = issuers.key_of(issuer, header["kid"])
    except issuers.Unreachable as error:
        raise Untrusted(str(error), cause=f"issuer {issuer}") from error
    _refuse_key(key, header["alg"])
    claims = _checked(text, key, header["alg"], issuer, sorted({trust.audience for trust in theirs}))
    return _matched(claims, theirs)


def _header(text: str) -> dict[str, Any]:
    try:
        header = jwt.get_unverified_header(text)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Untrusted("It is no JSON Web Token.") from error
    if header.get("alg") not in ALGORITHMS:
        raise Untrusted(
            f"Its algorithm is none of {', '.join(ALGORITHMS)}.", cause=f"alg {str(header.get('alg'))[:40]!r}"
        )
    kid = header.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= 200:
        raise Untrusted("It names no key.")
    return header


def _issuer(text: str) -> str:
    """What the token says of itself, to find the trust; believed only after the signature."""
    try:
        issuer = jwt.decode(text, options={"verify_signature": False}).get("iss")
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise Untrusted("It is no JSON Web Token.") from error
    if not isinstance(issuer, str):
        raise Untrusted("It names no issuer.")
    return issuer


def _refuse_key(key: jwt.PyJWK, algorithm: str) -> None:
    """The key is of the algorithm's own kind: a public key never serves as a shared secret."""
    public = key.key
    good = {
        "RS256": isinstance(public, RSAPublicKey) and public.key_size >= RSA_BITS,
        "ES256": isinstance(public, EllipticCurvePublicKey) and isinstance(public.curve, SECP256R1),
        "EdDSA": isinstance(public, Ed25519PublicKey),
    }[algorithm]
    if not good:
        raise Untrusted("The issuer's key does not fit the token's algorithm.")


def _checked(text: str, key: jwt.PyJWK, algorithm: str, issuer: str, audiences: list[str]) -> dict[str, Any]:
    told = {
        jwt.ExpiredSignatureError: "It has expired.",
        jwt.ImmatureSignatureError: "It is not valid yet.",
        jwt.InvalidAudienceError: "It was made for another audience.",
        jwt.InvalidIssuerError: "Its issuer is another.",
        jwt.MissingRequiredClaimError: f"It lacks one of the claims {', '.join(REQUIRED)}.",
        jwt.InvalidSignatureError: "Its signature does not verify.",
    }
    try:
        claims: dict[str, Any] = jwt.decode(
            text,
            key=key.key,
            algorithms=[algorithm],
            audience=audiences,
            issuer=issuer,
            leeway=LEEWAY,
            options={"require": REQUIRED},
        )
    except (jwt.PyJWTError, ValueError, OverflowError, RecursionError) as error:
        fact = next(
            (words for kind, words in told.items() if isinstance(error, kind)), "Its claims cannot be read."
        )
        raise Untrusted(fact, cause=type(error).__name__) from error
    if not isinstance(claims["jti"], str) or not 0 < len(claims["jti"]) <= 300:
        raise Untrusted("Its identifier (jti) cannot be used.")
    if int(claims["exp"]) - int(claims["iat"]) > LONGEST:
        raise Untrusted("It is good for more than a day.")
    return claims


def _matched(claims: dict[str, Any], trusts: Collection[CiTrust]) -> Identity:
    aud = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    near: list[str] = []
    for trust in trusts:
        if trust.audience not in aud:
            continue
        differing = [name for name, wanted in trust.claims.items() if _said(claims.get(name)) != wanted]
        if not differing:
            left = max(1, int(claims["exp"]) - int(claims["iat"]))
            return Identity(trust, claims, left)
        near.append(
            f"{trust.ref}: " + ", ".join(f"{n} is {str(claims.get(n))[:120]!r}" for n in sorted(differing))
        )
        fact = ", ".join(f"its {name} is {str(claims.get(name))[:120]!r}" for name in sorted(differing))
    if not near:
        raise Untrusted("It was made for another audience.")
    raise Untrusted(f"The trust wants other claims: {fact}.", cause="; ".join(near))


def _said(value: Any) -> str | None:
    """A claim as text, compared exactly. Lists and objects equal nothing."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int)) else None
