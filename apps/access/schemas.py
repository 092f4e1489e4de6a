"""A record under the earlier schemas of its content: what was signed under one is still known when a newer came.

A kind whose content gets a new schema keeps the function of the one before, as `@registries.earlier_content("kind/1")`.
It gives the record as that schema says it, or None where the record says something the schema could not: a signature
under it does not cover that, so the record is another than the one signed. A new schema leaves every old digest alone.

A content that names the digests of other records (a release those of its version and plan) is told with each of their
kinds under an earlier schema too: a new schema of a plan unsays no release that was signed before it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from apps.access.sharing import once
from apps.core import registries
from apps.core.digests import digest


class Unsayable(Exception):
    """The record, or one whose digest it names, says what the earlier schema could not."""


@dataclass(frozen=True)
class Telling:
    """One telling of a record and of all whose digests it names. `under`: kind -> number of its schema, else the newest
    one. `seen`: kind -> number of the schema it was told under."""

    under: Mapping[str, int]
    seen: dict[str, int] = field(default_factory=dict)

    def content(self, kind: str, subject: Any) -> dict[str, Any]:
        """The content of this record, or of one it names. Raises Unsayable."""
        number = self.under.get(kind)
        if number is None:
            content: dict[str, Any] = registries.content[kind](subject)
            self.seen[kind] = number_of(content)
            return content
        self.seen[kind] = number
        earlier: dict[str, Any] | None = registries.earlier_content[f"{kind}/{number}"](subject)
        if earlier is None:
            raise Unsayable
        return earlier


_telling: ContextVar[Telling | None] = ContextVar("countersign_telling", default=None)


def under_way() -> Telling | None:
    """The telling that asks for a content now; None where it is asked as it is today."""
    return _telling.get()


@contextmanager
def as_today() -> Iterator[None]:
    """Inside a telling: what is asked in here is asked of the records as they are today."""
    token = _telling.set(None)
    try:
        yield
    finally:
        _telling.reset(token)


def number_of(content: Mapping[str, Any]) -> int:
    """2 of a content whose schema is "approvals.gate/2"."""
    return int(str(content["schema"]).rpartition("/")[2])


def contents(kind: str, subject: Any, today: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The content of today, then the same record as earlier schemas of its kind and of those it names say it.

    Each kind is told under one schema throughout, as one release of the portal does. The fewest steps back come first.
    Raises LookupError where an earlier schema has no reader: a new schema comes with the one before.
    """
    yield today
    if number_of(today) == 1 and not list(registries.earlier_content):
        return
    # Which kinds it names is found by telling it once more; of several signatures on one record that is asked once.
    seen = once(("schemas", kind, subject.pk), lambda: _told(kind, subject, {})[1])
    waiting = deque(_one_back({}, seen))
    known = {frozenset(under.items()) for under in waiting}
    while waiting:
        under = waiting.popleft()
        found, seen = _told(kind, subject, under)
        if found is not None:
            yield found
        for earlier in _one_back(under, seen):
            if (key := frozenset(earlier.items())) not in known:
                known.add(key)
                waiting.append(earlier)


def _one_back(under: dict[str, int], seen: dict[str, int]) -> list[dict[str, int]]:
    """Each kind that was told and has an earlier schema, one step back."""
    return [{**under, kind: number - 1} for kind, number in sorted(seen.items()) if number > 1]


def _told(kind: str, subject: Any, under: dict[str, int]) -> tuple[dict[str, Any] | None, dict[str, int]]:
    telling = Telling(under)
    token = _telling.set(telling)
    try:
        return telling.content(kind, subject), telling.seen
    except Unsayable:
        return None, telling.seen
    finally:
        _telling.reset(token)


def signed_as(kind: str, subject: Any, today: dict[str, Any], signed: str) -> dict[str, Any] | None:
    """The content with the digest `signed`, under whichever schemas; None when the record is another by now."""
    return next((each for each in contents(kind, subject, today) if digest(each) == signed), None)
