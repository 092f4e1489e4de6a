"""History rows that account for themselves: each carries the act that wrote it and a MAC the database cannot make.

Use `history = history()` in a model. The MAC (rowmac.py) is HMAC-SHA-256 under a key outside the database over the
canonical content of the history row, so that an edit of row, trail and record together, before sealing, still shows.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from datetime import UTC, date, datetime, time
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.db.models.signals import pre_delete, pre_save
from django.utils import timezone
from simple_history.models import HistoricalChanges, HistoricalRecords

from apps.trail.current import current

# Filled by the row itself or by its table, so not part of what the MAC covers.
UNCOVERED = ("history_id", "mac")
# Whole numbers up to here are exact as floats; beyond, PostgreSQL's jsonb gives 1.5e300 back as a whole number.
EXACT = 2**53


class ActHistory(models.Model):
    """Columns every history table has besides those of simple-history."""

    act_id = models.CharField(max_length=32)
    mac = models.CharField(max_length=64)

    class Meta:
        abstract = True


class Records(HistoricalRecords):
    """simple-history with our columns; a person in the history is protected, never set to nothing."""

    def _get_history_user_fields(self) -> dict:
        user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, related_name="+")
        return {"history_user": user}

    def create_historical_record(self, instance: Any, history_type: str, using: str | None = None) -> None:
        """The history row of `instance` as it is now, under the act under way, with its MAC.

        Written here and not by simple-history, which makes a manager anew for each row and saves in the long way:
        the same row at half the price, and nothing may come between the row and its MAC.
        """
        from apps.trail import rowmac
        from apps.trail.identity import keys
        from apps.trail.inserting import insert

        act = current()
        model = inspect.getattr_static(type(instance), self.manager_name).model
        row = model(
            history_date=getattr(instance, "_history_date", None) or timezone.now(),
            history_type=history_type,
            history_user_id=act.user_id,
            history_change_reason=act.reason,
            act_id=act.act_id,
            **{field.attname: getattr(instance, field.attname) for field in model.tracked_fields},
        )
        row.mac = rowmac.written(keys(), row)
        insert(row)
        act.rows.append((model._meta.db_table, row.history_id, row.mac))


def history(**options: Any) -> Records:
    """The `HistoricalRecords` of a model of ours. `options` are simple-history's (for example excluded_fields)."""
    return Records(
        bases=[ActHistory],
        history_id_field=models.BigAutoField(),
        history_change_reason_field=models.TextField(blank=True, default=""),
        **options,
    )


def is_history(model: type[models.Model]) -> bool:
    return issubclass(model, HistoricalChanges)


def record_of(history_model: type[models.Model]) -> type[models.Model]:
    """The model whose history `history_model` keeps."""
    record: type[models.Model] = history_model.instance_type  # type: ignore[attr-defined]  # set by simple-history
    return record


def column_of(field: models.Field) -> str:
    """The field's column; every concrete field has one."""
    assert field.column is not None
    return field.column


def _stable_json(value: Any) -> Any:
    """JSON as both databases give it back: 1.0 and 1e0 are one number, keys are text, tuples are lists."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and abs(value) > EXACT:
        value = float(value)
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= EXACT else repr(value)
    if isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {str(key): _stable_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_stable_json(item) for item in value]
    return _stable_json(json.loads(json.dumps(value, cls=DjangoJSONEncoder)))


def stable(field: models.Field, value: Any) -> Any:
    """`value` of `field` in one form, the same before it is written and after it is read on either database."""
    if isinstance(field, models.JSONField):
        return _stable_json(value)
    if isinstance(field, models.ForeignKey):
        return stable(field.target_field, value)
    if value is None:
        return None
    value = field.to_python(value)
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    if isinstance(value, Decimal):
        places = getattr(field, "decimal_places", None)
        return str(value if places is None else value.quantize(Decimal(1).scaleb(-places)))
    if isinstance(value, float):
        return repr(value)
    if isinstance(value, UUID):
        return value.hex
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)


# Fields whose own values of the exact type are their stable form.
_AS_THEY_ARE = (
    (models.CharField, str),
    (models.TextField, str),
    (models.IntegerField, int),
    (models.BooleanField, bool),
)


def form(field: models.Field) -> Callable[[Any], Any]:
    """`stable` for one field, without asking each time what kind of field it is."""
    if isinstance(field, models.ForeignKey):
        return form(field.target_field)
    for kind, exact in _AS_THEY_ARE:
        if isinstance(field, kind) and type(field).to_python is kind.to_python:
            return lambda value: value if type(value) is exact or value is None else stable(field, value)
    if type(field).to_python is models.DateTimeField.to_python:
        return lambda value: (
            value.astimezone(UTC).isoformat(timespec="microseconds")
            if type(value) is datetime and value.tzinfo is not None
            else stable(field, value)
        )
    return lambda value: stable(field, value)


@cache
def covered(model: type[models.Model]) -> tuple[tuple[str, str, Callable[[Any], Any]], ...]:
    """(attribute, column, form) of every field of a history model that its MAC covers, in order of the columns."""
    fields = [field for field in model._meta.concrete_fields if field.name not in UNCOVERED]
    return tuple((field.attname, column_of(field), form(field)) for field in sorted(fields, key=column_of))


def _refuse_outside_acts(sender: type[models.Model], **_: Any) -> None:
    """Before the record itself is written: in autocommit the history would come too late to stop it."""
    if hasattr(sender._meta, "simple_history_manager_attribute"):
        current()


def connect() -> None:
    pre_save.connect(_refuse_outside_acts, dispatch_uid="trail.refuse_outside_acts")
    pre_delete.connect(_refuse_outside_acts, dispatch_uid="trail.refuse_deletes_outside_acts")
