"""What separation and visibility ask of explanation reports."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import Scopes
from apps.core import registries
from apps.explanation.models import Report
from apps.registry.facts import facts_on_version
from apps.registry.hanging import ON, Hanging


@registries.facts("explanation.report")
def report_facts(report: Report) -> Facts:
    return facts_on_version(report.run.plan.version)


@registries.hanging(ON)
def reports() -> tuple[Hanging, ...]:
    """What is done to an explanation is done to the version it explains."""
    return (Hanging(Report, "run__plan__version_id", made_for="run_id"),)


@registries.alongside("validations.runs")
def explained() -> dict[str, Exists]:
    """Whether a run was explained, so that pages of versions that were not ask no more than before."""
    return {"explained": Exists(Report.objects.filter(run=OuterRef("pk")))}


@registries.visibility("explanation.Report")
def reports_seen(scopes: Scopes) -> Q:
    return Q(run__plan__version__model_id__in=scopes.of(duties.MODEL))
