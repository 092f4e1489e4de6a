"""Duties given (assignments), separation rules in force, idempotency keys."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.access import duties
from apps.core.clock import now
from apps.trail.history import history


class AssignmentQuerySet(models.QuerySet["Assignment"]):
    def active(self, at: datetime | None = None) -> AssignmentQuerySet:
        """In force at `at` (now): approved, started, not ended, not expired, and the person not deactivated."""
        at = at or now()
        return self.filter(
            Q(ends_at=None) | Q(ends_at__gt=at),
            state=Assignment.State.APPROVED,
            starts_at__lte=at,
            person__is_active=True,
        )

    def on(self, scope_kind: str, scope_id: int) -> AssignmentQuerySet:
        return self.filter(scope_kind=scope_kind, scope_id=scope_id)


class Assignment(models.Model):
    """A duty given to a person on an object: start, end, reason, requester, approver (PC03).

    The record of who may act. The guardian grant on the object is a projection, written by the same act.
    """

    subject_kind = "access.assignment"

    class State(models.TextChoices):
        REQUESTED = "requested", "Requested"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        ENDED = "ended", "Ended"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="assignments")
    duty = models.CharField(max_length=20, choices=[(d.value, duties.WORDS[d]) for d in duties.Duty])
    scope_kind = models.CharField(max_length=40)
    scope_id = models.BigIntegerField()
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    reason = models.TextField()
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    history = history()
    objects = AssignmentQuerySet.as_manager()

    class Meta:
        ordering = ["scope_kind", "scope_id", "duty", "person__printed_name"]
        indexes = [
            models.Index(fields=["person", "state", "scope_kind", "scope_id"]),
            models.Index(fields=["scope_kind", "scope_id", "duty", "state"]),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=models.F("starts_at")),
                name="assignment_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(approver=None)
                | (~Q(approver=models.F("person")) & ~Q(approver=models.F("requester"))),
                name="assignment_approver_is_third",
            ),
            models.UniqueConstraint(
                fields=["person", "duty", "scope_kind", "scope_id"],
                condition=Q(state__in=["requested", "approved"]),
                name="assignment_open_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.person.printed_name} as {duties.WORDS[duties.Duty(self.duty)]}"

    @property
    def ref(self) -> str:
        return f"A-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(self.scope_kind, self.scope_id)

    def in_force(self, at: datetime | None = None) -> bool:
        at = at or now()
        return (
            self.state == self.State.APPROVED
            and self.starts_at <= at
            and (self.ends_at is None or self.ends_at > at)
        )


class SeparationRules(models.Model):
    """One version of the separation rules, as data (append-only; the newest effective one is in force)."""

    subject_kind = "access.separation_rules"

    version = models.PositiveIntegerField(unique=True)
    rules = models.JSONField()
    digest = models.CharField(max_length=71)
    effective_from = models.DateTimeField()
    history = history()

    @property
    def ref(self) -> str:
        return f"separation rules v{self.version}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)


class IdempotencyKey(models.Model):
    """The answer of an act that was asked with a key (bookkeeping): asked again, answered the same."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    key = models.CharField(max_length=100)
    act = models.CharField(max_length=60)
    fingerprint = models.CharField(max_length=64)
    result_kind = models.CharField(max_length=60)
    result_id = models.BigIntegerField(null=True)
    created_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="idempotency_key_once")]
