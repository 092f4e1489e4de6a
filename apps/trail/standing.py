"""One record against its newest history row, at the moment of use: is it as the portal last wrote it?

`manage.py verify_trail` asks this of every record. Here it is asked of one, before something rests on it (a password
compared, a job run), so that an edit behind the portal is refused and not only found later.
"""

from __future__ import annotations

from typing import Any

from django.db import models

from apps.trail.history import column_of, stable
from apps.trail.identity import keys
from apps.trail.rowmac import Judge


def is_ours(row: Any) -> bool:
    """Whether this history row is as the portal wrote it: its MAC, under a key outside the database, fits."""
    return not Judge(type(row), keys()).fault_of(row)


def faults(record: models.Model) -> list[str]:
    """Columns of `record` that differ from its newest history row; "history" when that row is not the portal's."""
    past: Any = type(record).history.model  # type: ignore[attr-defined]  # set by simple-history
    newest = past.objects.filter(**{past._meta.get_field(record._meta.pk.name).attname: record.pk})
    row = newest.order_by("-history_id").first()
    if row is None or row.history_type == "-" or not is_ours(row):
        return ["history"]
    return [
        column_of(field)
        for field in past.tracked_fields
        if field.concrete
        and stable(field, getattr(record, field.attname)) != stable(field, getattr(row, field.attname))
    ]
