"""Reads of packs for pages, API and command."""

from __future__ import annotations

from pathlib import Path

from django.db.models import QuerySet

from apps.access import gate
from apps.access.actors import Actor
from apps.accounts.models import User
from apps.core import blobs
from apps.packs.models import Pack
from apps.registry.models import Version
from apps.trail.models import Entry, Kind

RELATED = ("version__model", "version__intended_use", "requested_by", "job")
AREA = "results"  # where finished packs lie: no door hands out a file of it by digest


def packs(actor: Actor | User, version: Version | None = None) -> QuerySet[Pack]:
    """Packs the person may see, newest first."""
    rows = gate.visible(actor, Pack).select_related(*RELATED)
    return rows if version is None else rows.filter(version=version)


def file_name(pack: Pack) -> str:
    """`P-3-lotx-1.0.0.pdf`, ASCII."""
    label = "".join(c if c.isascii() and (c.isalnum() or c in ".-_") else "-" for c in pack.version.label)
    return f"{pack.ref}-{pack.version.model.slug}-{label}.pdf"


def file_of(pack: Pack) -> Path:
    """The PDF, compared with its digest just now; BlobDamaged when it is not what was built."""
    return blobs.checked_path(pack.pdf_digest, area=AREA)


def downloads_of(pack: Pack) -> QuerySet[Entry]:
    """Who took the pack out, from the trail, newest first."""
    return Entry.objects.filter(
        subject_kind=pack.subject_kind, subject_id=str(pack.pk), kind=Kind.ACT, act="packs.download_pack"
    ).order_by("-id")
