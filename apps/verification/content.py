"""Canonical content of requirements, risks, evidence and claims: what is signed, shown, exported and printed."""

from __future__ import annotations

from apps.core import registries
from apps.core.clock import iso
from apps.core.digests import plain
from apps.verification.models import Claim, Evidence, Requirement, Risk


@registries.content("verification.requirement")
def requirement_content(requirement: Requirement) -> dict:
    return {
        "schema": "verification.requirement/1",
        "ref": requirement.ref,
        "model": requirement.model.slug,
        "intended_use": requirement.intended_use.ref,
        "text": requirement.text,
        "source": str(requirement.source),
        "risks": [f"RK-{number}" for number in requirement.risks],
        "clauses": list(requirement.clauses),
        "written_by": requirement.written_by.username,
        "written_at": iso(requirement.written_at),
    }


@registries.content("verification.risk")
def risk_content(risk: Risk) -> dict:
    return {
        "schema": "verification.risk/1",
        "ref": risk.ref,
        "intended_use": risk.intended_use.ref,
        **{name: getattr(risk, name) for name in ("hazard", "harm", "severity", "likelihood", "control")},
        "written_by": risk.written_by.username,
        "written_at": iso(risk.written_at),
    }


@registries.content("verification.evidence")
def evidence_content(evidence: Evidence) -> dict:
    return {
        "schema": "verification.evidence/1",
        "ref": evidence.ref,
        "version": evidence.version.ref,
        "artefact_digest": evidence.version.artefact_digest,
        "kind": str(evidence.kind),
        "title": evidence.title,
        "format": evidence.format,
        "file": {"name": evidence.file_name, "digest": evidence.file_digest, "size": evidence.file_size},
        "results_digest": evidence.results_digest,
        "tool": {"name": evidence.tool, "version": evidence.tool_version},
        "commit": evidence.commit,
        "produced_at": iso(evidence.produced_at),
        "zone_stated": evidence.zone_stated,
        "summary": plain(evidence.summary),
        "notes": list(evidence.notes),
        "uploaded_by": evidence.uploaded_by.username,
        "uploaded_at": iso(evidence.uploaded_at),
    }


@registries.content("verification.claim")
def claim_content(claim: Claim) -> dict:
    return {
        "schema": "verification.claim/1",
        "ref": claim.ref,
        "standing": "submitted, not computed here",
        "version": claim.version.ref,
        "artefact_digest": claim.version.artefact_digest,
        "origin": claim.origin,
        "figures": plain(claim.figures),
        "script": {"name": claim.script_name, "digest": claim.script_digest},
        "data_digest": claim.data_digest,
        "tool": {"name": claim.tool, "version": claim.tool_version},
        "computed_at": iso(claim.computed_at),
        "note": claim.note,
        "submitted_by": claim.submitted_by.username,
        "submitted_at": iso(claim.submitted_at),
    }


@registries.predecessor("verification.Risk")
@registries.predecessor("verification.Requirement")
def revision_before(row: Risk | Requirement) -> Risk | Requirement | None:
    """What a revision is shown beside before it is written: the newest one before it."""
    rows = type(row)._default_manager.filter(number=row.number, revision__lt=row.revision)
    return rows.order_by("-revision").first()
