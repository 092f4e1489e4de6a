"""What separation and visibility ask of explanation reports."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q

from apps.access import duties
from apps.access.facts import Facts, pairs
from apps.access.gate import Scopes
from apps.core import registries
from apps.explanation.models import Report
from apps.explanation.queries import reports_of_versions
from apps.registry.facts import facts_on_version


@registries.facts("explanation.report")
def report_facts(report: Report) -> Facts:
    return facts_on_version(report.run.plan.version)


@registries.closure("registry.versions:version")
def reports_of_closure(version_ids: Collection[int]) -> frozenset[tuple[str, str]]:
    """What is done to an explanation is done to the version it explains."""
    found = [report for rows in reports_of_versions(version_ids).values() for report in rows]
    return pairs(Report.subject_kind, [report.pk for report in found])


@registries.alongside("validations.runs")
def explained() -> dict[str, Exists]:
    """Whether a run was explained, so that pages of versions that were not ask no more than before."""
    return {"explained": Exists(Report.objects.filter(run=OuterRef("pk")))}


@registries.visibility("explanation.Report")
def reports_seen(scopes: Scopes) -> Q:
    return Q(run__plan__version__model_id__in=scopes.of(duties.MODEL))
