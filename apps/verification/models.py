"""Risks and requirements of an intended use; evidence, links and claims of a version (PC25, PC37)."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.registry.models import LEVELS, IntendedUse, Model, Version
from apps.trail.history import history
from apps.verification import states

PERSON = settings.AUTH_USER_MODEL


class Risk(models.Model):
    """One line of the risk register of a model. A change is a new revision, never an edit."""

    subject_kind = "verification.risk"

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="risks")
    intended_use = models.ForeignKey(IntendedUse, on_delete=models.PROTECT, related_name="risks")
    number = models.PositiveIntegerField()
    revision = models.PositiveIntegerField()
    hazard = models.TextField()
    harm = models.TextField()
    severity = models.CharField(max_length=6, choices=LEVELS)
    likelihood = models.CharField(max_length=6, choices=LEVELS)
    control = models.TextField()
    written_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["-number", "-revision"]
        constraints = [models.UniqueConstraint(fields=["number", "revision"], name="risk_revision_once")]

    def __str__(self) -> str:
        return f"{self.ref} of {self.model}"

    @property
    def ref(self) -> str:
        return f"RK-{self.number}/v{self.revision}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.model_id)


class Requirement(models.Model):
    """What the model has to do, from its intended use, a risk or a clause. Versions of that use inherit it."""

    subject_kind = "verification.requirement"

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="requirements")
    intended_use = models.ForeignKey(IntendedUse, on_delete=models.PROTECT, related_name="requirements")
    number = models.PositiveIntegerField()
    revision = models.PositiveIntegerField()
    text = models.TextField()
    source = models.CharField(
        max_length=6, choices=[(s.value, states.SOURCE_WORDS[s]) for s in states.Source]
    )
    risks = models.JSONField(default=list)  # numbers of risks of the same model
    clauses = models.JSONField(default=list)  # such as "EU GMP Annex 22 draft 4.1"
    state = models.CharField(
        max_length=10, choices=[(s.value, states.WORDS[s]) for s in states.State], default=states.State.DRAFT
    )
    written_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True, blank=True)
    decision_reason = models.TextField(blank=True)
    approved_digest = models.CharField(max_length=71, blank=True)  # of the content that was approved
    withdrawn_at = models.DateTimeField(null=True, blank=True)
    history = history()

    class Meta:
        ordering = ["-number", "-revision"]
        constraints = [
            models.UniqueConstraint(fields=["number", "revision"], name="requirement_revision_once"),
            models.UniqueConstraint(
                fields=["number"], condition=models.Q(state="draft"), name="one_draft_per_requirement"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.ref} of {self.model}"

    @property
    def ref(self) -> str:
        return f"REQ-{self.number}/v{self.revision}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.model_id)


class Evidence(models.Model):
    """A file of another tool, attached to a version: its bytes by digest, and what the portal read out of it."""

    subject_kind = "verification.evidence"

    number = models.PositiveIntegerField(unique=True)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="evidence")
    kind = models.CharField(max_length=9, choices=[(k.value, states.KIND_WORDS[k]) for k in states.Kind])
    title = models.CharField(max_length=120)  # of the same title and kind, the newest counts
    format = models.CharField(max_length=24)  # of `parsers.FORMATS`
    file_name = models.CharField(max_length=200)
    file_digest = models.CharField(max_length=71)
    file_size = models.BigIntegerField()  # bytes
    results_digest = models.CharField(max_length=71)  # JSON: everything that was read
    tool = models.CharField(max_length=120)
    tool_version = models.CharField(max_length=60)
    commit = models.CharField(max_length=64)
    produced_at = models.DateTimeField()
    zone_stated = models.BooleanField()  # whether the file itself names time and zone
    summary = models.JSONField(default=dict)  # counts; decimals as text
    notes = models.JSONField(default=list)
    uploaded_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField()
    stored_files = (
        StoredFile("file_digest", "files", "file_size"),
        StoredFile("results_digest", "results"),
    )
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.ref} of {self.version}"

    @property
    def ref(self) -> str:
        return f"VE-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.version.model_id)


class Claim(models.Model):
    """Figures computed elsewhere, with the digest of the script that computed them. Submitted, not computed here."""

    subject_kind = "verification.claim"

    number = models.PositiveIntegerField(unique=True)
    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="claims")
    origin = models.CharField(max_length=200)  # who computed it, where
    # [{"metric", "subgroup", "value", "low", "high", "n"}], decimals as text, "" for an interval that is not given
    figures = models.JSONField(default=list)
    script_digest = models.CharField(max_length=71)
    script_name = models.CharField(max_length=200)
    data_digest = models.CharField(max_length=71)
    tool = models.CharField(max_length=120)
    tool_version = models.CharField(max_length=60)
    computed_at = models.DateTimeField()
    note = models.TextField(blank=True)
    submitted_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    submitted_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["-number"]

    def __str__(self) -> str:
        return f"{self.ref} on {self.version}"

    @property
    def ref(self) -> str:
        return f"CL-{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.version.model_id)


class Link(models.Model):
    """By hand: these tests, this criterion, limit or claim of a version show that a requirement is kept."""

    subject_kind = "verification.link"

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="links")
    requirement = models.ForeignKey(Requirement, on_delete=models.PROTECT, related_name="links")
    target = models.CharField(
        max_length=9, choices=[(t.value, states.TARGET_WORDS[t]) for t in states.Target]
    )
    pattern = models.CharField(
        max_length=500
    )  # test id with * and ?, id of a criterion or limit, ref of a claim
    reason = models.TextField()
    linked_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, related_name="+")
    linked_at = models.DateTimeField()
    ended_by = models.ForeignKey(PERSON, on_delete=models.PROTECT, null=True, related_name="+")
    ended_at = models.DateTimeField(null=True, blank=True)
    end_reason = models.TextField(blank=True)
    history = history()

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["version", "requirement", "target", "pattern"],
                condition=models.Q(ended_at=None),
                name="link_once",
            )
        ]

    def __str__(self) -> str:
        return f"{self.ref}: {self.pattern}"

    @property
    def ref(self) -> str:
        return f"LK-{self.pk}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.version.model_id)
