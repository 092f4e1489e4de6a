"""Single sign-on by OpenID Connect: authorization code with PKCE; what the provider says is checked before it counts.

OpenID Connect Core 1.0 (3.1.3.7), RFC 7636 (S256), RFC 9207 (iss in the answer). Only signatures with a public key
of the provider count: never "none", never a shared secret. No account is made, and none is found by its e-mail.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import jwt
from django.conf import settings

from apps.core.errors import NotAllowed

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
LEEWAY = 30  # seconds by which the provider's clock may differ
LONGEST = 512 * 1024  # bytes of an answer of the provider
TIMEOUT = 10  # seconds
KEPT = 600  # seconds for which a provider's description and keys are remembered
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


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_kwargs: Any) -> None:
        return None


_open = urllib.request.build_opener(_NoRedirects).open
_known: dict[str, tuple[float, dict[str, Any]]] = {}
_lock = threading.Lock()


def _same_place(url: Any) -> str:
    """The address, when it may be called: HTTPS, or this very machine."""
    parts = urlsplit(url if isinstance(url, str) else "")
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in ("localhost", "127.0.0.1")):
        return str(url)
    raise refused(
        "The identity provider names an address without encryption.", cause=f"address {url!r}"[:200]
    )


def _fetch(url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None) -> dict[str, Any]:
    request = urllib.request.Request(_same_place(url), data=data, headers=dict(headers or {}))
    request.add_header("Accept", "application/json")
    try:
        with _open(request, timeout=TIMEOUT) as answer:
            raw = answer.read(LONGEST + 1)
    except urllib.error.HTTPError as error:
        with error:
            told = error.read(500).decode("utf-8", "replace")
        raise refused(
            "The identity provider refused the answer: it may have been used already, or have run out.",
            cause=f"{error.code} from {url}: {told}"[:500],
        ) from error
    except OSError as error:  # no connection, a timeout, a certificate that does not hold
        raise refused("The identity provider cannot be reached.", cause=f"{url}: {error}"[:500]) from error
    try:
        read = json.loads(raw) if len(raw) <= LONGEST else None
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise refused("The identity provider's answer cannot be read.", cause=f"no JSON object from {url}")
    return read


def _kept(url: str, *, fresh: bool = False) -> dict[str, Any]:
    with _lock:
        known = _known.get(url)
    if known is not None and not fresh and time.monotonic() - known[0] < KEPT:
        return known[1]
    read = _fetch(url)
    with _lock:
        _known[url] = (time.monotonic(), read)
    return read


def forget() -> None:
    """Drop what is remembered of providers."""
    with _lock:
        _known.clear()


def describe(one: Provider) -> dict[str, Any]:
    """The provider's description (OpenID Connect Discovery 1.0); it must name the issuer we know."""
    read = _kept(one.issuer.rstrip("/") + "/.well-known/openid-configuration")
    if read.get("issuer") != one.issuer:
        raise refused(
            "The identity provider calls itself by another name.", cause=f"issuer {read.get('issuer')!r}"
        )
    return read


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
    target = _same_place(describe(one).get("authorization_endpoint"))
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
    answer = _fetch(str(describe(one).get("token_endpoint")), urlencode(given).encode(), headers)
    token = answer.get("id_token")
    if not isinstance(token, str):
        raise refused("The identity provider's answer has no identity token.", cause="no id_token")
    return token


def _key(one: Provider, head: Mapping[str, Any]) -> Any:
    """The provider's key that the token names; asked for anew once, since providers change their keys."""
    address = str(describe(one).get("jwks_uri"))
    for fresh in (False, True):
        found = _kept(address, fresh=fresh).get("keys")
        for each in found if isinstance(found, list) else []:
            fits = isinstance(each, dict) and each.get("use", "sig") == "sig" and each.get("kty") != "oct"
            if fits and each.get("kid") == head.get("kid"):
                try:
                    return jwt.PyJWK(each, algorithm=head["alg"]).key
                except jwt.PyJWTError as error:
                    raise refused(
                        "The key of the identity provider cannot be used.", cause=str(error)[:200]
                    ) from error
    raise refused(
        "The token is not signed by a key of the identity provider.", cause=f"kid {head.get('kid')!r}"
    )


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
