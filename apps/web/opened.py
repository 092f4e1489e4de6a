"""Which records a person opened to sign them, and as what: kept in their session, for signing several together."""

from __future__ import annotations

from django.http import HttpRequest

KEPT = "opened-to-sign"
MOST = 100  # the oldest are forgotten


def note_opened(request: HttpRequest, act: str, pk: int, digest: str) -> None:
    """The page on which this record is signed was shown, with this content."""
    kept = dict(request.session.get(KEPT, {}))
    kept.pop(f"{act}:{pk}", None)
    kept[f"{act}:{pk}"] = digest
    request.session[KEPT] = dict(list(kept.items())[-MOST:])


def opened_as(request: HttpRequest, act: str, pk: int) -> str:
    """The digest of what was shown last; empty when the record was not opened."""
    return str(request.session.get(KEPT, {}).get(f"{act}:{pk}", ""))
