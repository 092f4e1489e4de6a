"""Public keys of CI systems: OpenID Connect discovery and JWKS, fetched with strict rules.

HTTPS only, no redirects, no proxies, few seconds, few bytes. The name is resolved once, each address is judged, and the
connection goes to the address that was judged: a name that answers differently a moment later changes nothing.
"""

from __future__ import annotations

import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import jwt
from django.conf import settings

SECONDS = 5.0  # of one fetch
MOST_BYTES = 256 * 1024
MOST_KEYS = 50
KEPT_FOR = 600.0  # seconds until keys are asked for again
AGAIN_AFTER = 60.0  # an unknown key identifier makes the portal ask at most this often
FAILED_FOR = 15.0
DISCOVERY = "/.well-known/openid-configuration"


class Unreachable(Exception):
    """The issuer's keys cannot be had; the message says why, in a sentence without what the issuer sent."""


@dataclass
class _Known:
    fetched_at: float = float("-inf")
    failed_at: float = float("-inf")
    failure: str = ""
    keys: dict[str, dict[str, Any]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


_known: dict[str, _Known] = {}
_known_lock = threading.Lock()


def forget() -> None:
    """Ask every issuer anew."""
    with _known_lock:
        _known.clear()


def key_of(issuer: str, kid: str) -> jwt.PyJWK:
    """The key `kid` of `issuer`; Unreachable when it has none. Only for issuers that somebody trusts."""
    with _known_lock:
        known = _known.setdefault(issuer, _Known())
    with known.lock:
        age = time.monotonic() - known.fetched_at
        if age > KEPT_FOR or (kid not in known.keys and age > AGAIN_AFTER):
            _refresh(issuer, known)
        found = known.keys.get(kid)
    if found is None:
        raise Unreachable("The issuer has no key with this identifier.")
    try:
        return jwt.PyJWK(found)
    except jwt.PyJWTError as error:
        raise Unreachable("The issuer's key cannot be read.") from error


def _refresh(issuer: str, known: _Known) -> None:
    moment = time.monotonic()
    if moment - known.failed_at < FAILED_FOR:
        raise Unreachable(known.failure)
    try:
        told = _json(issuer.rstrip("/") + DISCOVERY)
        if told.get("issuer") != issuer:
            raise Unreachable("The issuer's discovery document names another issuer.")
        at = told.get("jwks_uri")
        if not isinstance(at, str):
            raise Unreachable("The issuer's discovery document names no keys.")
        rows = _json(at).get("keys")
        if not isinstance(rows, list) or len(rows) > MOST_KEYS:
            raise Unreachable("The issuer's key set cannot be read.")
    except Unreachable as failure:
        known.failed_at, known.failure = moment, str(failure)
        raise
    known.keys = {
        row["kid"]: row
        for row in rows
        if isinstance(row, dict) and isinstance(row.get("kid"), str) and row.get("use", "sig") == "sig"
    }
    known.fetched_at = time.monotonic()


def url_problem(url: str) -> str:
    """Why this address cannot be an issuer's; empty when it can."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "This is no address."
    if not parts.hostname or port == 0 or not url.isascii() or not url.isprintable() or " " in url:
        return "This is no address."
    if (
        parts.username
        or parts.password
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
        or "\\" in url
    ):
        return "An issuer's address has no user name, no question mark and no number sign."
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.netloc in settings.CI_PLAIN_ISSUERS):
        return "An issuer's address begins with https://."
    return ""


def _addresses(host: str, port: int, *, private: bool) -> list[str]:
    """Addresses of the host; every one of them must be public unless `private` allows the others."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError:
        raise Unreachable("The issuer's name cannot be resolved.") from None
    addresses = list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
    for address in addresses:
        parsed = ipaddress.ip_address(address)
        inner = getattr(parsed, "ipv4_mapped", None) or getattr(parsed, "sixtofour", None) or parsed
        if not private and not (parsed.is_global and inner.is_global and not parsed.is_multicast):
            raise Unreachable("The issuer's name leads to a private address.")
    if not addresses:
        raise Unreachable("The issuer's name cannot be resolved.")
    return addresses


class _Pinned(http.client.HTTPConnection):
    """A connection to an address that was judged; TLS asks for the name all the same."""

    def __init__(self, host: str, port: int, address: str, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=SECONDS)
        self.address, self.tls = address, context

    def connect(self) -> None:
        self.sock = socket.create_connection((self.address, self.port), SECONDS)
        if self.tls is not None:
            self.sock = self.tls.wrap_socket(self.sock, server_hostname=self.host)


def _json(url: str) -> dict[str, Any]:
    """One GET, by the rules above. JSON object, at most MOST_BYTES."""
    if problem := url_problem(url):
        raise Unreachable(problem)
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    port = parts.port or (443 if secure else 80)
    private = parts.netloc in settings.CI_PLAIN_ISSUERS or host in settings.CI_PRIVATE_ISSUERS
    address = _addresses(host, port, private=private)[0]
    connection = _Pinned(host, port, address, ssl.create_default_context() if secure else None)
    deadline = time.monotonic() + SECONDS
    try:
        connection.request(
            "GET", parts.path or "/", headers={"Accept": "application/json", "Connection": "close"}
        )
        answer = connection.getresponse()
        if answer.status != 200:
            raise Unreachable(f"The issuer answered {answer.status}; redirects are not followed.")
        text = b""
        while chunk := answer.read1(16384):
            text += chunk
            if len(text) > MOST_BYTES:
                raise Unreachable("The issuer's answer is too large.")
            if time.monotonic() > deadline:
                raise Unreachable("The issuer's answer took too long.")
        found = json.loads(text)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable("The issuer cannot be reached.") from error
    except (ValueError, RecursionError) as error:
        raise Unreachable("The issuer's answer is no JSON.") from error
    finally:
        connection.close()
    if not isinstance(found, dict):
        raise Unreachable("The issuer's answer is no JSON object.")
    return found
