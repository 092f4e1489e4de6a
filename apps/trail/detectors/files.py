"""Stored files against the digests in records: there and of the right size, or read byte by byte.

A model says which of its columns name stored bytes: `stored_files = (StoredFile("artefact_digest", "files",
"artefact_size"), …)` (apps.core.blobs). Found from the model registry.
"""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.db import models

from apps.core import blobs
from apps.trail.findings import Session


def holders() -> Iterator[tuple[type[models.Model], tuple[blobs.StoredFile, ...]]]:
    """Every model whose records name stored files."""
    for model in apps.get_models():
        named = getattr(model, "stored_files", ())
        if named:
            yield model, named


def run(session: Session, *, read: bool) -> None:
    """`read`: every file is read and its SHA-256 compared; else its presence and size. Each file once."""
    faults: dict[tuple[str, str], str] = {}
    for model, named in holders():
        table = model._meta.db_table
        for row in model._base_manager.using(session.alias).order_by("pk").iterator(chunk_size=500):
            for each in named:
                digest = getattr(row, each.field)
                if not digest:
                    continue
                area = each.area or row.area  # type: ignore[attr-defined]  # said by the model: "" is its own
                size = getattr(row, each.size) if each.size else None
                if (area, digest) not in faults:
                    session.count("files")
                    faults[area, digest] = _fault(digest, area, read)
                fault = faults[area, digest] or _size_fault(digest, area, size)
                if fault:
                    session.report("file", table, row.pk, each.field, f"{digest[:19]}… in {area}: {fault}")


def _fault(digest: str, area: str, read: bool) -> str:
    try:
        if not blobs.exists(digest, area=area):
            return "the stored bytes are missing"
        if read and not blobs.verify(digest, area=area):
            return "the stored bytes differ from their digest"
    except ValueError:
        return "is no digest"
    except OSError as error:
        return f"the stored bytes cannot be read: {error.strerror}"
    return ""


def _size_fault(digest: str, area: str, size: int | None) -> str:
    there = blobs.path(digest, area=area).stat().st_size
    return "" if size is None or size == there else f"{there} bytes are stored, the record says {size}"
