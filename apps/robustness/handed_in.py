"""Files of probe evidence: read, checked and compared before anything is recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from apps.analysis.errors import InputError
from apps.analysis.probes import submitted
from apps.analysis.readers import open_table
from apps.core import blobs
from apps.core.digests import plain
from apps.core.errors import BadInput
from apps.robustness.states import EvidenceKind

MAX_BYTES = 20 * 1024**2


def read(
    kind: str, *, file_digest: str, second_digest: str, key_column: str, tolerance: str
) -> dict[str, Any]:
    """What the files say, in the stored form; BadInput naming the field and how to mend it."""
    if kind not in list(EvidenceKind):
        raise _wrong("kind", f"Choose one of {', '.join(EvidenceKind)}.")
    first = _table("file", file_digest)
    if kind == EvidenceKind.EPSILON:
        if second_digest:
            raise _wrong("second", "A table of utility against epsilon is one file.")
        with _about("file"):
            rows = submitted.utility_table(first.to_pylist())
        stored: dict[str, Any] = plain({"rows": rows})
        return stored
    if not second_digest:
        raise _wrong("second", "Add the file of the serving pipeline: two files are compared.")
    second = _table("second", second_digest)
    apart = _tolerance(tolerance)
    with _about("second"):
        found = submitted.parity(first, second, key=key_column, tolerance=apart)
    compared: dict[str, Any] = plain(found)
    return compared


@contextmanager
def _about(field: str) -> Iterator[None]:
    """What the analysis refuses, said beside a field of the form."""
    try:
        yield
    except InputError as error:
        raise _wrong(field, str(error)) from error


def _table(field: str, digest: str) -> pa.Table:
    if not blobs.exists(digest):
        raise _wrong(field, "Upload the file first.")
    path = blobs.checked_path(digest)
    if path.stat().st_size > MAX_BYTES:
        raise _wrong(field, f"The file is larger than {blobs.human_size(MAX_BYTES)}.")
    with _about(field), open_table(path) as table:
        if table.rows > submitted.MAX_ROWS:
            raise InputError(f"The file has {table.rows:,} rows; at most {submitted.MAX_ROWS:,} are taken.")
        found: pa.Table = table.arrow("SELECT * FROM data")
    return found


def _tolerance(given: str) -> float:
    try:
        value = float(given.strip() or "0")
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise _wrong("tolerance", "Enter how far two numbers may lie apart: 0 or more, for example 0.000001.")
    return value


def _wrong(field: str, message: str) -> BadInput:
    return BadInput("The evidence was not taken.", rule="probe-evidence", fields={field: [message]})
