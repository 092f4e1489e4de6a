"""What a dataset version was derived from, and what was derived from it; the same bytes count as the same data."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Q

from apps.access.facts import pairs
from apps.access.sharing import once
from apps.core import registries
from apps.datasets.models import DatasetVersion

KIND = DatasetVersion.subject_kind


Ids = frozenset[int]


def _closed(ids: Iterable[int], *, up: bool = True, down: bool = False, on: str = "pk") -> tuple[Ids, Ids]:
    wanted = frozenset(ids)
    return once(("data lineage", wanted, up, down, on), lambda: _walked(wanted, up=up, down=down, on=on))


def _walked(ids: Ids, *, up: bool, down: bool, on: str) -> tuple[Ids, Ids]:
    """One query for each generation that is not known yet. With it what `on` finds on each: every version is found in
    the query that asks from it, by its own digest."""
    known: set[int] = set()
    there: set[int] = set()
    ring = set(ids)
    while ring:
        known |= ring
        digests = DatasetVersion.objects.filter(pk__in=ring).order_by().values("file_digest")
        near = Q(file_digest__in=digests)
        if down:
            near |= Q(derived_from__in=ring)
        found = list(DatasetVersion.objects.filter(near).order_by().values_list("pk", "derived_from_id", on))
        there |= {row[2] for row in found if row[2] is not None}
        ring = {pk for row in found for pk in (row[:2] if up else row[:1]) if pk is not None} - known
    return frozenset(known), frozenset(there)


def sources_of(ids: Iterable[int]) -> Ids:
    """The versions, all they were derived from, and other registrations of the same bytes."""
    return _closed(ids)[0]


def derived_of(ids: Iterable[int]) -> Ids:
    """The versions, all that was derived of them, and other registrations of the same bytes: `sources_of` backwards."""
    return _closed(ids, up=False, down=True)[0]


def kin_of(ids: Iterable[int]) -> Ids:
    """The versions, their sources, and all that was derived of them: who read one has read of each."""
    return _closed(ids, down=True)[0]


def sources_with(ids: Iterable[int], on: str) -> tuple[Ids, Ids]:
    """(`sources_of`, keys of what hangs on them by the lookup `on`), asked together."""
    return _closed(ids, on=on)


def kin_with(ids: Iterable[int], on: str) -> tuple[Ids, Ids]:
    """(`kin_of`, keys of what hangs on them by the lookup `on`), asked together."""
    return _closed(ids, down=True, on=on)


@registries.closure(f"{KIND}:lineage")
def curated_before(version: DatasetVersion) -> frozenset[tuple[str, str]]:
    """A derived dataset version inherits the curators of its sources (DY7)."""
    return pairs(KIND, sources_of([version.pk]))
