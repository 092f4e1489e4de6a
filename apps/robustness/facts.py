"""What separation and visibility ask of probe plans, reports and evidence."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef, Q

from apps.access import duties
from apps.access.facts import Closures, Facts, pairs
from apps.access.gate import Scopes
from apps.core import registries
from apps.registry.facts import facts_on_version
from apps.robustness.loading import plans_of_versions, reports_of_versions
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport


@registries.facts("robustness.plan")
def plan_facts(plan: ProbePlan) -> Facts:
    """The plan's own closure `record` holds its reports: who makes its probes may not approve it (DY10)."""

    def record() -> Closures:
        found = reports_of_versions([plan.version.pk])[plan.version.pk]
        mine = [report.pk for report in found if report.plan_id == plan.pk]
        return {"record": pairs(ProbeReport.subject_kind, mine)}

    return facts_on_version(plan.version).besides(record)


@registries.facts("robustness.report")
def report_facts(report: ProbeReport) -> Facts:
    return facts_on_version(report.plan.version)


@registries.facts("robustness.evidence")
def evidence_facts(evidence: ProbeEvidence) -> Facts:
    return facts_on_version(evidence.version)


@registries.closure("registry.versions:version")
def probes_of(version_ids: Collection[int]) -> frozenset[tuple[str, str]]:
    """Probe plans and reports of these versions. Evidence is handed in on the version itself."""
    plans = [plan.pk for found in plans_of_versions(version_ids).values() for plan in found]
    reports = [report.pk for found in reports_of_versions(version_ids).values() for report in found]
    return pairs(ProbePlan.subject_kind, plans) | pairs(ProbeReport.subject_kind, reports)


@registries.alongside("validations.plans")
def probed() -> dict[str, Exists]:
    """Whether a plan has probe plans, so that pages of versions that were not probed ask no more than before."""
    return {"probed": Exists(ProbePlan.objects.filter(validation_plan=OuterRef("pk")))}


@registries.visibility("robustness.ProbePlan")
def plans_seen(scopes: Scopes) -> Q:
    return Q(validation_plan__version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("robustness.ProbeReport")
def reports_seen(scopes: Scopes) -> Q:
    return Q(plan__validation_plan__version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("robustness.ProbeEvidence")
def evidence_seen(scopes: Scopes) -> Q:
    return Q(version__model_id__in=scopes.of(duties.MODEL))
