"""Stored bytes as a download, after the act that allowed it."""

from __future__ import annotations

from django.http import FileResponse

from apps.core import blobs
from apps.core.errors import Conflict


def attachment(digest: str, name: str, *, area: str = "files") -> FileResponse:
    """The bytes, compared with their digest just now. Never shown in the browser, whatever they contain."""
    try:
        path = blobs.checked_path(digest, area=area)
    except blobs.BlobDamaged as error:
        raise Conflict(
            f"{name} cannot be handed out.",
            fact="The stored bytes are missing or no longer match their digest.",
            rule="content-address",
            who=["an administrator, from the backup"],
        ) from error
    response = FileResponse(path.open("rb"), as_attachment=True, filename=name, content_type="application/octet-stream")
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "sandbox; default-src 'none'"
    response["X-Countersign-Digest"] = digest
    response["Cache-Control"] = "no-store"
    return response
