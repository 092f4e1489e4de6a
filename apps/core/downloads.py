"""Stored bytes as a download, after the act that allowed it."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from django.http import FileResponse


class Stored(Protocol):
    """What an act of download gives: the name for the person, the digest, and the bytes compared with it."""

    @property
    def name(self) -> str: ...
    @property
    def digest(self) -> str: ...
    @property
    def path(self) -> Path: ...


def attachment(found: Stored) -> FileResponse:
    """The bytes as they are, streamed. Never shown in the browser, whatever they contain."""
    response = FileResponse(
        found.path.open("rb"),
        as_attachment=True,
        filename=found.name,
        content_type="application/octet-stream",
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Countersign-Digest"] = found.digest
    response["Cache-Control"] = "no-store"
    return response
