"""Authors and data of versions, read once for a whole page (`apps.access.sharing`), whoever looks."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import Exists, OuterRef

from apps.access.sharing import gathered, grouped
from apps.datasets.models import DatasetVersion
from apps.registry.models import VersionAuthor, VersionData


def authors_of_versions(version_ids: Collection[int]) -> dict[int, list[VersionAuthor]]:
    """Version id -> its declared authors with person, by username."""

    def load(ids: list[int]) -> dict[int, list[VersionAuthor]]:
        rows = VersionAuthor.objects.filter(version_id__in=ids).select_related(
            "person", "declared_by", "version__model"
        )
        return grouped(rows.order_by("person__username"), lambda row: row.version_id)

    return {pk: rows or [] for pk, rows in gathered("authors", version_ids, load).items()}


def data_of_versions(version_ids: Collection[int]) -> dict[int, list[VersionData]]:
    """Version id -> the dataset versions it names, with their datasets, in their order.

    `twinned` on each: whether the same bytes stand in another dataset version too.
    """

    def load(ids: list[int]) -> dict[int, list[VersionData]]:
        rows = VersionData.objects.filter(version_id__in=ids).select_related(
            "dataset_version__dataset", "dataset_version__uploaded_by"
        )
        # Whether the same bytes were registered once more: by somebody else, or with what they were derived from.
        same = DatasetVersion.objects.filter(file_digest=OuterRef("dataset_version__file_digest"))
        rows = rows.annotate(twinned=Exists(same.exclude(pk=OuterRef("dataset_version_id")).order_by()))
        return grouped(rows.order_by("dataset_version_id"), lambda row: row.version_id)

    return {pk: rows or [] for pk, rows in gathered("version data", version_ids, load).items()}
