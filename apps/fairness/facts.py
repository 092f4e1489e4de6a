"""What separation and visibility ask of bias reports."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts, pairs
from apps.access.gate import Scopes
from apps.core import registries
from apps.fairness.models import Report
from apps.registry.facts import facts_on_version


@registries.facts("fairness.report")
def report_facts(report: Report) -> Facts:
    return facts_on_version(report.run.plan.version)


@registries.closure("registry.versions:version")
def reports_of(version_ids: Iterable[int]) -> frozenset[tuple[str, str]]:
    ids = Report.objects.filter(run__plan__version_id__in=version_ids).values_list("pk", flat=True)
    return pairs(Report.subject_kind, ids)


@registries.closure("registry.versions:version")
def runs_asked_for_bias(version_ids: Iterable[int]) -> frozenset[tuple[str, str]]:
    """`fairness.request_report` is entered on its run or report; both are in the version's closure."""
    ids = Report.objects.filter(run__plan__version_id__in=version_ids).values_list("run_id", flat=True)
    return pairs("validations.run", ids)


@registries.visibility("fairness.Report")
def reports_seen(scopes: Scopes) -> Q:
    return Q(run__plan__version__model_id__in=scopes.of(duties.MODEL))
