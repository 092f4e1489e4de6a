"""Explanation reports: what a frozen model rests on, computed on the vault set or submitted, and reviewed (PC27)."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.core.models import Job
from apps.explanation import states
from apps.trail.history import history
from apps.validations.models import Run


class Report(models.Model):
    """One explanation of the version that a run tested, with the review of it. Numbers have no gaps."""

    subject_kind = "explanation.report"

    number = models.PositiveIntegerField(unique=True)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="explanations")
    origin = models.CharField(
        max_length=9,
        choices=[(o.value, states.ORIGIN_WORDS[o]) for o in states.Origin],
        default=states.Origin.COMPUTED,
    )
    # The class whose score is explained of every case; empty: of each case that of the class it gets.
    explained_class = models.CharField(max_length=120, blank=True, default="")
    state = models.CharField(
        max_length=9, choices=[(s.value, states.WORDS[s]) for s in states.State], default=states.State.QUEUED
    )
    job = models.OneToOneField(Job, on_delete=models.PROTECT, null=True, related_name="+")
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    finished_at = models.DateTimeField(null=True, blank=True)
    method = models.JSONField(default=dict)  # sizes, seeds and runtime; of a submitted one method and library
    # {"features": [{"rank", "feature", "value", "low", "high", "n", "measure", "sentence"}], "stability", "surrogate"}
    summary = models.JSONField(default=dict)
    results_digest = models.CharField(max_length=71, blank=True)  # JSON of the whole report
    chart_digest = models.CharField(max_length=71, blank=True)  # SVG of the ranking
    cases_digest = models.CharField(
        max_length=71, blank=True
    )  # Parquet: attributions of each case, in the vault
    source_digest = models.CharField(max_length=71, blank=True)  # the file as it was submitted
    source_name = models.CharField(max_length=200, blank=True)
    failure = models.TextField(blank=True)
    # {"features": [{"feature", "decision", "reason"}], "surrogate": {"decision", "reason"}, "conclusion"}
    review = models.JSONField(default=dict, blank=True)
    review_state = models.CharField(
        max_length=8,
        choices=[(s.value, states.REVIEW_WORDS[s]) for s in states.ReviewState],
        default=states.ReviewState.NONE,
    )
    reviewed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    reviewed_at = models.DateTimeField(null=True, blank=True)
    stored_files = (
        StoredFile("results_digest", "results"),
        StoredFile("chart_digest", "results"),
        StoredFile("cases_digest", "vault"),
        StoredFile("source_digest", "files"),
    )
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.ref} of {self.run.ref}"

    @property
    def ref(self) -> str:
        return f"XR-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.run.plan.version.model_id)
