"""Canonical content of a dataset version: what is shown, digested, exported and printed (PC22)."""

from __future__ import annotations

from apps.core import registries
from apps.core.clock import iso
from apps.datasets.models import DatasetVersion


@registries.content("datasets.version")
def dataset_version_content(version: DatasetVersion) -> dict:
    return {
        "schema": "datasets.version/1",
        "ref": version.ref,
        "dataset": version.dataset.slug,
        "number": version.number,
        "partition": version.partition,
        "file": {
            "name": version.file_name,
            "digest": version.file_digest,
            "size": version.file_size,
            "format": version.file_format,
        },
        "table_digest": version.table_digest,
        "row_digests": version.row_digests,
        "profile_digest": version.profile_digest,
        "rows": version.row_count,
        "columns": [{"name": c["name"], "type": c["type"]} for c in version.columns],
        "source": version.source,
        "collection": version.collection,
        "transformation_commit": version.transformation_commit,
        "entity_column": version.entity_column,
        **({"derived_from": version.derived_from.ref} if version.derived_from else {}),
        "uploaded_by": {"username": version.uploaded_by.username, "uuid": str(version.uploaded_by.uuid)},
        "uploaded_at": iso(version.uploaded_at),
    }
