"""What one person asked another to do, because the rules shut it to them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.access import duties
from apps.core.subjects import Subject, model_of
from apps.trail.history import history


class Ask(models.Model):
    """One request of one person to another to do one act on one record. It carries the record's name, never content."""

    subject_kind = "access.ask"

    class State(models.TextChoices):
        OPEN = "open", "Asked"
        DONE = "done", "Done"
        DECLINED = "declined", "Declined"

    act = models.CharField(max_length=80)
    about_kind = models.CharField(max_length=60)
    about_id = models.BigIntegerField()
    about_ref = models.CharField(max_length=160)
    asker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    state = models.CharField(max_length=8, choices=State.choices, default=State.OPEN)
    asked_at = models.DateTimeField()
    answered_at = models.DateTimeField(null=True, blank=True)
    answer = models.TextField(blank=True, default="")
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["act", "about_kind", "about_id", "asker", "person"],
                condition=Q(state="open"),
                name="asked_once_at_a_time",
            )
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"request to act {self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)

    def about(self) -> Subject | None:
        """The record; None where there is none any more. Whoever shows more of it than its name asks the gate."""
        found: Any = model_of(self.about_kind)._default_manager.filter(pk=self.about_id).first()
        record: Subject | None = found
        return record
