"""Single sign-on by OpenID Connect: authorization code with PKCE; what the provider says is checked before it counts.

OpenID Connect Core 1.0 (3.1.3.7), RFC 7636 (S256), RFC 9207 (iss in the answer). Only signatures with a public key
of the provider count: never "none", never a shared secret. No account is made, and none is found by its e-mail.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt
from django.conf import settings

from apps.access import issuers
from apps.core.errors import NotAllowed

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY = 30  # seconds by which the provider's clock may differ
LASTS = 600  # seconds between leaving for the provider and coming back


@dataclass(frozen=True)
class Provider:
    key: str
    name: str
    issuer: str
    client_id: str
    client_secret: str = ""
    second_factor_amr: tuple[str, ...] = ()
    second_factor_acr: tuple[str, ...] = ()


@dataclass(frozen=True)
class Said:
    """What a checked token says of a person."""

    issuer: str
    subject: str
    auth_time: int | None
    acr: str
    amr: tuple[str, ...]
    strong: bool  # the provider asked for a second factor, by the values that the settings accept

    def facts(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "subject": self.subject,
            "auth_time": self.auth_time,
            "acr": self.acr,
            "amr": list(self.amr),
        }


def providers() -> list[Provider]:
    return [
        Provider(
            one["key"],
            one["name"],
            one["issuer"],
            one["client_id"],
            one.get("client_secret", ""),
            tuple(one.get("second_factor_amr", ())),
            tuple(one.get("second_factor_acr", ())),
        )
        for one in settings.OIDC_PROVIDERS
    ]


def provider(key: str) -> Provider | None:
    return next((one for one in providers() if one.key == key), None)


def named(issuer: str) -> str:
    """The provider's name for people; its address when it is not set up any more."""
    return next((one.name for one in providers() if one.issuer == issuer), issuer)


def refused(fact: str, *, cause: str = "") -> NotAllowed:
    return NotAllowed(
        "You are not signed in.",
        fact=fact,
        rule="single-sign-on",
        who=["you, by trying again or with your password"],
        status=401,
        cause=cause,
    )


# ---------------------------------------------------------------- speaking to the provider


FACTS = {  # kind of what `issuers` met -> how it is told to who signs in
    "address": "The identity provider names an address that may not be asked: one without encryption, or none at all.",
    "connection": "The identity provider cannot be reached.",
    "status": "The identity provider refused the answer: it may have been used already, or have run out.",
    "answer": "The identity provider's answer cannot be read.",
    "name": "The identity provider calls itself by another name.",
    "key": "The token is not signed by a key of the identity provider.",
}


@contextmanager
def _asking() -> Iterator[None]:
    """What `issuers` cannot have of the provider is a sign-in that is refused."""
    try:
        yield
    except issuers.Unreachable as failure:
        raise refused(FACTS[failure.kind], cause=f"{failure} {failure.detail}"[:500]) from failure


def forget() -> None:
    """Drop what is remembered of providers."""
    issuers.forget()


def _described(one: Provider) -> dict[str, Any]:
    with _asking():
        return issuers.described(one.issuer, own=True)


# ---------------------------------------------------------------- there and back


def _random() -> str:
    return secrets.token_urlsafe(32)


def leave(one: Provider, back: str, *, afresh: str = "") -> tuple[str, dict[str, Any]]:
    """(where to send the browser, what to keep in its session). `back`: the address of the answer.

    `afresh`: the person must authenticate again, for what this nonce names (OpenID Connect Core 3.1.2.1: prompt,
    max_age). What the provider then says of it is judged by who asked: parameters can be lost on the way.
    """
    kept: dict[str, Any] = {
        "key": one.key,
        "state": _random(),
        "nonce": afresh or _random(),
        "verifier": _random() + _random(),
        "back": back,
        "at": int(time.time()),
    }
    challenge = base64.urlsafe_b64encode(hashlib.sha256(kept["verifier"].encode()).digest()).rstrip(b"=")
    asked = {
        "response_type": "code",
        "client_id": one.client_id,
        "redirect_uri": back,
        "scope": "openid",
        "state": kept["state"],
        "nonce": kept["nonce"],
        "code_challenge": challenge.decode(),
        "code_challenge_method": "S256",
    }
    if afresh:
        asked |= {"prompt": "login", "max_age": "0"}
    with _asking():
        target = issuers.asked_at(_described(one).get("authorization_endpoint"), own=True)
    return f"{target}{'&' if urlsplit(target).query else '?'}{urlencode(asked)}", kept


