"""From a pack's row to its PDF: gather, verify the trail, bundle, lay out, check. One way for worker and command."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from apps.core import blobs
from apps.core.clock import iso, now
from apps.packs import bundle, gather, render
from apps.packs.models import Pack
from apps.packs.queries import AREA, file_name
from apps.packs.render import Chapter, PackMeta, RenderResult
from apps.packs.sections import (
    answers,
    card,
    decisions,
    evidence,
    explanation,
    fairness,
    front,
    gaps,
    people,
    records,
    traceability,
    trail,
)
from apps.packs.sections.blocks import short
from apps.trail import verifier
from apps.trail.models import Entry
from apps.trail.queries import told

STEPS = 4  # gathering, verifying, bundling, storing; laying out counts its own
Progress = Callable[[int, int, str], None]


class PackNotSound(Exception):
    """The PDF was made and does not pass its own structural checks; it is not handed out."""

    for_people = True


def build(pack: Pack, progress: Progress) -> tuple[datetime, dict[str, Any]]:
    """(as-of, what `finish_pack` writes). Nothing is written but content-addressed files."""
    progress(0, STEPS, "Reading the records")
    gathered = gather.gather(pack.version_id, pack.as_of)
    progress(1, STEPS, "Verifying the trail")
    verification = verifier.verify().as_json()
    progress(2, STEPS, "Putting the bundle together")
    packed = bundle.make(gathered, pack.ref)
    generated_at = now()
    made = front.Generation(
        ref=pack.ref,
        file_name=file_name(pack),
        requester={"username": pack.requested_by.username, "printed_name": pack.requested_by.printed_name},
        purpose=pack.purpose,
        requested_at=iso(pack.requested_at),
        generated_at=iso(generated_at),
        content_digest=gathered.digest,
        verification=verification,
        trail_size=packed.trail_size,
        trail_entries=packed.trail_entries,
        later_entries=told(
            Entry.objects.filter(scope__in=gathered.content["trail"]["scopes"], at__gt=gathered.as_of)
        ).count(),
        manifest_digest=packed.manifest_digest,
        log_key=packed.log_key,
        files=packed.files,
    )
    with tempfile.TemporaryDirectory(prefix="countersign-pack-") as folder:
        out = Path(folder) / "pack.pdf"
        result = render.render_pack(
            chapters(gathered, made),
            meta=meta(gathered, pack, generated_at),
            attachments=packed.attachments,
            out=out,
            progress=progress,
            stamp="DEMO" if settings.DEMO else None,
        )
        require_sound(result)
        with out.open("rb") as file:
            stored = blobs.put(file, area=AREA)
    return gathered.as_of, {
        "content_digest": gathered.digest,
        "pdf_digest": stored.digest,
        "pdf_size": stored.size,
        "pages": result.pages,
    }


def require_sound(result: RenderResult) -> None:
    if result.failed_checks:
        said = "; ".join(f"{check.code}: {check.detail}" for check in result.failed_checks)
        raise PackNotSound(f"The PDF does not pass its own checks: {said}.")


def meta(gathered: gather.Gathered, pack: Pack, generated_at: datetime) -> PackMeta:
    version = gathered.content["version"]
    return PackMeta(
        title=f"Inspection pack: {version['name']}, version {version['content']['label']}",
        lang="en",
        pack_ref=pack.ref,
        as_of=gathered.as_of,
        digest_short=f"sha256 {short(gathered.digest)}",
        generated_at=generated_at,
        head=f"{version['name']}, version {version['content']['label']}",
        subject="Everything recorded about one model version",
        author="Countersign",
    )


def chapters(gathered: gather.Gathered, made: front.Generation) -> list[Chapter]:
    """The sections that exist, by their numbers."""
    content = gathered.content
    return [
        front.cover(content, made),
        answers.answers(content),
        front.how_to_verify(content, made),
        gaps.readiness(content),
        records.inventory(content),
        records.intended_use(content),
        records.risk(content),
        card.card(content),
        records.datasheets(content),
        records.snapshots(content),
        records.independence(content),
        records.registry_entry(content),
        evidence.validation(content, gathered.charts),
        fairness.fairness(content, gathered.charts),
        explanation.explanation(content, gathered.charts),
        decisions.gate_ledger(content),
        decisions.signature_manifest(content),
        people.separation(content),
        people.people(content),
        trail.access_log(content),
        *trail.trail(content, made),
        traceability.traceability(content),
        trail.appendix(content, made),
    ]
