"""Reviews of the audit trail: what one reviewer looked at in one range of one version's trail, and what they found."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.quality.review_rules import WEIGHTS
from apps.registry.models import Version
from apps.trail.history import history

STATES = {"open": "Open", "signed": "Signed", "withdrawn": "Withdrawn"}


class TrailReview(models.Model):
    """One review of the trail of a version, from leaf `from_size` of the log up to and without leaf `until_size`.

    `exceptions` (filter code -> entries) and `sample` are fixed when the range is, so that what was signed can be
    read again whatever the filters become. `root`: of the checkpoint over `until_size` leaves, hex.
    """

    subject_kind = "quality.trail_review"

    number = models.PositiveIntegerField(unique=True)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="trail_reviews")
    state = models.CharField(max_length=10, choices=list(STATES.items()), default="open")
    from_size = models.BigIntegerField(default=0)
    until_size = models.BigIntegerField()
    root = models.CharField(max_length=64)
    until_at = models.DateTimeField()
    rules_version = models.PositiveSmallIntegerField()
    hours = models.CharField(max_length=120)  # the organisation's days, hours and zone, in words
    covered = models.PositiveIntegerField()  # entries in the range
    exceptions = models.JSONField()
    seed = models.CharField(max_length=32)
    sample = models.JSONField()
    opened_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    opened_at = models.DateTimeField()
    # Who and when of the signature or the withdrawal; of a withdrawal also why.
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True, default="")
    history = history()

    marked: frozenset[int] = (
        frozenset()
    )  # entries seen so far, where `reviews_of_versions` has read them along

    class Meta:
        ordering = ["-number"]
        indexes = [models.Index(fields=["version", "state"], name="trail_review_version")]
        constraints = [
            models.UniqueConstraint(
                fields=["version"], condition=models.Q(state="open"), name="one_open_trail_review"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref} of {self.version.ref}"

    @property
    def ref(self) -> str:
        return f"TR-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.version.model_id)

    @property
    def shown(self) -> frozenset[int]:
        """The entries that must be marked as seen: every exception and the sample."""
        return frozenset(self.sample).union(*self.exceptions.values())


class _OnReview(models.Model):
    class Meta:
        abstract = True

    review: Any

    @property
    def scope(self) -> str:
        return self.review.scope


class TrailMark(_OnReview):
    """One entry of the trail, seen by a reviewer."""

    subject_kind = "quality.trail_mark"

    review = models.ForeignKey(TrailReview, on_delete=models.PROTECT, related_name="marks")
    entry = models.BigIntegerField()
    comment = models.TextField(blank=True)
    seen_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    seen_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["entry"]
        constraints = [models.UniqueConstraint(fields=["review", "entry"], name="trail_mark_once")]

    @property
    def ref(self) -> str:
        return f"{self.review.ref} entry {self.entry}"


class TrailFinding(_OnReview):
    """What a review found. One that needs a deviation names it as the deviation's source."""

    subject_kind = "quality.trail_finding"

    review = models.ForeignKey(TrailReview, on_delete=models.PROTECT, related_name="findings")
    number = models.PositiveSmallIntegerField()
    entry = models.BigIntegerField(null=True, blank=True)
    weight = models.CharField(max_length=12, choices=list(WEIGHTS.items()))
    text = models.TextField()
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["number"]
        constraints = [models.UniqueConstraint(fields=["review", "number"], name="trail_finding_once")]

    @property
    def ref(self) -> str:
        return f"{self.review.ref}/{self.number}"
