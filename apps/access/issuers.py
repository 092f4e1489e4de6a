"""Who vouches for identities (CI systems, providers of single sign-on): their descriptions and keys, by strict rules.

OpenID Connect discovery and JWKS, asked for here and nowhere else, in one cache. HTTPS only, no redirects, no proxies,
few seconds, few bytes. The name is resolved once, each address is judged, and the connection goes to the address that
was judged: a name that answers differently a moment later changes nothing.

An issuer is either named by people in the portal (a CI system that a service account trusts), and then has a public
address unless the settings name it; or it is `own`: set up by whoever runs the portal (`OIDC_PROVIDERS`), and then may
stand in the private network, or without TLS on this very machine.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.conf import settings

SECONDS = 5.0  # of one fetch
MOST_BYTES = 256 * 1024
MOST_KEYS = 50
KEPT_FOR = 600.0  # seconds until description and keys are asked for again
AGAIN_AFTER = 60.0  # an unknown key identifier that anybody may write makes the portal ask at most this often
FAILED_FOR = 15.0
DISCOVERY = "/.well-known/openid-configuration"
THIS_MACHINE = frozenset({"localhost", "127.0.0.1"})


class Unreachable(Exception):
    """The issuer's keys cannot be had; the message says why, in a sentence without what the issuer sent.

    kind: "address" (may not be asked), "connection", "status" (not 200), "answer" (too large, no JSON object), "name"
    (calls itself otherwise) or "key" (has none that fits). detail: what was asked and sent, for the trail alone.
    """

    def __init__(self, said: str, kind: str, detail: str = "") -> None:
        super().__init__(said)
        self.kind, self.detail = kind, detail[:500]


@dataclass
class _Known:
    described_at: float = float("-inf")
    fetched_at: float = float("-inf")
    failed_at: float = float("-inf")
    failure: tuple[str, str, str] | None = None
    description: dict[str, Any] = field(default_factory=dict)
    keys: dict[str | None, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


# By (issuer, own): what the rules keep from one kind of issuer says nothing of the other.
_known: dict[tuple[str, bool], _Known] = {}
_known_lock = threading.Lock()


def forget() -> None:
    """Ask every issuer anew."""
    with _known_lock:
        _known.clear()


def _of(issuer: str, own: bool) -> _Known:
    with _known_lock:
        return _known.setdefault((issuer, own), _Known())


def described(issuer: str, *, own: bool = False) -> dict[str, Any]:
    """The issuer's description (OpenID Connect Discovery 1.0), which names the issuer itself; or Unreachable."""
    known = _of(issuer, own)
    with known.lock:
        if time.monotonic() - known.described_at > KEPT_FOR:
            with _remembered(known):
                _describe(issuer, known, own)
        return known.description


def key_of(issuer: str, kid: str | None, *, own: bool = False, algorithm: str = "") -> jwt.PyJWK:
    """The public key `kid` of `issuer`, for `algorithm` (of the key itself where empty); or Unreachable.

    Only for issuers that somebody trusts. The token of an `own` issuer came from itself, over a connection of the
    portal's: an identifier that is not known is a key that it changed a moment ago, and it is asked at once.
    """
    known = _of(issuer, own)
    with known.lock:
        age = time.monotonic() - known.fetched_at
        if age > KEPT_FOR or (kid not in known.keys and (own or age > AGAIN_AFTER)):
            with _remembered(known):
                _fetch_keys(issuer, known, own)
        found = known.keys.get(kid)
    if found is None:
        raise Unreachable("The issuer has no key with this identifier.", "key", f"kid {kid!r}")
    try:
        return jwt.PyJWK(found, algorithm=algorithm or None)
    except jwt.PyJWTError as error:
        raise Unreachable("The issuer's key cannot be read.", "key", str(error)) from error


@contextmanager
def _remembered(known: _Known) -> Iterator[None]:
    """A failure is told again for a while, not met again: an issuer that is away holds up one request, not all."""
    moment = time.monotonic()
    if known.failure is not None and moment - known.failed_at < FAILED_FOR:
        raise Unreachable(*known.failure)
    try:
        yield
    except Unreachable as failure:
        known.failed_at, known.failure = moment, (str(failure), failure.kind, failure.detail)
        raise


def _describe(issuer: str, known: _Known, own: bool) -> None:
    told = fetch(issuer.rstrip("/") + DISCOVERY, own=own)
    if told.get("issuer") != issuer:
        raise Unreachable(
            "The issuer's discovery document names another issuer.", "name", f"issuer {told.get('issuer')!r}"
        )
    known.description, known.described_at = told, time.monotonic()


def _fetch_keys(issuer: str, known: _Known, own: bool) -> None:
    _describe(issuer, known, own)
    rows = fetch(known.description.get("jwks_uri"), own=own).get("keys")
    if not isinstance(rows, list) or len(rows) > MOST_KEYS:
        raise Unreachable("The issuer's key set cannot be read.", "answer")
    known.keys = {row.get("kid"): row for row in reversed(rows) if _signs(row)}
    known.fetched_at = time.monotonic()


