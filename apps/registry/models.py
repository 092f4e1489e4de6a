"""Models, their immutable versions, declared authors, data used, intended use with its risk."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.datasets.models import DatasetVersion
from apps.registry import states
from apps.trail.history import history

MODEL_PERMISSIONS: list[tuple[str, Any]] = [
    (duties.GUARDIAN_CODENAME[d], f"May act as {duties.WORDS[d]}")
    for d in sorted(duties.MODEL_DUTIES | {duties.Duty.INSPECTOR})
]
LEVELS = [(level.value, level.value.capitalize()) for level in states.Level]


class Model(models.Model):
    """A registered model (family). Duties are held on it; versions and their records inherit them."""

    subject_kind = duties.MODEL

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=160)
    description = models.TextField(blank=True)
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    registered_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["slug"]
        default_permissions = ()
        permissions = MODEL_PERMISSIONS

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return self.slug

    @property
    def scope(self) -> str:
        return duties.scope_text(self.subject_kind, self.pk)


class ModelUserPermission(UserObjectPermissionBase):
    """Guardian grants on a model: the projection of assignments."""

    content_object = models.ForeignKey(Model, on_delete=models.PROTECT)


class ModelGroupPermission(GroupObjectPermissionBase):
    """Guardian asks for the table; groups are given no duties and it stays empty."""

    content_object = models.ForeignKey(Model, on_delete=models.PROTECT)


class IntendedUse(models.Model):
    """What a model is for, and the risk if it is wrong (PC20, PC21). A change is a new number, never an edit."""

    subject_kind = "registry.intended_use"

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="intended_uses")
    number = models.PositiveIntegerField()
    question = models.TextField()  # the question of interest, one sentence (FDA step 1)
    purpose = models.TextField()  # task, process, role of the output beside other evidence (FDA step 2)
    input_space = models.TextField()
    subgroups = models.TextField()
    limits = models.TextField()
    misuse = models.TextField()
    operator_duties = models.TextField()
    gmp_critical = models.BooleanField()
    gmp_rationale = models.TextField()
    affects_people = models.BooleanField()
    influence = models.CharField(max_length=6, choices=LEVELS)
    influence_rationale = models.TextField()
    consequence = models.CharField(max_length=6, choices=LEVELS)
    consequence_rationale = models.TextField()
    raised_by_one = models.BooleanField(default=False)
    raised_rationale = models.TextField(blank=True)
    residual_risk = models.TextField()
    tier = models.CharField(max_length=6, choices=LEVELS)
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    written_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["model", "-number"]
        constraints = [models.UniqueConstraint(fields=["model", "number"], name="intended_use_number_once")]

    def __str__(self) -> str:
        return f"Intended use of {self.model.name}, v{self.number}"

    @property
    def ref(self) -> str:
        return f"IU-{self.model.slug}/v{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.model_id)


class Version(models.Model):
    """One immutable model version: artefact, code, environment, data and authors (PC28). Frozen means frozen."""

    subject_kind = "registry.version"

    model = models.ForeignKey(Model, on_delete=models.PROTECT, related_name="versions")
    label = models.CharField(max_length=40)
    state = models.CharField(
        max_length=14,
        choices=[(s.value, states.WORDS[s]) for s in states.State],
        default=states.State.REGISTERED,
    )
    intended_use = models.ForeignKey(IntendedUse, on_delete=models.PROTECT, related_name="versions")
    artefact_digest = models.CharField(max_length=71, db_index=True)
    artefact_size = models.BigIntegerField()  # bytes
    artefact_name = models.CharField(max_length=200)
    artefact_format = models.CharField(max_length=6, choices=[(f.value, f.value) for f in states.Format])
    interface = models.JSONField(default=dict)  # inputs and outputs as found in the sandbox
    features = models.JSONField(default=list)  # column names in the order the model takes them
    code_commit = models.CharField(max_length=64)
    code_archive_digest = models.CharField(max_length=71, blank=True)
    environment_digest = models.CharField(max_length=71, blank=True)
    image_digest = models.CharField(max_length=71, blank=True)
    hyperparameters = models.JSONField(default=dict)
    claimed_metrics = models.JSONField(default=dict)  # claims of the makers; nothing is judged on them
    parent = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="derived"
    )
    note = models.TextField(blank=True)
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    registered_at = models.DateTimeField()
    frozen_at = models.DateTimeField(null=True, blank=True)
    closure_digest = models.CharField(max_length=71, blank=True)  # digest of the content at freezing
    stored_files = (
        StoredFile("artefact_digest", "files", "artefact_size"),
        StoredFile("code_archive_digest", "files"),
        StoredFile("environment_digest", "files"),
    )
    history = history()

    class Meta:
        ordering = ["model", "-registered_at"]
        indexes = [models.Index(fields=["model", "state"]), models.Index(fields=["-registered_at"])]
        constraints = [models.UniqueConstraint(fields=["model", "label"], name="version_label_once")]

    def __str__(self) -> str:
        return f"{self.model.slug} {self.label}"

    @property
    def ref(self) -> str:
        return f"{self.model.slug}/{self.label}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.MODEL, self.model_id)


class VersionAuthor(models.Model):
    """A declared author of a version: required, addable, never removable. Authors count as developers of it."""

    subject_kind = "registry.author"

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="authors")
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    declared_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    declared_at = models.DateTimeField()
    history = history()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["version", "person"], name="version_author_once")]


class VersionData(models.Model):
    """A dataset version that a model version was trained or tuned on."""

    subject_kind = "registry.version_data"

    version = models.ForeignKey(Version, on_delete=models.PROTECT, related_name="data")
    dataset_version = models.ForeignKey(DatasetVersion, on_delete=models.PROTECT, related_name="used_by")
    history = history()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["version", "dataset_version"], name="version_data_once")
        ]
