"""Corrections of a person's printed name or e-mail address: asked for by one person, approved by another."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.accounts.factors import SCOPE
from apps.trail.history import history


class Correction(models.Model):
    """A new printed name, a new address, or both. What was signed keeps the name it was signed with."""

    subject_kind = "accounts.correction"

    class State(models.TextChoices):
        REQUESTED = "requested", "Asked for"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="corrections")
    printed_name = models.CharField(max_length=120, blank=True, default="")  # empty: stays as it is
    email = models.EmailField(blank=True, default="")  # empty: stays as it is
    name_before = models.CharField(max_length=120)
    email_before = models.EmailField(blank=True, default="")
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True, default="")
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["person"], condition=Q(state="requested"), name="correction_asked_once"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None)
                | (~Q(decided_by=models.F("requested_by")) & ~Q(decided_by=models.F("person"))),
                name="correction_decided_by_third",
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"AC-{self.pk}"

    @property
    def scope(self) -> str:
        return SCOPE

    @property
    def told(self) -> str:
        """`printed name “Ann Nowak” to “Ann Novak”; e-mail none to ann@example.org`."""
        said = []
        if self.printed_name:
            said.append(f"printed name “{self.name_before}” to “{self.printed_name}”")
        if self.email:
            said.append(f"e-mail {self.email_before or 'none'} to {self.email}")
        return "; ".join(said)
