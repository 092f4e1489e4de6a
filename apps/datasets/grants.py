"""Sensitive datasets: who asked to read one and why, what the steward said, and the way back to not sensitive."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.access import duties
from apps.core.clock import now
from apps.core.standing import Standing, word_of
from apps.trail.history import history


class ReadGrantQuerySet(models.QuerySet["ReadGrant"]):
    def in_force(self, at: datetime | None = None) -> ReadGrantQuerySet:
        """Granted, not ended and not run out at `at` (now)."""
        at = at or now()
        return self.filter(
            Q(ended_at=None) | Q(ended_at__gt=at),
            state__in=[ReadGrant.State.GRANTED, ReadGrant.State.ENDED],
            decided_at__lte=at,
            expires_at__gt=at,
        )


class ReadGrant(models.Model):
    """One person's access to the rows of one sensitive dataset: asked for with a justification, given for hours."""

    subject_kind = "datasets.read_grant"

    class State(models.TextChoices):
        REQUESTED = "requested", "Waits for the steward"
        GRANTED = "granted", "Granted"
        REFUSED = "refused", "Refused"
        ENDED = "ended", "Ended early"

    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.PROTECT, related_name="read_grants")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    justification = models.TextField()
    hours = models.PositiveSmallIntegerField()  # asked for
    hours_given = models.PositiveSmallIntegerField(null=True, blank=True)  # once granted
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    history = history()
    objects = ReadGrantQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["dataset", "person", "state"], name="read_grant_of_person")]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset", "person"], condition=Q(state="requested"), name="read_grant_asked_once"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("person")), name="read_grant_not_to_oneself"
            ),
            models.CheckConstraint(
                condition=Q(expires_at=None) | Q(expires_at__gt=F("decided_at")),
                name="read_grant_ends_after_it_begins",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref}: {self.person.printed_name} on {self.dataset.slug}"

    @property
    def ref(self) -> str:
        return f"RA-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.DATASET, self.dataset_id)

    def in_force(self, at: datetime | None = None) -> bool:
        at = at or now()
        if self.state not in (self.State.GRANTED, self.State.ENDED) or self.decided_at is None:
            return False
        open_still = self.ended_at is None or self.ended_at > at
        return self.decided_at <= at and self.expires_at is not None and self.expires_at > at and open_still

    STANDINGS = (
        Standing("requested", "Waits for the steward", lambda _at: Q(state="requested")),
        Standing("in_force", "In force", lambda at: Q(state="granted", expires_at__gt=at)),
        Standing("run_out", "Run out", lambda at: Q(state="granted", expires_at__lte=at)),
        Standing("refused", "Refused", lambda _at: Q(state="refused")),
        Standing("ended", "Ended early", lambda _at: Q(state="ended")),
    )

    @property
    def standing(self) -> str:
        """What it is now: what ran out says so, whatever the column says."""
        if self.state == self.State.GRANTED:
            return "in_force" if self.in_force() else "run_out"
        return self.state

    @property
    def word(self) -> str:
        return word_of(self.STANDINGS, self.standing)

    def told(self) -> str:
        """`RA-3: to answer query 7 of the data manager`, as the entry of each read carries it."""
        return f"{self.ref}: {self.justification}"


class Unmarking(models.Model):
    """A request that a dataset be no longer sensitive: another person decides."""

    subject_kind = "datasets.unmarking"

    class State(models.TextChoices):
        REQUESTED = "requested", "Waits for a second person"
        APPROVED = "approved", "Approved"
        REFUSED = "refused", "Refused"

    dataset = models.ForeignKey("datasets.Dataset", on_delete=models.PROTECT, related_name="unmarkings")
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requested_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    requested_at = models.DateTimeField()
    decided_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)
    history = history()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["dataset"], condition=Q(state="requested"), name="unmarking_asked_once"
            ),
            models.CheckConstraint(
                condition=Q(decided_by=None) | ~Q(decided_by=F("requested_by")), name="unmarking_by_a_second"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref}: {self.dataset.slug}"

    @property
    def ref(self) -> str:
        return f"UM-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.DATASET, self.dataset_id)
