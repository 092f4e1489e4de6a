"""The records that hang on model versions, by their keys: what separation asks of a version at every act.

One query for all kinds and any number of versions; no record is read. The query's text is made once for a process:
putting together what ten apps contribute takes longer than running it.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from django.db import connection
from django.db.models import CharField, F, Model, Value

from apps.access.facts import Pair
from apps.access.sharing import gathered, grouped
from apps.core import registries

ON = "registry.versions"
_AT_ONCE = 256  # versions in one query: a dozen placeholders each


@dataclass(frozen=True)
class Hanging:
    """One kind of record: its model, the path from it to its version's id, and the field of what it was made for."""

    model: type[Model]
    version: str
    made_for: str = "pk"


class Hung(NamedTuple):
    """A record's kind and key, and the key of what it was made for (of a run its plan, of a plan its test data)."""

    kind: str
    pk: int
    made_for: int


def hung_on(version_ids: Collection[int]) -> dict[int, list[Hung]]:
    """Version id -> what hangs on it, of every kind that an app declares with `registries.hanging`."""

    def load(ids: list[int]) -> dict[int, list[Hung]]:
        rows = [row for first in range(0, len(ids), _AT_ONCE) for row in _rows(ids[first : first + _AT_ONCE])]
        return {
            version: [Hung(*row[1:]) for row in found]
            for version, found in grouped(rows, lambda row: row[0]).items()
        }

    return {pk: found or [] for pk, found in gathered("hanging on versions", version_ids, load).items()}


def of_kind(model: type[Model], version_ids: Collection[int]) -> list[Hung]:
    """The records of one kind that hang on any of these versions."""
    kind = model.subject_kind  # type: ignore[attr-defined]
    return [each for found in hung_on(version_ids).values() for each in found if each.kind == kind]


@registries.closure(f"{ON}:version")
def records_of(version_ids: Collection[int]) -> frozenset[Pair]:
    return frozenset((each.kind, str(each.pk)) for found in hung_on(version_ids).values() for each in found)


def _rows(ids: list[int]) -> list[tuple[int, str, int, int]]:
    width = 1 << (len(ids) - 1).bit_length()  # few lengths, few texts: the last id is asked for again
    sql, params = _statement(connection.vendor, width)
    asked = [*ids, *[ids[-1]] * (width - len(ids))]
    with connection.cursor() as cursor:
        cursor.execute(sql, [asked[-each - 1] if isinstance(each, int) else each for each in params])
        found: list[tuple[int, str, int, int]] = cursor.fetchall()
    return found


@lru_cache(maxsize=32)
def _statement(vendor: str, width: int) -> tuple[str, tuple[Any, ...]]:
    """The text for `width` versions; in its parameters the place of version number i is held by -1 - i."""
    places = [-1 - i for i in range(width)]
    parts = []
    for give in registries.hanging[ON]:
        for each in give():
            rows = each.model._default_manager.filter(**{f"{each.version}__in": places}).order_by()
            kind = Value(each.model.subject_kind, output_field=CharField())  # type: ignore[attr-defined]
            parts.append(rows.values_list(F(each.version), kind, F("pk"), F(each.made_for)))
    sql, params = parts[0].union(*parts[1:], all=True).query.sql_with_params()
    return sql, params
