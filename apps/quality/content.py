"""Canonical content of a deviation: what was found. Decisions on it are signatures and history, not content."""

from __future__ import annotations

from apps.core import registries
from apps.core.clock import iso
from apps.quality.models import Deviation


@registries.content("quality.deviation")
def deviation_content(deviation: Deviation) -> dict:
    behalf = deviation.raised_on_behalf_of
    return {
        "schema": "quality.deviation/1",
        "ref": deviation.ref,
        "version": deviation.version.ref,
        "artefact_digest": deviation.version.artefact_digest,
        "title": deviation.title,
        "description": deviation.description,
        "source": {"kind": deviation.source_kind, "id": deviation.source_id},
        "criterion": deviation.criterion,
        "blocking": deviation.blocking,
        "raised_by": deviation.raised_by.username,
        "raised_on_behalf_of": behalf.username if behalf else "",
        "raised_at": iso(deviation.raised_at),
    }
