"""CSV that is safe to open in a spreadsheet, streamed, with a side file that says what it holds."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from apps.core.clock import iso
from apps.core.csvsafe import disarmed


def cell(value: Any) -> str:
    """One value as CSV text: times in ISO 8601 UTC, nothing for None, formulas disarmed by a leading '."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float | Decimal):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError("A time without a zone cannot be exported.")
        return iso(value)
    if isinstance(value, date):
        return value.isoformat()
    return disarmed(str(value))


class _Line:
    """A file-like object whose `write` gives the line back, so csv.writer can be streamed."""

    def write(self, text: str) -> str:
        return text


def csv_lines(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[bytes]:
    """RFC 4180 lines in UTF-8, header first."""
    writer = csv.writer(_Line())
    yield writer.writerow([cell(name) for name in header]).encode()
    for row in rows:
        yield writer.writerow([cell(value) for value in row]).encode()


def sha256_of(lines: Iterable[bytes]) -> str:
    """SHA-256 of the streamed file in hex, without holding it."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line)
    return digest.hexdigest()
