"""Speaking HTTP to what lies outside: bounded in time and size, no redirects, system or own certificate authorities.

What it says goes into a log, a table and the health page, so it is scrubbed of secrets where it is made (`scrubbed`): a
place outside may send back what it was sent.
"""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Any

from django.conf import settings

TIMEOUT = 10.0
LIMIT = 1024 * 1024


HIDDEN = "[hidden]"
_SCRUBS = (
    (re.compile(r"://[^/\s]*@"), "://"),  # user and password of an address
    (re.compile(r"([a-z][a-z+]*://[^\s'\"?]*)\?[^\s'\"]*", re.IGNORECASE), r"\1?…"),
    (re.compile(r"\b(Bearer|Basic|ApiKey)\s+[^\s'\",;]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (
        re.compile(
            r"\b([\w-]*(?:token|password|passwd|secret|api[-_]?key|authorization|cookie)[\w-]*['\"]?\s*[=:]\s*['\"]?)"
            r"(?!\s*(?:Bearer|Basic|ApiKey)\b)[^\s'\",;&]+",
            re.IGNORECASE,
        ),
        rf"\1{HIDDEN}",
    ),
)


def scrubbed(text: str) -> str:
    """`text` without the token of log stores, without user, password and query of addresses, and without what looks
    like a header or field that holds a secret."""
    if settings.TRAIL_STREAM_TOKEN:
        text = text.replace(settings.TRAIL_STREAM_TOKEN, HIDDEN)
    for pattern, told in _SCRUBS:
        text = pattern.sub(told, text)
    return text


def has_password(url: str) -> bool:
    """Whether an address carries a user or a password: they would be sent nowhere, and shown."""
    return "@" in url.partition("://")[2].partition("/")[0]


class Unreachable(Exception):
    """No usable answer; it is tried again. `wait`: seconds the other side asked for."""

    def __init__(self, detail: str, wait: float = 0) -> None:
        super().__init__(scrubbed(detail))
        self.wait = wait


class Contradicted(Exception):
    """The other side holds what this log is not: a fork, or a database that went back."""

    def __init__(self, detail: str) -> None:
        super().__init__(scrubbed(detail))


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    kind: str
    retry_after: str = ""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


def certificates() -> ssl.SSLContext:
    """TRAIL_CA_FILE names the authorities that are believed; without it, the system's."""
    return ssl.create_default_context(cafile=settings.TRAIL_CA_FILE or None)


def post(url: str, body: bytes, kind: str, headers: dict[str, str] | None = None) -> Answer:
    """POST and read the answer, whatever its status; Unreachable when there is none."""
    request = urllib.request.Request(
        url, data=body, method="POST", headers={"Content-Type": kind, **(headers or {})}
    )
    opener = urllib.request.build_opener(_NoRedirects, urllib.request.HTTPSHandler(context=certificates()))
    try:
        with opener.open(request, timeout=TIMEOUT) as answer:
            return _read(answer)
    except urllib.error.HTTPError as error:
        with error:
            return _read(error)
    except (OSError, ValueError, http.client.HTTPException) as error:  # refused, timed out, not TLS, not HTTP
        reason = getattr(error, "reason", error)
        raise Unreachable(f"{url} does not answer: {reason}") from error


def _read(answer: Any) -> Answer:
    try:
        body = answer.read(LIMIT + 1)
    except (OSError, http.client.HTTPException) as error:
        raise Unreachable(f"the answer broke off: {error}") from error
    if len(body) > LIMIT:
        raise Unreachable(f"the answer is larger than {LIMIT} bytes")
    headers = answer.headers
    return Answer(answer.status, body, headers.get("Content-Type", ""), headers.get("Retry-After", ""))
