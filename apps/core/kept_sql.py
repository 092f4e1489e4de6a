"""A subquery that is asked at every turn: compiled once, kept as text, asked each time with a person and a moment.

The ORM takes longer to build and compile the subqueries of who may see what than the database to answer them.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

# Stand in the text's parameters for what is put in; nothing else in a database is one of them.
_PERSON = -(2**62) - 271828
_MOMENT = datetime(1582, 10, 15, 1, 2, 3, 456789, tzinfo=UTC)


class Text(RawSQL):
    """The finished subquery: it names no table of the query around it, so it is the same wherever it stands."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def resolve_expression(self, *args: Any, **kwargs: Any) -> Text:
        return self

    def relabeled_clone(self, change_map: Any) -> Text:
        return self


class Kept:
    """`build(person id, moment)` gives the rows; whatever else it filters by is the same at every call."""

    def __init__(self, build: Callable[[int, datetime], QuerySet[Any, Any]]) -> None:
        self._build = build
        self._compiled: dict[str, tuple[str, tuple[Any, ...]]] = {}

    def _text(self) -> tuple[str, tuple[Any, ...]]:
        if connection.vendor not in self._compiled:
            # The compiler's own text: `str(query)` quotes nothing.
            sql, given = self._build(_PERSON, _MOMENT).order_by().query.get_compiler("default").as_sql()
            if _PERSON not in given:
                raise ValueError("A kept subquery asks for one person.")
            self._compiled[connection.vendor] = sql, tuple(given)
        return self._compiled[connection.vendor]

    def _asked(self, person_id: int, at: datetime) -> tuple[str, list[Any]]:
        sql, given = self._text()
        adapted = connection.ops.adapt_datetimefield_value
        moment, at_moment = adapted(_MOMENT), adapted(at)
        put_in = {_PERSON: person_id, moment: at_moment}
        return sql, [put_in.get(value, value) for value in given]

    def ids(self, person_id: int, at: datetime) -> Text:
        """For `column__in`: the one column of the rows."""
        return Text(*self._asked(person_id, at))

    def exist(self, person_id: int, at: datetime) -> Q:
        """Whether there is any such row, as a condition."""
        sql, params = self._asked(person_id, at)
        return Q(Text(f"EXISTS ({sql})", params, output_field=BooleanField()))
