"""Canonical content of a bias report."""

from __future__ import annotations

from apps.core import registries
from apps.core.clock import iso
from apps.core.digests import plain
from apps.fairness.models import Report


@registries.content("fairness.report")
def report_content(report: Report) -> dict:
    run = report.run
    return {
        "schema": "fairness.report/1",
        "ref": report.ref,
        "run": run.ref,
        "plan": run.plan.ref,
        "version": run.plan.version.ref,
        "cases_digest": run.cases_digest,
        "requested_by": report.requested_by.username,
        "requested_at": iso(report.requested_at),
        "finished_at": iso(report.finished_at) if report.finished_at else "",
        "verdict": report.verdict,
        "summary": plain(report.summary),
        "results_digest": report.results_digest,
        "cells_digest": report.cells_digest,
        "chart_digest": report.chart_digest,
        "failure": report.failure,
    }
