"""Requirements, risks, verification evidence, claims and the traceability matrix of one version."""

from __future__ import annotations

from typing import Any

from apps.core.clock import iso
from apps.packs.gather.records import moment, person, record
from apps.registry.models import Version
from apps.verification import matrix, queries
from apps.verification.checks import told
from apps.verification.models import Claim, Evidence, Requirement, Risk


def requirements(of: Version) -> list[dict[str, Any]]:
    """What the version inherits, and what waits for approval."""
    wanted = {row.pk for row in (*queries.requirements_of(of), *queries.replacing(of))}
    rows = Requirement.objects.filter(pk__in=wanted).select_related(*queries.REQUIREMENTS)
    return [
        record(
            row,
            state=row.state,
            state_word=row.get_state_display(),
            source_word=row.get_source_display(),
            written_by=person(row.written_by),
            decided_at=moment(row.decided_at),
        )
        for row in rows.order_by("number", "revision")
    ]


def risks(of: Version) -> list[dict[str, Any]]:
    wanted = {row.pk for row in queries.risks_of(of)}
    rows = Risk.objects.filter(pk__in=wanted).select_related("model", "intended_use__model", "written_by")
    return [record(row, written_by=person(row.written_by)) for row in rows.order_by("number", "revision")]


def evidence(of: Version) -> list[dict[str, Any]]:
    """Every file attached, replaced ones too; `counts` says whether it is the newest of its kind and title."""
    counts = {row.pk for row in queries.counting(of)}
    rows = Evidence.objects.filter(version=of).select_related(*queries.EVIDENCE).order_by("number")
    return [
        record(
            row,
            kind_word=row.get_kind_display(),
            told=told(row).partition(": ")[2],
            counts=row.pk in counts,
            uploaded_by=person(row.uploaded_by),
        )
        for row in rows
    ]


def claims(of: Version) -> list[dict[str, Any]]:
    rows = Claim.objects.filter(version=of).select_related(*queries.CLAIMS).order_by("number")
    return [
        record(row, submitted_by=person(row.submitted_by), submitted_at=iso(row.submitted_at)) for row in rows
    ]


def traceability(of: Version) -> dict[str, Any]:
    """The matrix line by line, and how many lines have each open end."""
    lines = queries.lines_of(of)
    return {"lines": [queries.as_data(line) for line in lines], "open_ends": matrix.counted(lines)}
