"""What people were told beforehand by mail: once for each thing, person and time."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.trail.history import history


class Reminder(models.Model):
    """One mail to one person about one record. `stage`: which of the times at which it is told ("30 days", …)."""

    subject_kind = "access.reminder"

    about_kind = models.CharField(max_length=60)
    about_id = models.BigIntegerField()
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    stage = models.CharField(max_length=12)
    title = models.CharField(max_length=200)
    text = models.TextField()
    asked_at = models.DateTimeField()
    history = history()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["about_kind", "about_id", "person", "stage"], name="reminder_told_once"
            )
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"reminder {self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)