def _signs(row: Any) -> bool:
    """Whether this is a key for signatures, with an identifier or none; a secret shared with the issuer never is."""
    return (
        isinstance(row, dict)
        and isinstance(row.get("kid", ""), str)
        and row.get("use", "sig") == "sig"
        and row.get("kty") != "oct"
    )


def url_problem(url: str) -> str:
    """Why this address cannot be an issuer's that people name; empty when it can."""
    return _problem(url, own=False, endpoint=False)


def _problem(url: Any, *, own: bool, endpoint: bool) -> str:
    """Why this address may not be asked. endpoint: an issuer named it, and it may have a question mark."""
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        port = parts.port
    except ValueError:
        return "This is no address."
    if not parts.hostname or port == 0 or not url.isascii() or not url.isprintable() or " " in url:
        return "This is no address."
    if (
        parts.username
        or parts.password
        or "@" in parts.netloc
        or (parts.query and not endpoint)
        or parts.fragment
        or "\\" in url
    ):
        return "An issuer's address has no user name, no question mark and no number sign."
    plain = parts.netloc in settings.CI_PLAIN_ISSUERS or (own and parts.hostname in THIS_MACHINE)
    if parts.scheme != "https" and not (parts.scheme == "http" and plain):
        return "An issuer's address begins with https://."
    return ""


def asked_at(url: Any, *, own: bool = False) -> str:
    """The address an issuer named in its description, when it may be asked; Unreachable when not."""
    if problem := _problem(url, own=own, endpoint=True):
        raise Unreachable(problem, "address", f"address {url!r}")
    return str(url)


def _addresses(host: str, port: int, *, private: bool) -> list[str]:
    """Addresses of the host; every one of them must be public unless `private` allows the others."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable("The issuer's name cannot be resolved.", "connection", host) from None
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        parsed = ipaddress.ip_address(address)
        inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None) or parsed
        if not private and not (parsed.is_global and inner.is_global and not parsed.is_multicast):
            raise Unreachable("The issuer's name leads to a private address.", "address", host)
    if not addresses:
        raise Unreachable("The issuer's name cannot be resolved.", "connection", host)
    return addresses


class _Pinned(http.client.HTTPConnection):
    """A connection to the first of these addresses that answers, each of them judged; TLS asks for the name."""

    def __init__(self, host: str, port: int, addresses: Sequence[str], tls: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self.addresses, self.tls = addresses, tls

    def connect(self) -> None:
        *others, last = self.addresses
        for address in others:
            with suppress(OSError):
                self.sock = socket.create_connection((address, self.port), SECONDS)
                break
        else:
            self.sock = socket.create_connection((last, self.port), SECONDS)
        if self.tls is not None:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.host)


def _read(answer: http.client.HTTPResponse, url: Any, deadline: float) -> bytes:
    """The whole body of an answer; Unreachable where it is not 200, too large, too slow or cut short."""
    if answer.status != 200:
        told = answer.read1(400).decode("utf-8", "replace")
        raise Unreachable(
            f"The issuer answered {answer.status}; redirects are not followed.",
            "status",
            f"{answer.status} from {url}: {told}",
        )
    text = b""
    while chunk := answer.read1(16384):
        text += chunk
        if len(text) > MOST_BYTES:
            raise Unreachable("The issuer's answer is too large.", "answer", str(url))
        if time.monotonic() > deadline:
            raise Unreachable("The issuer's answer took too long.", "connection", str(url))
    if answer.length:
        raise http.client.IncompleteRead(text, answer.length)
    return text


def fetch(
    url: Any, *, own: bool = False, data: bytes | None = None, headers: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """One GET, or one POST of `data`, by the rules above. JSON object, at most MOST_BYTES; or Unreachable."""
    parts = urlsplit(asked_at(url, own=own))
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    private = own or parts.netloc in settings.CI_PLAIN_ISSUERS or host in settings.CI_PRIVATE_ISSUERS
    addresses = _addresses(host, port, private=private)
    context = ssl.create_default_context() if secure else None
    connection = _Pinned(host, port, addresses, context)
    deadline = time.monotonic() + SECONDS
    given = {"Accept": "application/json", "Connection": "close", **(headers or {})}
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("POST" if data is not None else "GET", target, body=data, headers=given)
        with connection.getresponse() as answer:
            found = json.loads(_read(answer, url, deadline))
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable("The issuer cannot be reached.", "connection", f"{url}: {error}") from error
    except (ValueError, RecursionError) as error:
        raise Unreachable("The issuer's answer is no JSON.", "answer", str(url)) from error
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise Unreachable("The issuer's answer is no JSON object.", "answer", str(url))
    return found
