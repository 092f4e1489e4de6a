"""Read access to sensitive data on the sheets of access reviews and in the access register."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from apps.access import duties
from apps.access.register_grants import OTHER, OtherAccess
from apps.access.reviewing import GRANTS, Grants, Line, Place, line_of
from apps.access.sharing import once
from apps.datasets.grants import ReadGrant
from apps.datasets.leaving import end
from apps.datasets.models import Dataset


def held(places: Iterable[Place]) -> dict[Place, list[Line]]:
    """Access in force, by dataset."""
    ids = [pk for kind, pk in places if kind == duties.DATASET]
    found: dict[Place, list[Line]] = {}
    rows = ReadGrant.objects.in_force().filter(dataset_id__in=ids, person__is_active=True)
    for row in rows.select_related("person", "dataset").order_by("pk"):
        made = line_of(
            row.subject_kind,
            row.pk,
            row.ref,
            row.person,
            duty="read",
            word="reads these sensitive data",
            since=row.decided_at,
            until=row.expires_at,
        )
        found.setdefault((duties.DATASET, row.dataset_id), []).append(made)
    return found


def over(ids: list[int]) -> dict[int, str]:
    """Id -> why an access no longer counts."""
    found = {}
    for row in ReadGrant.objects.filter(pk__in=ids):
        if row.ended_at is not None:
            found[row.pk] = f"ended meanwhile: {row.end_reason}"
        elif not row.in_force():
            found[row.pk] = "ran out meanwhile"
    return found


def _end(act: Any, pk: int, reason: str) -> None:
    end(act, ReadGrant(pk=pk), reason)


def _at(rows: QuerySet[Any], moment: datetime) -> QuerySet[Any]:
    return rows.filter(
        Q(ended_at=None) | Q(ended_at__gt=moment),
        state=ReadGrant.State.GRANTED,
        decided_at__lte=moment,
        expires_at__gt=moment,
    )


def _told(row: Any) -> str:
    names = once(("register datasets",), lambda: dict(Dataset.objects.values_list("pk", "slug")))
    return f"RA-{row.id}, rows of {names[row.dataset_id]}: {row.justification}"


GRANTS[ReadGrant.subject_kind] = Grants(held, over, _end)
OTHER["read-access"] = OtherAccess(
    "read-access",
    "Read access to sensitive data",
    ReadGrant,
    "person",
    _at,
    _told,
    "decided_at",
    "expires_at",
)
