"""Everything recorded about one version, read once into plain data: what a pack says, and nothing else.

The data hold no generation facts (who asked, when built, what the verifier found just now), so two people who
build the pack of the same moment get the same content digest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from apps.core.clock import iso, now
from apps.core.digests import digest
from apps.packs.gather import gate, limits, people, probes, records, reviews, separation, trail, verification
from apps.registry.models import Version

SCHEMA = "countersign.pack/2"
# What is recorded about reading does not change what the records say.
HARMLESS = ("packs.", "trail.export")


@dataclass(frozen=True)
class Gathered:
    """`content`: canonical data as of `as_of`; `digest`: its `sha256:`; `charts`: SVG by digest."""

    content: dict[str, Any]
    digest: str
    as_of: datetime
    charts: dict[str, str]


@contextmanager
def _one_moment() -> Iterator[None]:
    """All reads of one gathering see the same state of the database."""
    if connection.in_atomic_block:
        yield
        return
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def gather(version_id: int, as_of: datetime) -> Gathered:
    """The content of a pack of one version as of `as_of` (aware).

    Records are read as they are now. When an act changed them after `as_of`, the moment of reading becomes the
    as-of, so that a pack never shows something later than what it says.
    """
    with _one_moment():
        version = (
            Version.objects.select_related(
                "model", "intended_use__model", "intended_use__written_by", "parent__model", "registered_by"
            )
            .prefetch_related("authors__person", "data__dataset_version__dataset")
            .get(pk=version_id)
        )
        scopes = trail.scopes_of(version)
        if trail.changed_since(scopes, as_of, HARMLESS):
            as_of = now()
        charts: dict[str, str] = {}
        content = {
            "schema": SCHEMA,
            "portal_version": settings.VERSION,
            "scope": version.ref,
            "as_of": iso(as_of),
            "version": records.version(version),
            "timeline": trail.timeline(version, as_of),
            "intended_use": records.intended_use(version),
            "datasets": records.datasets(version),
            "independence": records.independence(version, as_of),
            "plans": records.plans(version),
            "runs": records.runs(version, charts),
            "bias_reports": records.bias_reports(version, charts),
            "explanations": records.explanations(version, charts),
            "probe_plans": probes.plans(version),
            "probe_reports": probes.reports(version, charts),
            "probe_evidence": probes.evidence(version),
            "requirements": verification.requirements(version),
            "risks": verification.risks(version),
            "verification_evidence": verification.evidence(version),
            "claims": verification.claims(version),
            "traceability": verification.traceability(version),
            "deviations": records.deviations(version),
            "gate": gate.ledger(version),
            "signatures": gate.signatures(version, as_of),
            "separation": separation.separation(version, as_of),
            "duties": people.duties_over_time(version, as_of),
            "sign_in": people.sign_in(as_of),
            "access_log": trail.access_log(version, as_of),
            "trail_reviews": reviews.trail_reviews(version, as_of),
            "trail": trail.extract(version, scopes, as_of),
        }
    # Drawing takes a second: not while the database waits.
    for report in content["bias_reports"]:
        report["limit_charts"] = limits.draw_limits(report, charts) if report["content"]["summary"] else []
    return Gathered(content, digest(content), as_of, charts)
