"""Which records a person opened to sign them, and as what: kept in their session, for signing several together."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from apps.core.digests import canonical_json

KEPT, LAST = "opened-to-sign", "opened-last"
MOST = 100  # the oldest are forgotten
LARGEST = 200_000  # bytes of a content that is kept, to show what changed in it


def note_opened(request: HttpRequest, act: str, pk: int, digest: str, content: dict[str, Any]) -> None:
    """The page on which this record is signed was shown, with this content."""
    small = len(canonical_json(content)) <= LARGEST
    request.session[LAST] = {"digest": digest, "content": content} if small else {}
    kept = dict(request.session.get(KEPT, {}))
    kept.pop(f"{act}:{pk}", None)
    kept[f"{act}:{pk}"] = digest
    request.session[KEPT] = dict(list(kept.items())[-MOST:])


def last_shown(request: HttpRequest, digest: str) -> dict[str, Any] | None:
    """The content with this digest, where it was the last one shown to sign."""
    last = request.session.get(LAST) or {}
    return last["content"] if last.get("digest") == digest else None


def opened_as(request: HttpRequest, act: str, pk: int) -> str:
    """The digest of what was shown last; empty when the record was not opened."""
    return str(request.session.get(KEPT, {}).get(f"{act}:{pk}", ""))
