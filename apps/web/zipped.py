"""A file and its side file as one ZIP, streamed: nothing is held, and the digest is of the bytes that left."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator
from typing import Any

from django.http import StreamingHttpResponse

from apps.core.clock import now

ENOUGH = 64 * 1024


class _Sink:
    """What a ZIP is written to; it cannot seek, so the archive is written front to back."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self.held = 0

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        self.held += len(data)
        return len(data)

    def flush(self) -> None:
        """Nothing lies below."""

    def take(self) -> bytes:
        taken, self._parts, self.held = b"".join(self._parts), [], 0
        return taken


def _member(name: str) -> zipfile.ZipInfo:
    made = zipfile.ZipInfo(name, now().timetuple()[:6])
    made.compress_type = zipfile.ZIP_DEFLATED
    made.external_attr = 0o644 << 16
    return made


def zip_lines(name: str, lines: Iterable[bytes], about: dict[str, Any]) -> Iterator[bytes]:
    """The bytes of a ZIP with the file `name`, and `name`.meta.json: `about` with size and SHA-256 of the file."""
    sink, digest, size = _Sink(), hashlib.sha256(), 0
    with zipfile.ZipFile(sink, "w") as archive:  # type: ignore[arg-type]  # all it asks is write and flush
        with archive.open(_member(name), "w", force_zip64=True) as member:
            for line in lines:
                member.write(line)
                digest.update(line)
                size += len(line)
                if sink.held >= ENOUGH:
                    yield sink.take()
        told = {**about, "file": name, "bytes": size, "sha256": digest.hexdigest()}
        archive.writestr(_member(f"{name}.meta.json"), json.dumps(told, ensure_ascii=False, indent=2) + "\n")
    yield sink.take()


def zip_response(
    archive: str, name: str, lines: Iterable[bytes], about: dict[str, Any]
) -> StreamingHttpResponse:
    response = StreamingHttpResponse(zip_lines(name, lines, about), content_type="application/zip")
    response["Content-Disposition"] = f'attachment; filename="{archive}"'
    return response
