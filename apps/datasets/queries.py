"""Reads of datasets for pages, API and packs."""

from __future__ import annotations

import json

from django.conf import settings
from django.db.models import Count, Max, QuerySet

from apps.access.gate import visible
from apps.core import blobs
from apps.core.models import Job
from apps.datasets.models import Dataset, DatasetVersion
from apps.trail.models import Entry, Kind

READS = ("datasets.read_test_profile", "datasets.download_version", "datasets.upload_test_version")


def receive(upload, *, test: bool) -> blobs.Blob:
    """Store an uploaded file, test data straight in the vault; BadInput (413) above the limit."""
    return blobs.put(upload, area="vault" if test else "files", limit=settings.UPLOAD_LIMIT_DATA)


def register(actor) -> QuerySet[Dataset]:
    """Datasets the person may see, with the number of versions and the newest upload."""
    rows = visible(actor, Dataset).select_related("registered_by")
    return rows.annotate(version_count=Count("versions"), newest=Max("versions__uploaded_at"))


def versions_of(actor, dataset: Dataset) -> QuerySet[DatasetVersion]:
    rows = visible(actor, DatasetVersion).filter(dataset=dataset)
    return rows.select_related("dataset", "uploaded_by").order_by("-number")


def profile_of(version: DatasetVersion) -> dict:
    """The stored profile. For test data only after `read_test_profile` was allowed."""
    return json.loads(blobs.read(version.profile_digest, area=version.area)) if version.profile_digest else {}


def public_view(version: DatasetVersion) -> dict:
    """What everybody who sees a test version may know of it: aggregates, never values."""
    return {
        "ref": version.ref,
        "partition": str(version.partition),
        "rows": version.row_count,
        "columns": [{"name": c["name"], "type": c["type"]} for c in version.columns],
        "digest": version.file_digest,
        "size": version.file_size,
        "source": version.source,
        "collection": version.collection,
        "entity_column": version.entity_column,
    }


def reads_of(version: DatasetVersion) -> QuerySet[Entry]:
    """Who read or took the rows of this version, from the trail, newest first."""
    found = Entry.objects.filter(
        subject_kind=version.subject_kind, subject_id=str(version.pk), kind=Kind.ACT, act__in=READS
    )
    return found.order_by("-id")


def job_of(version: DatasetVersion) -> Job | None:
    return (
        Job.objects.filter(subject_kind=version.subject_kind, subject_id=version.pk).order_by("-id").first()
    )
