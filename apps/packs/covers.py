"""The cover sheet of a numbered copy, and the ZIP that carries it beside the untouched bytes."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from django.conf import settings

from apps.access.inspection_models import Copy
from apps.core.clock import iso
from apps.packs.render import PackMeta
from apps.packs.sections.blocks import Section

CHUNK = 1 << 18
NOTE = (
    "This sheet was made for one copy. The file beside it in the ZIP is byte for byte as the portal keeps or made it: "
    "its SHA-256 is printed here and stands in the portal's trail with the number of this copy. Whoever holds the "
    "file can compare it with sha256sum."
)


@dataclass(frozen=True)
class Packed:
    """The bytes as they went into the ZIP. sha256: hex; size: bytes."""

    sha256: str
    size: int


def inside_name(name: str) -> str:
    """A name for the ZIP that leads nowhere else: the last part of what was given."""
    return PurePosixPath(name.replace("\\", "/")).name.lstrip(".") or "file"


def begin(out: IO[bytes], name: str, chunks: Iterable[bytes]) -> Packed:
    """Write the bytes into a new ZIP at `out`, stored as they are, and hash them on the way."""
    digest, size = hashlib.sha256(), 0
    with (
        zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive,
        archive.open(inside_name(name), "w", force_zip64=True) as target,
    ):
        for chunk in chunks:
            digest.update(chunk)
            size += len(chunk)
            target.write(chunk)
    return Packed(digest.hexdigest(), size)


def finish(out: IO[bytes], copy: Copy, authority: str) -> None:
    """Add the cover sheet as PDF and as JSON. Raises PdfUnavailable and RenderFailed."""
    sheet = pdf(copy, authority)
    with zipfile.ZipFile(out, "a", zipfile.ZIP_STORED) as archive:
        archive.writestr(f"COVER-copy-{copy.number}.pdf", sheet)
        archive.writestr(f"COVER-copy-{copy.number}.json", json.dumps(data(copy, authority), indent=2))


def data(copy: Copy, authority: str) -> dict[str, object]:
    """The cover sheet for machines."""
    return {
        "copy": copy.number,
        "handed_to": {"username": copy.person.username, "printed_name": copy.person.printed_name},
        "authority": authority,
        "handed_at": iso(copy.handed_at),
        "record": copy.record,
        "address": copy.address,
        "file": copy.file_name,
        "size": copy.file_size,
        "sha256": copy.file_sha256,
        "portal": {"environment": settings.ENVIRONMENT_LABEL, "version": settings.VERSION},
    }


def pdf(copy: Copy, authority: str) -> bytes:
    """One page: who was handed which copy of what, when, with which digest."""
    moment = iso(copy.handed_at)
    section = Section("cover-sheet", "", f"Copy {copy.number}", moment)
    section.facts(
        [
            ("Copy number", str(copy.number)),
            ("Handed to", f"{copy.person.printed_name} (@{copy.person.username})"),
            ("On behalf of", authority),
            ("Handed out (UTC)", moment),
            ("Record", copy.record),
            ("Address in the portal", copy.address, "code"),
            ("File", copy.file_name),
            ("Size", f"{copy.file_size} bytes"),
            ("SHA-256 of the file", copy.file_sha256, "code"),
            ("Portal", f"{settings.ENVIRONMENT_LABEL}, Countersign {settings.VERSION}"),
        ]
    )
    section.text(NOTE)
    meta = PackMeta(
        title=f"Cover sheet of copy {copy.number}",
        lang="en",
        pack_ref=f"copy {copy.number}",
        as_of=copy.handed_at,
        digest_short=f"sha256 {copy.file_sha256[:12]}",
        generated_at=copy.handed_at,
        head="Cover sheet",
        subject="One numbered copy handed to an inspector",
        author="Countersign",
    )
    from apps.packs.render.sheet import (
        render_sheet,
    )  # with the PDF libraries, which other processes do not load

    return render_sheet(section.chapter(), meta=meta, stamp="DEMO" if settings.DEMO else None)
