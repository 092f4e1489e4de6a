"""Reads of bias reports for pages, API and packs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django.db.models import CharField, OuterRef, QuerySet, Subquery
from django.db.models.functions import Cast

from apps.access import gate
from apps.access.actors import Actor
from apps.access.sharing import gathered, grouped
from apps.access.signing import Standing, standings
from apps.accounts.models import User
from apps.core import blobs
from apps.core.errors import NotVisible, WrongState
from apps.core.models import Job
from apps.fairness.models import Note, Report
from apps.fairness.states import FACTS, State
from apps.quality.models import Deviation
from apps.quality.queries import opened_by
from apps.registry.models import Version
from apps.trail.models import Signature
from apps.validations.models import Run
from apps.validations.stored import AREA, read_results
from apps.validations.telling import reads_cases, told, told_comparison

RELATED = (
    "run__plan__version__model",
    "run__plan__version__intended_use",
    "run__plan__test_data__dataset",
    "requested_by",
    "job",
)


@dataclass(frozen=True)
class ReportPage:
    """results: the stored JSON (numbers as text), empty until done; charts: {"title", "svg", …} in order."""

    report: Report
    job: Job | None
    results: dict[str, Any]
    charts: list[dict[str, Any]]
    deviations: list[Deviation]
    notes: list[Note]
    signatures: list[Standing]


def reports(
    actor: Actor | User, *, version: Version | None = None, run: Run | None = None
) -> QuerySet[Report]:
    """Bias reports the person may see, newest first."""
    rows = gate.visible(actor, Report).select_related(*RELATED)
    if version is not None:
        rows = rows.filter(run__plan__version=version)
    return rows if run is None else rows.filter(run=run)


def reports_of_versions(version_ids: Collection[int]) -> dict[int, list[Report]]:
    """Version id -> its bias reports with their jobs, newest first; for gates and closures, whoever looks.

    Each has `reviewed_as`: the digest of the content that its newest signature of review was given for, or None.
    """

    def load(ids: list[int]) -> dict[int, list[Report]]:
        given = Signature.objects.filter(
            subject_kind=Report.subject_kind,
            subject_id=Cast(OuterRef("pk"), CharField()),
            meaning="review",
            decision="approved",
        )
        rows = Report.objects.filter(run__plan__version_id__in=ids).select_related(
            "run__plan", "requested_by", "job"
        )
        rows = rows.annotate(reviewed_as=Subquery(given.order_by("-id").values("content_digest")[:1]))
        return grouped(rows, lambda report: report.run.plan.version_id)

    return {pk: rows or [] for pk, rows in gathered("reports", version_ids, load).items()}


def results_of(report: Report) -> dict[str, Any]:
    """The stored results of a finished report, compared with their digest; {} until it is done."""
    return read_results(report.results_digest) if report.state == State.DONE else {}


def results_for(actor: Actor | User, report: Report) -> dict[str, Any]:
    """`results_of` as told to the person: figures of small groups to who may read the cases, to nobody else."""
    results = results_of(report)
    return results if not results or reads_cases(actor, report.run) else told_results(results)


def told_results(results: dict[str, Any]) -> dict[str, Any]:
    """Stored results without the figures of small groups; charts are those drawn without them.

    A report of before has no such drawing: of it a chart is left out where one of its groups is hidden.
    """
    made = told(results)
    if "replaced" in results:
        made["replaced"] = told_comparison(results["replaced"])
    made["charts"] = [
        chart | {"digest": digest}
        for chart in results.get("charts", ())
        if (digest := chart.get("told", "" if _hides(results, made, chart) else chart["digest"]))
    ]
    return made


def _hides(results: dict[str, Any], made: dict[str, Any], chart: dict[str, Any]) -> bool:
    """Whether the chart shows what `made` of `results` does not tell."""
    before, after = (
        next(g for g in each["report"]["groupings"] if g["attributes"] == [chart["column"]])["groups"]
        for each in (results, made)
    )
    return bool(before != after)


def charts_of(results: dict[str, Any]) -> list[dict[str, Any]]:
    """The charts with their SVG, compared with its digest: the same in page and PDF; `bins` of a calibration chart."""
    return [
        chart
        | {
            "svg": blobs.read(chart["digest"], area=AREA).decode(),
            "bins": _bins(results, chart) if chart["metric"] == "calibration" else [],
        }
        for chart in results.get("charts", ())
    ]


def _bins(results: dict[str, Any], chart: dict[str, Any]) -> list[dict[str, Any]]:
    """The calibration bins that a calibration chart shows."""
    grouping = next(g for g in results["report"]["groupings"] if g["attributes"] == [chart["column"]])
    found = next(g for g in grouping["groups"] if g["name"] == chart["group"])
    return list(found.get("calibration") or ())


def report_page(actor: Actor | User, report_id: int) -> ReportPage:
    report = reports(actor).filter(pk=report_id).first()
    if report is None:
        raise NotVisible
    results = results_for(actor, report)
    return ReportPage(
        report=report,
        job=report.job,
        results=results,
        charts=charts_of(results),
        deviations=list(opened_by(report)),
        notes=list(report.notes.select_related("written_by")),
        signatures=standings(report),
    )


def refuse_unfinished(report: Report) -> None:
    """Figures are given out when a report is done; WrongState before, and for one that came to nothing."""
    if report.state != State.DONE:
        raise WrongState(
            f"{report.ref} has no figures.",
            fact=FACTS[State(report.state)],
            rule="report-done",
            who=["whoever may see it, after a report that came to its end"],
        )
