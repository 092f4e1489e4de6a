"""Probes of one version: limits, reports with their findings, files handed in."""

from __future__ import annotations

from typing import Any

from apps.core import blobs
from apps.packs.gather.records import moment, person, record
from apps.registry.models import Version
from apps.robustness.models import ProbeEvidence, ProbePlan, ProbeReport
from apps.robustness.queries import EVIDENCE, PLANS, REPORTS, results_told
from apps.validations.stored import AREA


def plans(of: Version) -> list[dict[str, Any]]:
    rows = ProbePlan.objects.filter(validation_plan__version=of).select_related(*PLANS).order_by("number")
    return [
        record(
            each,
            state=each.state,
            state_word=each.get_state_display(),
            locked_at=moment(each.locked_at),
            written_by=person(each.written_by),
        )
        for each in rows
    ]


def reports(of: Version, charts: dict[str, str]) -> list[dict[str, Any]]:
    """Each report with its stored findings; charts go by digest into `charts`."""
    found = []
    rows = ProbeReport.objects.filter(plan__validation_plan__version=of).select_related(*REPORTS)
    for each in rows.order_by("number"):
        results = results_told(each)
        for chart in results.get("charts", ()):
            charts[chart["digest"]] = blobs.read(chart["digest"], area=AREA).decode()
        found.append(
            record(
                each,
                state=each.state,
                state_word=each.get_state_display(),
                verdict_word=each.get_verdict_display(),
                requested_by=person(each.requested_by),
                results=results,
            )
        )
    return found


def evidence(of: Version) -> list[dict[str, Any]]:
    rows = ProbeEvidence.objects.filter(version=of).select_related(*EVIDENCE).order_by("number")
    return [
        record(each, kind_word=each.get_kind_display(), submitted_by=person(each.submitted_by))
        for each in rows
    ]
