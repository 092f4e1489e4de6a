"""A record under the earlier schemas of its content: what was signed under one is still known when a newer came.

A kind whose content gets a new schema keeps the function of the one before, as `@registries.earlier_content("kind/1")`.
It gives the record as that schema says it, or None where the record says something the schema could not: a signature
under it does not cover that, so the record is another than the one signed. A new schema leaves every old digest alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from apps.core import registries
from apps.core.digests import digest


def contents(kind: str, subject: Any, today: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The content of today, then the same record as each earlier schema of its kind says it, the newest first.

    Raises LookupError where an earlier schema has no reader: a new schema comes with the one before.
    """
    yield today
    number = int(str(today["schema"]).rpartition("/")[2])
    for earlier in range(number - 1, 0, -1):
        content = registries.earlier_content[f"{kind}/{earlier}"](subject)
        if content is not None:
            yield content


def signed_as(kind: str, subject: Any, today: dict[str, Any], signed: str) -> dict[str, Any] | None:
    """The content with the digest `signed`, under whichever schema; None when the record is another by now."""
    return next((each for each in contents(kind, subject, today) if digest(each) == signed), None)
