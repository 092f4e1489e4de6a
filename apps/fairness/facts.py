"""What separation and visibility ask of bias reports."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts, pairs
from apps.access.gate import Scopes
from apps.core import registries
from apps.fairness.models import Note, Report
from apps.fairness.queries import reports_of_versions
from apps.registry.facts import facts_on_version


@registries.facts("fairness.report")
def report_facts(report: Report) -> Facts:
    return facts_on_version(report.run.plan.version)


@registries.facts("fairness.note")
def note_facts(note: Note) -> Facts:
    return facts_on_version(note.report.run.plan.version)


@registries.closure("registry.versions:version")
def reports_and_their_runs(version_ids: Collection[int]) -> frozenset[tuple[str, str]]:
    """`fairness.request_report` is entered on its run or report; both are in the version's closure."""
    found = [report for rows in reports_of_versions(version_ids).values() for report in rows]
    return pairs(Report.subject_kind, [report.pk for report in found]) | pairs(
        "validations.run", [report.run_id for report in found]
    )


@registries.visibility("fairness.Report")
def reports_seen(scopes: Scopes) -> Q:
    return Q(run__plan__version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("fairness.Note")
def notes_seen(scopes: Scopes) -> Q:
    return Q(report__run__plan__version__model_id__in=scopes.of(duties.MODEL))
