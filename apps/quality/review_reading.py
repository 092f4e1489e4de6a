"""Marks and findings of trail reviews, read with the reviews' own rows: as JSON, one array a review."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC
from typing import Any, TypeVar

from django.db.models import DateTimeField, F, ForeignKey, Func, JSONField, OuterRef, Subquery
from django.db.models.functions import JSONObject
from django.utils.dateparse import parse_datetime

from apps.accounts.models import User
from apps.quality.review_models import TrailFinding, TrailMark

PERSON = (
    "username",
    "printed_name",
    "is_active",
    "is_service",
)  # what is told of who did it; anything else of them is read when asked for
OnReview = TypeVar("OnReview", bound=TrailMark | TrailFinding)


class _AllRows(Func):
    """All rows as one JSON array, [] or NULL without any; no GROUP BY, since it stands in a subquery of its own."""

    function = "JSONB_AGG"
    output_field = JSONField()

    def as_sqlite(self, compiler: Any, connection: Any, **context: Any) -> Any:
        return self.as_sql(compiler, connection, function="JSON_GROUP_ARRAY", **context)


def _by(model: type[OnReview]) -> str:
    """The field that names the person."""
    return next(
        each.name
        for each in model._meta.concrete_fields
        if isinstance(each, ForeignKey) and each.related_model is User
    )


def rows_along(model: type[OnReview]) -> Subquery:
    """The rows of `model` on each review, as JSON, with the person's name."""
    by = _by(model)
    columns = {each.attname: F(each.attname) for each in model._meta.concrete_fields}
    person = {f"by_{name}": F(f"{by}__{name}") for name in PERSON}
    rows = model._default_manager.filter(review=OuterRef("pk")).order_by()
    return Subquery(rows.annotate(told=_AllRows(JSONObject(**columns, **person))).values("told"))


def records_along(
    model: type[OnReview], read: Collection[Mapping[str, Any]] | None, order: str
) -> list[OnReview]:
    """The records that `rows_along` read for one review, in this order, each with its person."""
    by, columns = _by(model), model._meta.concrete_fields
    found: list[OnReview] = []
    for row in read or ():
        record = model(**{each.attname: _value(each, row[each.attname]) for each in columns})
        record._state.adding = False
        person = [getattr(record, f"{by}_id"), *(row[f"by_{name}"] for name in PERSON)]
        setattr(record, by, User.from_db(None, ["id", *PERSON], person))
        found.append(record)
    return sorted(found, key=lambda each: getattr(each, order))


def _value(field: Any, value: Any) -> Any:
    """Times as such: JSON has them as text, SQLite without their zone, which is UTC."""
    if not isinstance(field, DateTimeField):
        return value
    found = parse_datetime(value)
    assert found is not None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
