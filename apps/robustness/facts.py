"""What separation and visibility ask of probe plans, reports and evidence."""

from __future__ import annotations

from django.db.models import Exists, OuterRef, Q

from apps.access import duties
from apps.access.facts import Closures, Facts, pairs
from apps.access.gate import Scopes
from apps.core import registries
from apps.registry.facts import facts_on_version
from apps.registry.hanging import ON, Hanging, of_kind
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport


@registries.facts("robustness.plan")
def plan_facts(plan: ProbePlan) -> Facts:
    """The plan's own closure `record` holds its reports: who makes its probes may not approve it (DY10)."""

    def record() -> Closures:
        mine = [each.pk for each in of_kind(ProbeReport, [plan.version.pk]) if each.made_for == plan.pk]
        return {"record": pairs(ProbeReport.subject_kind, mine)}

    return facts_on_version(plan.version).besides(record)


@registries.facts("robustness.report")
def report_facts(report: ProbeReport) -> Facts:
    return facts_on_version(report.plan.version)


@registries.facts("robustness.evidence")
def evidence_facts(evidence: ProbeEvidence) -> Facts:
    return facts_on_version(evidence.version)


@registries.hanging(ON)
def probes() -> tuple[Hanging, ...]:
    """Probe plans and reports. Evidence is handed in on the version itself."""
    return (
        Hanging(ProbePlan, "validation_plan__version_id"),
        Hanging(ProbeReport, "plan__validation_plan__version_id", made_for="plan_id"),
    )


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
