"""Reads of explanation reports for gates, pages, API and packs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import QuerySet

from apps.access import gate
from apps.access.actors import Actor
from apps.access.sharing import gathered, grouped
from apps.accounts.models import User
from apps.core import blobs
from apps.core.errors import NotVisible, WrongState
from apps.core.models import Job
from apps.explanation.models import Report
from apps.explanation.states import FACTS, State
from apps.quality.models import Deviation
from apps.quality.queries import opened_by
from apps.registry.models import Version
from apps.validations.loading import runs_of_versions
from apps.validations.models import Run
from apps.validations.stored import AREA, read_results

RELATED = (
    "run__plan__version__model",
    "run__plan__version__intended_use",
    "run__plan__test_data__dataset",
    "requested_by",
    "reviewed_by",
    "job",
)


@dataclass(frozen=True)
class ReportPage:
    """results: the stored JSON (numbers as text), empty until done; chart: SVG of the ranking, empty without one."""

    report: Report
    job: Job | None
    results: dict[str, Any]
    chart: str
    deviations: list[Deviation]


def reports(
    actor: Actor | User, *, version: Version | None = None, run: Run | None = None
) -> QuerySet[Report]:
    """Explanation reports the person may see, newest first."""
    rows = gate.visible(actor, Report).select_related(*RELATED)
    if version is not None:
        rows = rows.filter(run__plan__version=version)
    return rows if run is None else rows.filter(run=run)


def reports_of_versions(version_ids: Collection[int]) -> dict[int, list[Report]]:
    """Version id -> its explanation reports with their jobs, newest first; for gates and closures, whoever looks."""

    def load(ids: list[int]) -> dict[int, list[Report]]:
        runs = runs_of_versions(ids)
        if not any(getattr(run, "explained", True) for pk in ids for run in runs[pk]):
            return {}
        rows = Report.objects.filter(run__plan__version_id__in=ids).select_related("job", *RELATED[:3])
        return grouped(rows, lambda report: report.run.plan.version_id)

    return {pk: rows or [] for pk, rows in gathered("explanations", version_ids, load).items()}


def results_of(report: Report) -> dict[str, Any]:
    """The stored results of a finished report, compared with their digest; {} until it is done.

    Single cases of the first schema hold row numbers and exact scores: they are left out wherever results are shown.
    """
    found = read_results(report.results_digest) if report.state == State.DONE else {}
    told = found.get("explanation", {})
    if told.get("schema") == "countersign.explanation/1":
        told |= {
            "examples": [],
            "examples_withheld": "Single cases of a report of before are no longer told.",
        }
    return found


def chart_of(report: Report) -> str:
    """The ranking as SVG, compared with its digest: the same in page and PDF; "" without one."""
    return blobs.read(report.chart_digest, area=AREA).decode() if report.chart_digest else ""


def report_page(actor: Actor | User, report_id: int) -> ReportPage:
    report = reports(actor).filter(pk=report_id).first()
    if report is None:
        raise NotVisible
    return ReportPage(report, report.job, results_of(report), chart_of(report), list(opened_by(report)))


def refuse_unfinished(report: Report) -> None:
    """Figures are given out when a report is done; WrongState before, and for one that came to nothing."""
    if report.state != State.DONE:
        raise WrongState(
            f"{report.ref} has no figures.",
            fact=FACTS[State(report.state)],
            rule="report-done",
            who=["whoever may see it, after a report that came to its end"],
        )
