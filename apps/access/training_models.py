"""Training: which duty needs what (versioned), and what each person was trained in, when, by whose word (PC05)."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.trail.history import history

POLICY = (
    "signature_policy"  # the one kind that a person records for themselves, by accepting it (21 CFR 11.10(j))
)


class TrainingMatrix(models.Model):
    """One version of what each duty needs, put into force by an act (append-only; the newest is in force).

    `body`: {"shipped": version of the shipped kinds, "duties": {duty: [kind]}, "editions": {kind: edition},
    "policy": text of the signature policy}.
    """

    subject_kind = "access.training_matrix"

    version = models.PositiveIntegerField(unique=True)
    body = models.JSONField()
    digest = models.CharField(max_length=71)
    reason = models.TextField()
    adopted_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    adopted_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["-version"]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"training matrix v{self.version}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)


class TrainingRecord(models.Model):
    """One training of one person. Never edited: a later record may correct it, or only take it back (`void`)."""

    subject_kind = "access.training"
    stored_files = (StoredFile("file_digest", "files", "file_size"),)

    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="training_records"
    )
    kind = models.CharField(max_length=30)
    model_id = models.BigIntegerField(default=0)  # the model whose limits were taught; 0: no model's
    place = models.CharField(max_length=120, blank=True)  # that model's reference, as it was then
    edition = models.CharField(max_length=20, blank=True)  # of what was taught or accepted
    completed_on = models.DateField()
    expires_on = models.DateField(null=True, blank=True)  # the first day on which it no longer counts
    evidence = models.TextField()
    file_digest = models.CharField(max_length=71, blank=True)
    file_name = models.CharField(max_length=200, blank=True)
    file_size = models.BigIntegerField(null=True, blank=True)
    recorded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    recorded_at = models.DateTimeField()
    corrects = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="corrected_by"
    )
    void = models.BooleanField(default=False)
    history = history()

    class Meta:
        ordering = ["-completed_on", "-pk"]
        indexes = [models.Index(fields=["person", "kind"]), models.Index(fields=["expires_on"])]
        constraints = [
            models.CheckConstraint(
                condition=~Q(person=F("recorded_by")) | Q(kind=POLICY), name="training_recorded_by_another"
            ),
            models.CheckConstraint(
                condition=Q(expires_on=None) | Q(expires_on__gt=F("completed_on")),
                name="training_expires_after_completion",
            ),
        ]

    def __str__(self) -> str:
        return self.ref

    @property
    def ref(self) -> str:
        return f"T-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.ORGANISATION, duties.ORGANISATION_ID)
