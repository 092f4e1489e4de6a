"""Access reviews: a campaign, and for each object the sheets on which its duties are confirmed or ended (PC06)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q

from apps.access import duties
from apps.core.clock import now
from apps.core.standing import Standing, word_of
from apps.trail.history import history
from apps.trail.models import Signature


class AccessReview(models.Model):
    """A campaign: opened by compliance, due on a day, closed when every sheet is signed or has lapsed."""

    subject_kind = "access.review"

    class State(models.TextChoices):
        PREPARING = "preparing", "Being opened"
        OPEN = "open", "Open"
        CLOSED = "closed", "Closed"
        WITHDRAWN = "withdrawn", "Withdrawn"

    title = models.CharField(max_length=120)
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True, blank=True)
    # Who, when and why of a withdrawal.
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    chosen = models.JSONField(default=list)  # [["registry.model", 3, "lotx"], …]
    # Goes through many objects before the campaign opens; none where there were few.
    job = models.ForeignKey("core.Job", on_delete=models.PROTECT, null=True, blank=True, related_name="+")
    empty = models.JSONField(default=list)  # references of chosen objects on which nobody held a duty
    result_digest = models.CharField(max_length=71, blank=True)
    history = history()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["state", "due_at"])]

    def __str__(self) -> str:
        return f"{self.ref}: {self.title}"

    @property
    def ref(self) -> str:
        return f"AR-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)

    STANDINGS = (
        Standing("preparing", "Being opened", lambda _at: Q(state="preparing")),
        Standing("open", "Open", lambda at: Q(state="open", due_at__gt=at)),
        Standing("late", "Late", lambda at: Q(state="open", due_at__lte=at)),
        Standing("closed", "Closed", lambda _at: Q(state="closed")),
        Standing("withdrawn", "Withdrawn", lambda _at: Q(state="withdrawn")),
    )

    @property
    def late(self) -> bool:
        return self.state == self.State.OPEN and self.due_at <= now()

    @property
    def word(self) -> str:
        return word_of(self.STANDINGS, "late" if self.late else self.state)


class ReviewSheet(models.Model):
    """The duties on one object that one group of reviewers answers for; signed as one record.

    Nobody reviews their own: the duties of each person who reviews the object stand on a sheet of their own (`whose`),
    which another reviewer signs. `lines`: a list of {"kind", "id", "ref", "person", "name", "duty", "word", "since",
    "until", "decision": "" | keep | end, "comment", "by", "outcome": "" | kept | ended | lapsed | gone | sole}.
    """

    subject_kind = "access.review_sheet"

    class State(models.TextChoices):
        OPEN = "open", "Waits for its reviewer"
        SIGNED = "signed", "Signed"
        LAPSED = "lapsed", "Lapsed unsigned"
        WITHDRAWN = "withdrawn", "Withdrawn"

    review = models.ForeignKey(AccessReview, on_delete=models.PROTECT, related_name="sheets")
    scope_kind = models.CharField(max_length=40)
    scope_id = models.BigIntegerField()
    place = models.CharField(max_length=120)
    whose = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    whose_key = models.BigIntegerField(default=0)  # whose, as a number: a null would not be unique
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    lines = models.JSONField(default=list)
    signature = models.ForeignKey(
        Signature, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    history = history()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(fields=["scope_kind", "scope_id", "state"]),
            models.Index(fields=["state", "review"]),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["scope_kind", "scope_id", "whose_key"],
                condition=models.Q(state="open"),
                name="review_sheet_open_once",
            )
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"AR-{self.review_id}/{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(self.scope_kind, self.scope_id)

    @property
    def title(self) -> str:
        """`lotx`, or `lotx: duties of Olga Owner`."""
        return f"{self.place}: duties of {self.whose.printed_name}" if self.whose else self.place

    @property
    def undecided(self) -> list[dict[str, Any]]:
        return [line for line in self.lines if not line["decision"]]
