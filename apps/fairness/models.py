"""Bias reports: controlled, rerunnable records computed on the scores of a validation run (PC26)."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.core.models import Job
from apps.fairness import states
from apps.trail.history import history
from apps.validations.models import Run


class Report(models.Model):
    """One bias report of one run against the limits locked in its plan."""

    subject_kind = "fairness.report"

    number = models.PositiveIntegerField(unique=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="bias_reports")
    state = models.CharField(
        max_length=9, choices=[(s.value, states.WORDS[s]) for s in states.State], default=states.State.QUEUED
    )
    job = models.OneToOneField(Job, on_delete=models.PROTECT, null=True, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    verdict = models.CharField(
        max_length=10, choices=[(v.value, states.VERDICT_WORDS[v]) for v in states.Verdict], blank=True
    )
    summary = models.JSONField(
        default=list
    )  # one item a limit: id, what, value, low, high, n, limit, verdict, sentence
    results_digest = models.CharField(max_length=71, blank=True)  # JSON of the whole report
    cells_digest = models.CharField(max_length=71, blank=True)
    chart_digest = models.CharField(max_length=71, blank=True)  # SVG of the forest plot
    failure = models.TextField(blank=True)
    stored_files = tuple(StoredFile(f"{name}_digest", "results") for name in ("results", "chart"))
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.ref} of {self.run.ref}"

    @property
    def ref(self) -> str:
        return f"B-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.run.plan.version.model_id)


class Note(models.Model):
    """What was done about a bias report, or said by those concerned. Written once; later ones stand beside it.

    It is no part of what is signed: it comes after the figures, and keeps its own writer, time and reason.
    """

    subject_kind = "fairness.note"

    report = models.ForeignKey(Report, on_delete=models.PROTECT, related_name="notes")
    kind = models.CharField(max_length=12, choices=[(k.value, states.NOTE_WORDS[k]) for k in states.NoteKind])
    text = models.TextField()
    reason = models.TextField()
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"{self.report.ref}/{self.pk}"

    @property
    def scope(self) -> str:
        return self.report.scope
