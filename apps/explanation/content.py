"""Canonical content of an explanation report with its review: what both signatures of the review bind."""

from __future__ import annotations

from apps.core import registries
from apps.core.clock import iso
from apps.core.digests import plain
from apps.explanation.models import Report


@registries.content("explanation.report")
def report_content(report: Report) -> dict:
    run = report.run
    return {
        "schema": "explanation.report/1",
        "ref": report.ref,
        "origin": report.origin,
        "run": run.ref,
        "plan": run.plan.ref,
        "version": run.plan.version.ref,
        "artefact_digest": run.plan.version.artefact_digest,
        "requested_by": report.requested_by.username,
        "requested_at": iso(report.requested_at),
        "finished_at": iso(report.finished_at) if report.finished_at else "",
        "method": plain(report.method),
        "summary": plain(report.summary),
        "results_digest": report.results_digest,
        "chart_digest": report.chart_digest,
        "cases_digest": report.cases_digest,
        "source_digest": report.source_digest,
        "source_name": report.source_name,
        "failure": report.failure,
        "review": plain(report.review),
        "reviewed_by": report.reviewed_by.username if report.reviewed_by else "",
        "reviewed_at": iso(report.reviewed_at) if report.reviewed_at else "",
        # Left out where none was chosen: what was signed before a class could be chosen stays as it was.
        **({"explained_class": report.explained_class} if report.explained_class else {}),
    }
