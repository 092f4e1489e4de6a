"""Inspectors' access with its scope and end, and the numbered copies they were handed."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.access import duties
from apps.core.clock import now
from apps.core.standing import Standing, word_of
from apps.trail.history import history

ORGANISATION_SCOPE = duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)


class Inspection(models.Model):
    """An inspector's access: to everything or to chosen models and datasets, for a purpose, until an end (PC07).

    Approval makes one assignment of the duty inspector for each place; those are what the gate asks.
    """

    subject_kind = "access.inspection"

    class State(models.TextChoices):
        REQUESTED = "requested", "Waits for approval"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"
        ENDED = "ended", "Ended early"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="inspections")
    authority = models.CharField(max_length=160)  # on whose behalf: an agency, a client, internal audit
    purpose = models.TextField()
    everything = models.BooleanField(default=False)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    # Who, when and why of a refusal or of an early end.
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    history = history()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["person", "state", "ends_at"], name="inspection_of_person")]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at__gt=F("starts_at")), name="inspection_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(approver=None) | (~Q(approver=F("person")) & ~Q(approver=F("requester"))),
                name="inspection_approver_is_third",
            ),
            models.UniqueConstraint(
                fields=["person"], condition=Q(state="requested"), name="inspection_asked_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref}: {self.person.printed_name} for {self.authority}"

    @property
    def ref(self) -> str:
        return f"I-{self.pk}"

    @property
    def scope(self) -> str:
        return ORGANISATION_SCOPE

    STANDINGS = (
        Standing("requested", "Waits for approval", lambda _at: Q(state="requested")),
        Standing("later", "Begins later", lambda at: Q(state="approved", starts_at__gt=at)),
        Standing("open", "Open", lambda at: Q(state="approved", starts_at__lte=at, ends_at__gt=at)),
        Standing("over", "Over", lambda at: Q(state="approved", starts_at__lte=at, ends_at__lte=at)),
        Standing("refused", "Refused", lambda _at: Q(state="refused")),
        Standing("ended", "Ended early", lambda _at: Q(state="ended")),
    )

    @property
    def standing(self) -> str:
        """What it is now: what has not begun or ran out says so."""
        if self.state != self.State.APPROVED:
            return self.state
        if self.starts_at > now():
            return "later"
        return "open" if self.ends_at > now() else "over"

    @property
    def word(self) -> str:
        return word_of(self.STANDINGS, self.standing)


class InspectionPlace(models.Model):
    """One model or dataset of an inspection (the organisation: all of them), with the assignment approval made."""

    subject_kind = "access.inspection_place"

    inspection = models.ForeignKey(Inspection, on_delete=models.PROTECT, related_name="places")
    scope_kind = models.CharField(max_length=40)
    scope_id = models.BigIntegerField()
    assignment = models.ForeignKey(
        "access.Assignment", on_delete=models.PROTECT, null=True, blank=True, related_name="inspection_places"
    )
    history = history()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["inspection", "scope_kind", "scope_id"], name="inspection_place_once"
            )
        ]

    @property
    def ref(self) -> str:
        return f"{self.inspection.ref} on {self.place}"

    @property
    def place(self) -> str:
        return duties.scope_text(self.scope_kind, self.scope_id)

    @property
    def scope(self) -> str:
        return ORGANISATION_SCOPE


class Copy(models.Model):
    """A numbered copy handed to an inspector: which bytes, from which address, when. Numbers have no gaps."""

    subject_kind = "access.copy"

    class State(models.TextChoices):
        HANDED = "handed", "Handed out"
        SPOILT = "spoilt", "Not handed out whole"

    number = models.PositiveIntegerField(unique=True)
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="copies")
    file_name = models.CharField(max_length=200)
    file_sha256 = models.CharField(max_length=64)  # hex, of the bytes as the portal gave them, inside the ZIP
    file_size = models.BigIntegerField()  # bytes
    content_type = models.CharField(max_length=120, blank=True)
    page = models.CharField(max_length=80)  # URL name
    record = models.CharField(max_length=200, blank=True)  # what the address names: slug=lotx label=1.0.0
    address = models.CharField(max_length=500)
    handed_at = models.DateTimeField()
    state = models.CharField(max_length=8, choices=State, default=State.HANDED)
    spoilt_because = models.CharField(max_length=300, blank=True)
    history = history()

    class Meta:
        ordering = ["-number"]
        indexes = [models.Index(fields=["person", "-number"], name="copy_of_person")]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"copy {self.number}"

    @property
    def scope(self) -> str:
        return ORGANISATION_SCOPE
