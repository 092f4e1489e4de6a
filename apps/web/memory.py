"""Rows that were computed and stand in no table, for the list machine: sorted, filtered and paged in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any


class MemoryRows:
    """As much of a queryset as `lists.Listing` asks for. Rows have the attributes the columns sort by, and `pk`."""

    ordered = True

    def __init__(self, rows: Sequence[Any]) -> None:
        self._rows = list(rows)

    def none(self) -> MemoryRows:
        return MemoryRows(())

    def keep(self, wanted: Callable[[Any], bool]) -> MemoryRows:
        return MemoryRows([row for row in self._rows if wanted(row)])

    def order_by(self, *terms: str) -> MemoryRows:
        """By attributes, the last term first: Python's sort keeps the order of equal rows."""
        rows = list(self._rows)
        for term in reversed(terms):
            name = term.removeprefix("-")
            rows.sort(key=lambda row, name=name: getattr(row, name), reverse=term.startswith("-"))
        return MemoryRows(rows)

    def count(self) -> int:
        return len(self._rows)

    def iterator(self, chunk_size: int = 2000) -> Iterator[Any]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._rows)

    def __getitem__(self, place: Any) -> Any:
        return self._rows[place]
