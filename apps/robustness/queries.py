"""Reads of probe plans, reports and evidence for pages, API and packs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from apps.access import gate
from apps.access.actors import Actor
from apps.access.signing import Standing, standings
from apps.accounts.models import User
from apps.core import blobs
from apps.core.errors import NotVisible, WrongState
from apps.core.models import Job
from apps.quality.models import Deviation
from apps.quality.queries import opened_by
from apps.registry.models import Version
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport
from apps.robustness.states import EvidenceKind, ReportState
from apps.validations.stored import AREA, read_results

PLANS = (
    "validation_plan__version__model",
    "validation_plan__version__intended_use",
    "validation_plan__test_data__dataset",
    "written_by",
)
REPORTS = (
    "plan__validation_plan__version__model",
    "plan__validation_plan__version__intended_use",
    "plan__validation_plan__test_data__dataset",
    "parity",
    "epsilon",
    "requested_by",
    "job",
)
EVIDENCE = ("version__model", "submitted_by")


@dataclass(frozen=True)
class PlanPage:
    plan: ProbePlan
    signatures: list[Standing]
    reports: list[ProbeReport]


@dataclass(frozen=True)
class ReportPage:
    """results: the stored JSON (numbers as text), empty until done; charts: {"title", "svg", …} in order."""

    report: ProbeReport
    job: Job | None
    results: dict[str, Any]
    charts: list[dict[str, Any]]
    deviations: list[Deviation]


def plans(actor: Actor | User, version: Version | None = None) -> QuerySet[ProbePlan]:
    """Probe plans the person may see, newest first."""
    rows = gate.visible(actor, ProbePlan).select_related(*PLANS)
    return rows if version is None else rows.filter(validation_plan__version=version)


def reports(actor: Actor | User, version: Version | None = None) -> QuerySet[ProbeReport]:
    """The register of probe reports the person may see, newest first, failed and cancelled ones among them."""
    rows = gate.visible(actor, ProbeReport).select_related(*REPORTS)
    return rows if version is None else rows.filter(plan__validation_plan__version=version)


def evidence(actor: Actor | User, version: Version | None = None) -> QuerySet[ProbeEvidence]:
    """What was handed in, newest first."""
    rows = gate.visible(actor, ProbeEvidence).select_related(*EVIDENCE)
    return rows if version is None else rows.filter(version=version)


def newest_evidence(version: Version, kind: EvidenceKind) -> ProbeEvidence | None:
    """The last of its kind that was handed in for a version: a later one takes its place."""
    return ProbeEvidence.objects.filter(version=version, kind=kind).order_by("-number").first()


def results_of(report: ProbeReport) -> dict[str, Any]:
    """The stored results of a finished report, compared with their digest; {} until it is done."""
    return read_results(report.results_digest) if report.state == ReportState.DONE else {}


def results_told(report: ProbeReport) -> dict[str, Any]:
    """The same for reading, whatever schema they were stored in: `test_set` and `train_sets` are always named."""
    found = results_of(report)
    if found.get("schema") == "robustness.results/1":  # it knew one training set, by digest alone
        test, train = report.plan.validation_plan.test_data, found["train_table_digest"]
        found["test_set"] = {"ref": test.ref, "table_digest": test.table_digest}
        found["train_sets"] = [{"ref": "the set declared first", "table_digest": train}] if train else []
    return found


def charts_of(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The charts with their SVG, compared with its digest: the same in page and PDF."""
    return [
        chart | {"svg": blobs.read(chart["digest"], area=AREA).decode()}
        for chart in results.get("charts", ())
    ]


def plan_page(actor: Actor | User, plan_id: int) -> PlanPage:
    plan = plans(actor).filter(pk=plan_id).first()
    if plan is None:
        raise NotVisible
    return PlanPage(plan, standings(plan), list(reports(actor).filter(plan=plan)))


def report_page(actor: Actor | User, report_id: int) -> ReportPage:
    report = reports(actor).filter(pk=report_id).first()
    if report is None:
        raise NotVisible
    results = results_told(report)
    return ReportPage(report, report.job, results, charts_of(results), list(opened_by(report)))


def refuse_unfinished(report: ProbeReport) -> None:
    """Figures are given out when a report is done; WrongState before, and for one that came to nothing."""
    if report.state != ReportState.DONE:
        facts = {
            ReportState.QUEUED: "It is queued or running.",
            ReportState.FAILED: "It failed.",
            ReportState.CANCELLED: "It was cancelled.",
        }
        raise WrongState(
            f"{report.ref} has no figures.",
            fact=facts[ReportState(report.state)],
            rule="report-done",
            who=["whoever may see it, after a report that came to its end"],
        )
