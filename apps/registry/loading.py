"""Authors and data of versions, read once for a whole page (`apps.access.sharing`), whoever looks."""

from __future__ import annotations

from collections.abc import Collection

from apps.access.sharing import gathered, grouped
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
    """Version id -> the dataset versions it names, with their datasets, in their order."""

    def load(ids: list[int]) -> dict[int, list[VersionData]]:
        rows = VersionData.objects.filter(version_id__in=ids).select_related(
            "dataset_version__dataset", "dataset_version__uploaded_by"
        )
        return grouped(rows.order_by("dataset_version_id"), lambda row: row.version_id)

    return {pk: rows or [] for pk, rows in gathered("version data", version_ids, load).items()}
