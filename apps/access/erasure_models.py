"""Erasures of words from the trail, asked for by one person and approved by another; legal holds that stop them."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.access import duties
from apps.trail.history import history
from apps.trail.models import Entry

ORGANISATION_SCOPE = duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)


def _person(**options: Any) -> models.ForeignKey:
    return models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+", **options)


class Erasure(models.Model):
    """Words of one entry of the trail that are to be erased. It names their places and never repeats them."""

    subject_kind = "access.erasure"

    class State(models.TextChoices):
        REQUESTED = "requested", "Asked for"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        WITHDRAWN = "withdrawn", "Withdrawn"

    class Basis(models.TextChoices):
        NOT_NEEDED = "17-1-a", "GDPR Article 17(1)(a): no longer needed for what they were collected for"
        CONSENT = "17-1-b", "GDPR Article 17(1)(b): consent was withdrawn, and there is no other ground"
        OBJECTION = "17-1-c", "GDPR Article 17(1)(c): the person objected, and nothing overrides it"
        UNLAWFUL = "17-1-d", "GDPR Article 17(1)(d): they should not have been written here"
        OBLIGATION = "17-1-e", "GDPR Article 17(1)(e): the law orders it"
        OTHER = "other", "Another law, which the reason names"

    entry = models.BigIntegerField(help_text="Number of the entry of the trail.")
    places = models.JSONField(
        help_text="[[where, first character, behind the last], …] in the words of the entry."
    )
    standing = models.CharField(
        max_length=64, help_text="Digest of the entry's body as it was when this was asked."
    )
    basis = models.CharField(max_length=10, choices=Basis)
    person = _person(null=True, blank=True)  # whose data they are, where they have an account
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requested_by = _person()
    requested_at = models.DateTimeField()
    decided_by = _person(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True, default="")
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["entry"], condition=Q(state="requested"), name="erasure_asked_once"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None)
                | (~Q(decided_by=F("requested_by")) & (Q(person=None) | ~Q(decided_by=F("person")))),
                name="erasure_decided_by_third",
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"ER-{self.pk}"

    @property
    def scope(self) -> str:
        return ORGANISATION_SCOPE

    @property
    def told(self) -> str:
        """`2 passages of entry 41`."""
        count = len(self.places)
        return f"{count} passage{'' if count == 1 else 's'} of entry {self.entry}"

    @cached_property
    def about(self) -> Entry:
        """The entry; a list of erasures puts what it read for all of them in its place."""
        return Entry.objects.get(pk=self.entry)


class Hold(models.Model):
    """A legal hold: nothing is erased of what concerns this person until it is lifted."""

    subject_kind = "access.hold"

    class State(models.TextChoices):
        PLACED = "placed", "Placed"
        LIFTED = "lifted", "Lifted"

    person = _person()
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.PLACED)
    placed_by = _person()
    placed_at = models.DateTimeField()
    lifted_by = _person(null=True, blank=True)
    lifted_at = models.DateTimeField(null=True, blank=True)
    lift_reason = models.TextField(blank=True, default="")
    history = history()

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"LH-{self.pk}"

    @property
    def scope(self) -> str:
        return ORGANISATION_SCOPE
