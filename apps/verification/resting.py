"""What a release rests on here, by reference and digest: a signature at the gate binds it."""

from __future__ import annotations

from typing import Any

from apps.access.signing import content_digest
from apps.registry.models import Version
from apps.verification.loading import dossiers_of
from apps.verification.queries import counting, requirements_of, risks_of
from apps.verification.states import State


def evidence_bound(version: Version) -> list[dict[str, str]]:
    """The evidence that counts, oldest first: what it is, the digest of the file and of what was read out of it."""
    return [
        {
            "ref": row.ref,
            "kind": str(row.kind),
            "title": row.title,
            "file": row.file_digest,
            "results": row.results_digest,
        }
        for row in counting(version)
    ]


def matrix_bound(version: Version) -> dict[str, list[dict[str, Any]]]:
    """What the lines of the matrix are made of beside evidence, run and report; of a decided version, as it was then.

    A risk is named by its revision, and a claim that a link names by its reference: neither is ever edited.
    """
    # A draft binds nobody: it holds an approval up by itself, and is rejected or approved in its own right.
    requirements = [row for row in requirements_of(version) if row.state != State.DRAFT]
    refs = {row.pk: row.ref for row in requirements}
    return {
        "requirements": [
            {"ref": row.ref, "digest": content_digest(row), "approved": row.approved_digest}
            for row in requirements
        ],
        "risks": [{"ref": row.ref, "hazard": row.hazard} for row in risks_of(version)],
        "links": [
            {
                "ref": row.ref,
                "requirement": refs[row.requirement_id],
                "target": str(row.target),
                "pattern": row.pattern,
            }
            for row in dossiers_of([version.pk])[version.pk].links
            if row.requirement_id in refs  # a link to a revision no longer in force shows nothing
        ],
    }
