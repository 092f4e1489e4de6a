"""Duties given (assignments), separation rules in force, waivers, idempotency keys."""

from __future__ import annotations

from datetime import datetime
from functools import cache

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from apps.access import duties
from apps.core.clock import now
from apps.core.kept_sql import Kept, Text
from apps.core.standing import Standing, word_of
from apps.trail.history import history
from apps.trail.models import Signature


@cache
def _places(kind: str) -> Kept:
    return Kept(
        lambda person_id, at: (
            Assignment.objects.active(at).filter(person_id=person_id, scope_kind=kind).values("scope_id")
        )
    )


@cache
def _for_all(duty_names: frozenset[str]) -> Kept:
    return Kept(
        lambda person_id, at: (
            Assignment.objects.active(at)
            .filter(person_id=person_id, scope_kind=duties.ORGANISATION, duty__in=sorted(duty_names))
            .values("pk")
        )
    )


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

    @staticmethod
    def places(person_id: int, kind: str) -> Text:
        """Ids of the objects of `kind` on which the person holds any duty now."""
        return _places(kind).ids(person_id, now())

    @staticmethod
    def holds_for_all(person_id: int, duty_names: frozenset[str]) -> Q:
        """Whether the person holds one of these duties for the organisation now, as a condition."""
        return _for_all(duty_names).exist(person_id, now())

    def still_open(self) -> AssignmentQuerySet:
        """In force, still to start, or asked for: what counts when another duty or a seat is asked for."""
        state = Assignment.State
        return self.filter(state__in=[state.REQUESTED, state.APPROVED]).exclude(ends_at__lte=now())

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
    # Who, when and why of a refusal or of the end. `ends_at` is when the duty stops, which may be another moment.
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    # Given against a static rule that this waiver opened: it ends with the waiver.
    waiver = models.ForeignKey(
        "access.Waiver", on_delete=models.PROTECT, null=True, blank=True, related_name="assignments"
    )
    history = history()
    objects = AssignmentQuerySet.as_manager()

    class Meta:
        ordering = ["scope_kind", "scope_id", "duty", "person__printed_name"]
        indexes = [
            models.Index(fields=["person", "state", "scope_kind", "scope_id"]),
            models.Index(fields=["scope_kind", "scope_id", "duty", "state"]),
            # The registers of duties are read in these orders, newest first.
            models.Index(fields=["starts_at", "id"], name="assignment_by_start"),
            models.Index(Coalesce(F("ended_at"), F("ends_at")), F("id"), name="assignment_by_end"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(ends_at=None) | Q(ends_at__gt=F("starts_at")),
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


class Proposal(models.Model):
    """What two people sign before it counts: a QA approver and a compliance officer."""

    subject_kind: str

    class State(models.TextChoices):
        PROPOSED = "proposed", "Waits for signatures"
        SIGNED = "signed", "Signed by both"
        REJECTED = "rejected", "Rejected"
        ENDED = "ended", "Ended"

    SIGNERS = ("approver_signature", "compliance_signature")

    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    reason = models.TextField()
    proposed_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    proposed_at = models.DateTimeField()
    approver_signature = models.ForeignKey(
        Signature, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    compliance_signature = models.ForeignKey(
        Signature, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    decided_at = models.DateTimeField(null=True, blank=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)

    class Meta:
        abstract = True

    @property
    def ref(self) -> str:
        raise NotImplementedError

    @property
    def signatures(self) -> list[Signature]:
        return [s for s in (self.approver_signature, self.compliance_signature) if s is not None]


class WaiverQuerySet(models.QuerySet["Waiver"]):
    def in_force(self, at: datetime | None = None) -> WaiverQuerySet:
        """Signed by both, not run out and not revoked at `at` (now)."""
        at = at or now()
        return self.filter(
            Q(ended_at=None) | Q(ended_at__gt=at),
            state__in=[Waiver.State.SIGNED, Waiver.State.ENDED],
            decided_at__lte=at,
            expires_at__gt=at,
        )


class Waiver(Proposal):
    """One rule opened for one person on one model, or one version of it, until it runs out (engine rule 5)."""

    subject_kind = "access.waiver"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="waivers")
    # As it was when asked for, for it is signed. Empty in rows from before it was kept.
    printed_name = models.CharField(max_length=120, blank=True, default="")
    rule = models.CharField(max_length=8)
    scope_kind = models.CharField(max_length=40, default=duties.MODEL)
    scope_id = models.BigIntegerField()
    version_id = models.BigIntegerField(default=0)  # a version of that model; 0: every version of it
    place = models.CharField(max_length=120)  # the reference people read, as it was when it was asked for
    control = models.TextField()  # what is done instead, so that the risk stays covered
    expires_at = models.DateTimeField()
    history = history()
    objects = WaiverQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["scope_kind", "scope_id", "person", "rule"])]

    def __str__(self) -> str:
        return f"{self.ref}: {self.rule} for {self.person.printed_name} on {self.place}"

    @property
    def name(self) -> str:
        """The printed name of the person when it was asked for."""
        return self.printed_name or self.person.name_at(self.proposed_at)

    @property
    def ref(self) -> str:
        return f"W-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(self.scope_kind, self.scope_id)

    def in_force(self, at: datetime | None = None) -> bool:
        at = at or now()
        if self.state not in (self.State.SIGNED, self.State.ENDED) or self.decided_at is None:
            return False
        return self.decided_at <= at < self.expires_at and (self.ended_at is None or self.ended_at > at)

    STANDINGS = (
        Standing("proposed", "Waits for signatures", lambda at: Q(state="proposed", expires_at__gt=at)),
        Standing("in_force", "In force", lambda at: Q(state="signed", expires_at__gt=at)),
        Standing("run_out", "Run out", lambda at: Q(state__in=["proposed", "signed"], expires_at__lte=at)),
        Standing("rejected", "Rejected", lambda _at: Q(state="rejected")),
        Standing("revoked", "Revoked", lambda _at: Q(state="ended")),
    )

    @property
    def standing(self) -> str:
        """What it is now: what ran out says so, whatever the column says."""
        if self.state in (self.State.PROPOSED, self.State.SIGNED) and self.expires_at <= now():
            return "run_out"
        return {self.State.SIGNED: "in_force", self.State.ENDED: "revoked"}.get(
            self.State(self.state), self.state
        )

    @property
    def word(self) -> str:
        return word_of(self.STANDINGS, self.standing)

    def told(self) -> str:
        """`DY1 waived by A. Novak and C. Cora until 2026-12-01 00:00 UTC (W-3)`."""
        by = " and ".join(s.printed_name for s in self.signatures)
        return f"{self.rule} waived by {by} until {self.expires_at:%Y-%m-%d %H:%M} UTC ({self.ref})"


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


# Each area's own tables.
from apps.access.ask_models import Ask  # noqa: E402
from apps.access.erasure_models import Erasure, Hold  # noqa: E402
from apps.access.inspection_models import Copy, Inspection, InspectionPlace  # noqa: E402
from apps.access.reminder_models import Reminder  # noqa: E402
from apps.access.review_models import AccessReview, ReviewSheet  # noqa: E402
from apps.access.training_models import TrainingMatrix, TrainingRecord  # noqa: E402

__all__ = [
    "AccessReview",
    "Ask",
    "Assignment",
    "AssignmentQuerySet",
    "Copy",
    "Erasure",
    "Hold",
    "IdempotencyKey",
    "Inspection",
    "InspectionPlace",
    "Proposal",
    "Reminder",
    "ReviewSheet",
    "RulesChange",
    "SeparationRules",
    "TrainingMatrix",
    "TrainingRecord",
    "Waiver",
    "WaiverQuerySet",
]


from apps.access.rule_models import RulesChange  # noqa: E402  (it builds on Proposal)
