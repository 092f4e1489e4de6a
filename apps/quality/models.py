"""Deviations: a departure or failed limit, decided by somebody who did not raise it."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.quality import states
from apps.registry.models import Version
from apps.trail.history import history


class Deviation(models.Model):
    """One deviation of a model version. Failed criteria open theirs by themselves (Annex 22 draft 7.3)."""

    subject_kind = "quality.deviation"

    number = models.PositiveIntegerField(unique=True)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="deviations")
    title = models.CharField(max_length=200)
    description = models.TextField()
    source_kind = models.CharField(max_length=60, blank=True)  # validations.run | fairness.report | ""
    source_id = models.CharField(max_length=20, blank=True)
    criterion = models.CharField(max_length=120, blank=True)  # id of the failed criterion or limit
    blocking = models.BooleanField(default=True)
    state = models.CharField(
        max_length=10, choices=[(s.value, states.WORDS[s]) for s in states.State], default=states.State.OPEN
    )
    raised_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    raised_on_behalf_of = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    raised_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)
    history = history()

    class Meta:
        ordering = ["-number"]
        indexes = [
            models.Index(fields=["version", "state"]),
            models.Index(fields=["source_kind", "source_id"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source_kind", "source_id", "criterion"],
                condition=~models.Q(source_kind=""),
                name="deviation_once_per_failure",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ref} {self.title}"

    @property
    def ref(self) -> str:
        return f"DEV-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.version.model_id)


# Reviews of the trail live in a file of their own; Django finds models here.
from apps.quality.review_models import TrailFinding, TrailMark, TrailReview  # noqa: E402

__all__ = ["Deviation", "TrailFinding", "TrailMark", "TrailReview"]
