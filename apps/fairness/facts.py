"""What separation and visibility ask of bias reports."""

from __future__ import annotations

from django.db.models import Q

from apps.access import duties
from apps.access.facts import Facts
from apps.access.gate import Scopes
from apps.core import registries
from apps.fairness.models import Note, Report
from apps.registry.facts import facts_on_version
from apps.registry.hanging import ON, Hanging


@registries.facts("fairness.report")
def report_facts(report: Report) -> Facts:
    return facts_on_version(report.run.plan.version)


@registries.facts("fairness.note")
def note_facts(note: Note) -> Facts:
    return facts_on_version(note.report.run.plan.version)


@registries.hanging(ON)
def reports() -> tuple[Hanging, ...]:
    """`fairness.request_report` is entered on its run or report; both hang on the version."""
    return (Hanging(Report, "run__plan__version_id", made_for="run_id"),)


@registries.visibility("fairness.Report")
def reports_seen(scopes: Scopes) -> Q:
    return Q(run__plan__version__model_id__in=scopes.of(duties.MODEL))


@registries.visibility("fairness.Note")
def notes_seen(scopes: Scopes) -> Q:
    return Q(report__run__plan__version__model_id__in=scopes.of(duties.MODEL))
