"""Uploaded data on their way into the store, and bytes on their way out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings

from apps.core import blobs
from apps.core.blobs import Blob
from apps.core.errors import Conflict
from apps.datasets.ingest import IngestError, IngestLimits, detect_format

AREAS = {True: "vault", False: "files"}


@dataclass(frozen=True)
class Download:
    """What a door serves after the act that allowed it: name for the person, digest and path of the bytes."""

    name: str
    digest: str
    size: int  # bytes
    path: Path


def receive(upload: Any, *, test: bool) -> Blob:
    """Store an upload (bytes, binary file or Django upload) as it comes; test data go straight into the vault.

    Raises BadInput (413) when more than UPLOAD_LIMIT_DATA bytes come; nothing of it is kept then.
    """
    return blobs.put(upload, area=AREAS[test], limit=settings.UPLOAD_LIMIT_DATA)


def base_name(file_name: str) -> str:
    """The last part of a file name as a browser or script gave it, at most 200 characters, its ending kept."""
    name = PurePosixPath(file_name.replace("\\", "/")).name.strip()
    return name if len(name) <= 200 else name[:160] + name[-40:]


def format_of(digest: str, file_name: str, *, test: bool) -> str:
    """`csv` or `parquet` by content. Raises IngestError with a sentence for anything else."""
    return detect_format(blobs.path(digest, area=AREAS[test]), file_name, limits())


def limits() -> IngestLimits:
    return IngestLimits(max_bytes=settings.UPLOAD_LIMIT_DATA)


def download_of(name: str, digest: str, *, area: str = "files") -> Download:
    """The stored bytes, compared with their digest just now; Conflict when they are not what was registered."""
    try:
        path = blobs.checked_path(digest, area=area)
    except blobs.BlobDamaged as error:
        raise Conflict(
            f"{name} cannot be handed out.",
            fact="The stored bytes are missing or no longer match their digest.",
            rule="content-address",
            who=["an administrator, from the backup"],
        ) from error
    return Download(name, digest, path.stat().st_size, path)


__all__ = ["Download", "IngestError", "base_name", "download_of", "format_of", "limits", "receive"]
