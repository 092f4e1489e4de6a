"""Datasets and their fixed versions. Test versions live in the vault and are never handed out."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from guardian.models import GroupObjectPermissionBase, UserObjectPermissionBase

from apps.access import duties
from apps.core.blobs import StoredFile
from apps.datasets import states
from apps.trail.history import history

DATASET_PERMISSIONS: list[tuple[str, Any]] = [
    (duties.GUARDIAN_CODENAME[d], f"May act as {duties.WORDS[d]}")
    for d in sorted(duties.DATASET_DUTIES | {duties.Duty.INSPECTOR})
]


class Dataset(models.Model):
    """A named body of data. Duties (curator, steward, owner) are held on it; its versions inherit them."""

    subject_kind = duties.DATASET

    slug = models.SlugField(max_length=60, unique=True)
    name = models.CharField(max_length=160)
    description = models.TextField(blank=True)
    sensitive = models.BooleanField(default=False)
    # Who marked it, when and why: of the mark it bears; empty while it bears none.
    marked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    marked_at = models.DateTimeField(null=True, blank=True)
    mark_reason = models.TextField(blank=True, default="")
    registered_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    registered_at = models.DateTimeField()
    history = history()

    class Meta:
        ordering = ["slug"]
        default_permissions = ()
        permissions = DATASET_PERMISSIONS

    def __str__(self) -> str:
        return self.name

    @property
    def ref(self) -> str:
        return self.slug

    @property
    def scope(self) -> str:
        return duties.scope_text(self.subject_kind, self.pk)


class DatasetUserPermission(UserObjectPermissionBase):
    """Guardian grants on a dataset: the projection of assignments."""

    content_object = models.ForeignKey(Dataset, on_delete=models.PROTECT)


class DatasetGroupPermission(GroupObjectPermissionBase):
    """Guardian asks for the table; groups are given no duties and it stays empty."""

    content_object = models.ForeignKey(Dataset, on_delete=models.PROTECT)


class DatasetVersion(models.Model):
    """One immutable version of a dataset: bytes by digest, schema, provenance, partition role (PC22)."""

    subject_kind = "datasets.version"

    dataset = models.ForeignKey(Dataset, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField()
    partition = models.CharField(
        max_length=8, choices=[(p.value, states.PARTITION_WORDS[p]) for p in states.Partition]
    )
    state = models.CharField(
        max_length=10,
        choices=[(s.value, states.STATE_WORDS[s]) for s in states.State],
        default=states.State.UPLOADED,
    )
    file_name = models.CharField(max_length=200)
    file_digest = models.CharField(max_length=71, db_index=True)  # the bytes as uploaded
    file_size = models.BigIntegerField()  # bytes
    file_format = models.CharField(max_length=10, blank=True)  # csv | parquet
    table_digest = models.CharField(max_length=71, blank=True)  # canonical Parquet made from them
    row_digests = models.CharField(max_length=71, blank=True)  # file of the sorted distinct row digests
    profile_digest = models.CharField(max_length=71, blank=True)  # JSON of the column profile
    row_count = models.BigIntegerField(null=True, blank=True)
    columns = models.JSONField(default=list)  # [{"name", "type"}]
    source = models.TextField()
    collection = models.TextField()
    transformation_commit = models.CharField(max_length=64, blank=True)
    entity_column = models.CharField(max_length=120, blank=True)  # patient, batch, … one physical unit
    # Whose curators count as curators of this one, and whose readers as readers of this one.
    derived_from = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="derived"
    )
    failure = models.TextField(blank=True)
    uploaded_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    uploaded_at = models.DateTimeField()
    stored_files = (
        StoredFile("file_digest", "", "file_size"),
        *(StoredFile(name, "") for name in ("table_digest", "row_digests", "profile_digest")),
    )
    history = history()

    class Meta:
        ordering = ["dataset", "-number"]
        constraints = [
            models.UniqueConstraint(fields=["dataset", "number"], name="dataset_version_number_once"),
            # Bytes that could not be read may come again: the fault may have been ours.
            models.UniqueConstraint(
                fields=["dataset", "file_digest"],
                condition=~models.Q(state=states.State.FAILED.value),
                name="dataset_version_bytes_once",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.dataset.name} v{self.number}"

    @property
    def ref(self) -> str:
        return f"{self.dataset.slug}/v{self.number}"

    @property
    def scope(self) -> str:
        return duties.scope_text(duties.DATASET, self.dataset_id)

    @property
    def in_vault(self) -> bool:
        return self.partition == states.Partition.TEST

    @property
    def area(self) -> str:
        """Where its bytes lie: test versions in the vault."""
        return "vault" if self.in_vault else "files"


from apps.datasets.grants import ReadGrant, Unmarking  # noqa: E402, F401
