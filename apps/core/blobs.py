"""Content-addressed files: a name is the SHA-256 of the bytes, so a repeat writes the same name.

Areas keep apart what people may fetch (`files`, `results`) from what nobody may (`vault`).
"""

from __future__ import annotations

import hashlib
import io
import os
import tempfile
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from typing import Any, NamedTuple

from django.conf import settings

from apps.core.errors import BadInput, Conflict

AREAS = ("files", "vault", "results")
CHUNK = 1024 * 1024


class Blob(NamedTuple):
    digest: str  # "sha256:<64 hex>"
    size: int  # bytes


class StoredFile(NamedTuple):
    """A column of a record that names stored bytes: `area` ("" when the record has `area`), column of their size."""

    field: str
    area: str
    size: str = ""


class BlobDamaged(Exception):
    """Stored bytes no longer match their digest."""


def damaged(error: BlobDamaged) -> Conflict:
    """How it is told at the doors: evidence that cannot be trusted is not shown."""
    return Conflict(
        "This evidence cannot be shown.",
        fact=f"{error}.",
        rule="content-address",
        who=["an administrator, from the backup; tell quality assurance"],
    )


def _folder(area: str) -> Path:
    if area not in AREAS:
        raise ValueError(f"unknown area {area}")
    return Path(settings.COUNTERSIGN_DATA) / area


def path(digest: str, *, area: str = "files") -> Path:
    """Where the bytes of `digest` lie (whether or not they are there)."""
    scheme, _, name = digest.partition(":")
    if scheme != "sha256" or len(name) != 64 or not all(c in "0123456789abcdef" for c in name):
        raise ValueError(f"not a digest: {digest!r}")
    return _folder(area) / name[:2] / name


def exists(digest: str, *, area: str = "files") -> bool:
    return path(digest, area=area).is_file()


def _chunks(source: Any) -> Iterable[bytes]:
    if isinstance(source, bytes):
        source = io.BytesIO(source)
    if hasattr(source, "chunks"):  # a Django upload
        yield from source.chunks(CHUNK)
        return
    while chunk := source.read(CHUNK):
        yield chunk


def put(source: Any, *, area: str = "files", limit: int | None = None) -> Blob:
    """Store the bytes of `source` (bytes, binary file, or Django upload); durable before it returns.

    Written beside its place, synced, renamed: a crash or a full disk leaves nothing half-written.
    Raises BadInput (413 in words) when more than `limit` bytes come.
    """
    folder = _folder(area)
    folder.mkdir(parents=True, exist_ok=True)
    hasher, size = hashlib.sha256(), 0
    handle, temporary = tempfile.mkstemp(dir=folder, prefix=".part-")
    try:
        with os.fdopen(handle, "wb") as out:
            for chunk in _chunks(source):
                size += len(chunk)
                if limit is not None and size > limit:
                    raise BadInput(
                        f"The file is larger than the limit of {human_size(limit)}.",
                        fact=f"More than {limit} bytes were sent.",
                        rule="upload-limit",
                        who=["Send a smaller file, or ask an administrator to raise the limit."],
                        status=413,
                    )
                hasher.update(chunk)
                out.write(chunk)
            out.flush()
            os.fsync(out.fileno())
        digest = "sha256:" + hasher.hexdigest()
        target = path(digest, area=area)
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            os.chmod(temporary, 0o440)
            os.replace(temporary, target)
            _sync_folder(target.parent)
        return Blob(digest, size)
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_blob(digest: str, *, area: str = "files") -> BufferedReader:
    return path(digest, area=area).open("rb")


def verify(digest: str, *, area: str = "files") -> bool:
    """Whether the stored bytes still match their digest."""
    try:
        with open_blob(digest, area=area) as stored:
            return "sha256:" + hashlib.file_digest(stored, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False


# (path, inode, size, modified, changed) of files compared with their digest by this process.
_compared: set[tuple[str, int, int, int, int]] = set()
COMPARED_LIMIT = 10_000
# Reading more takes longer than a page may: such bytes are read by verify_trail --files, and wherever they are used.
QUICK_BYTES = 256 * 1024**2


def quick_fault(digest: str, *, area: str = "files") -> str:
    """ "missing", "altered" or "". Bytes compared before by this process, and not touched since, are not read again."""
    place = path(digest, area=area)
    try:
        state = place.stat()
    except FileNotFoundError:
        return "missing"
    seen = (str(place), state.st_ino, state.st_size, state.st_mtime_ns, state.st_ctime_ns)
    if seen in _compared or state.st_size > QUICK_BYTES:
        return ""
    if not verify(digest, area=area):
        return "altered"
    if len(_compared) >= COMPARED_LIMIT:
        _compared.clear()
    _compared.add(seen)
    return ""


def checked_path(digest: str, *, area: str = "files") -> Path:
    """The path of bytes that were just compared with their digest; BlobDamaged otherwise."""
    if not verify(digest, area=area):
        raise BlobDamaged(f"{digest} in {area}: the stored bytes are missing or differ from their digest")
    return path(digest, area=area)


def read(digest: str, *, area: str = "files") -> bytes:
    """All bytes, compared with their digest."""
    return checked_path(digest, area=area).read_bytes()


def human_size(size: int) -> str:
    value = float(size)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if value < 1024 or unit == "GiB":
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    raise AssertionError("unreachable")
