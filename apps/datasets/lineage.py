"""What a dataset version was derived from, and what was derived from it; the same bytes count as the same data."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from apps.access.facts import pairs
from apps.access.sharing import once
from apps.core import registries
from apps.datasets.models import DatasetVersion

KIND = DatasetVersion.subject_kind


def _closed(ids: Iterable[int], *, down: bool) -> frozenset[int]:
    wanted = frozenset(ids)
    return once(("data lineage", wanted, down), lambda: frozenset(_walked(wanted, down=down)))


def _walked(ids: Iterable[int], *, down: bool) -> set[int]:
    """One query for each generation that is not known yet."""
    known: set[int] = set()
    ring = set(ids)
    while ring:
        known |= ring
        digests = DatasetVersion.objects.filter(pk__in=ring).order_by().values("file_digest")
        near = Q(file_digest__in=digests)
        if down:
            near |= Q(derived_from__in=ring)
        found = DatasetVersion.objects.filter(near).order_by().values_list("pk", "derived_from_id")
        ring = {pk for pair in found for pk in pair if pk is not None} - known
    return known


def sources_of(ids: Iterable[int]) -> frozenset[int]:
    """The versions, all they were derived from, and other registrations of the same bytes."""
    return _closed(ids, down=False)


def kin_of(ids: Iterable[int]) -> frozenset[int]:
    """The versions, their sources, and all that was derived of them: who read one has read of each."""
    return _closed(ids, down=True)


@registries.closure(f"{KIND}:lineage")
def curated_before(version: DatasetVersion) -> frozenset[tuple[str, str]]:
    """A derived dataset version inherits the curators of its sources (DY7)."""
    return pairs(KIND, sources_of([version.pk]))