def returned(one: Provider, kept: Mapping[str, Any] | None, answer: Mapping[str, str]) -> Said:
    """What the provider says of who came back; a refusal for anything that does not fit."""
    state = str(kept.get("state", "")) if kept else ""
    if not kept or not hmac.compare_digest(state.encode(), answer.get("state", "").encode()):
        raise refused(
            "This answer does not belong to a sign-in that was begun in this browser, or it was used already.",
            cause="wrong state",
        )
    if kept["key"] != one.key or int(time.time()) - int(kept["at"]) > LASTS:
        raise refused("This sign-in took too long. Begin anew.", cause="state of another provider or too old")
    if answer.get("iss") not in (None, one.issuer):
        raise refused("The answer names another identity provider.", cause=f"iss {answer.get('iss')!r}"[:200])
    if answer.get("error"):
        raise refused("The identity provider did not sign you in.", cause=answer["error"][:200])
    if not answer.get("code"):
        raise refused("The identity provider's answer has no code.", cause="no code")
    return check(one, _token(one, kept, answer["code"]), nonce=str(kept["nonce"]))


def _token(one: Provider, kept: Mapping[str, Any], code: str) -> str:
    given = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": kept["back"],
        "client_id": one.client_id,
        "code_verifier": kept["verifier"],
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if one.client_secret:  # RFC 6749, 2.3.1: both parts are form-encoded first
        pair = f"{quote(one.client_id, safe='')}:{quote(one.client_secret, safe='')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    with _asking():
        endpoint = _described(one).get("token_endpoint")
        answer = issuers.fetch(endpoint, own=True, data=urlencode(given).encode(), headers=headers)
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise refused("The identity provider's answer has no identity token.", cause="no id_token")
    return token


def _key(one: Provider, head: Mapping[str, Any]) -> Any:
    """The provider's key that the token names."""
    with _asking():
        return issuers.key_of(one.issuer, head.get("kid"), own=True, algorithm=head["alg"]).key


def check(one: Provider, token: str, *, nonce: str) -> Said:
    """The claims of an identity token that holds (OpenID Connect Core, 3.1.3.7)."""
    try:
        head = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise refused("The identity token cannot be read.", cause=str(error)[:200]) from error
    if head.get("alg") not in ALGORITHMS:
        raise refused(
            "The identity token is not signed in a way that counts.", cause=f"alg {head.get('alg')!r}"
        )
    try:
        claims = jwt.decode(
            token,
            _key(one, head),
            algorithms=[head["alg"]],
            audience=one.client_id,
            issuer=one.issuer,
            leeway=LEEWAY,
            options={"require": ["iss", "sub", "aud", "exp", "iat"]},
        )
    except jwt.ExpiredSignatureError as error:
        raise refused("The identity token has run out.", cause=str(error)) from error
    except jwt.InvalidAudienceError as error:
        raise refused("The identity token was made for another application.", cause=str(error)) from error
    except jwt.InvalidIssuerError as error:
        raise refused("The identity token comes from another provider.", cause=str(error)) from error
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise refused(
            "The identity token does not hold.", cause=f"{type(error).__name__}: {error}"[:200]
        ) from error
    audience = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    party = claims.get("azp")
    if (party is not None and party != one.client_id) or (len(audience) > 1 and party is None):
        raise refused("The identity token was made for another application.", cause=f"azp {party!r}"[:200])
    if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()):
        raise refused("The identity token belongs to another sign-in.", cause="wrong nonce")
    subject = claims["sub"]
    if not isinstance(subject, str) or not subject or len(subject) > 255:
        raise refused("The identity token names nobody.", cause="sub")
    amr = claims.get("amr")
    values = tuple(str(each) for each in amr) if isinstance(amr, list) else ()
    acr = claims.get("acr") if isinstance(claims.get("acr"), str) else ""
    auth_time = claims.get("auth_time")
    strong = bool(set(values) & set(one.second_factor_amr)) or (bool(acr) and acr in one.second_factor_acr)
    return Said(
        one.issuer,
        subject,
        auth_time if isinstance(auth_time, int) and not isinstance(auth_time, bool) else None,
        str(acr),
        values,
        strong,
    )
