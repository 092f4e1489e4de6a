"""Files of probe evidence: read, checked and compared before anything is recorded."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from apps.analysis.canonical import identifier
from apps.analysis.errors import InputError
from apps.analysis.probes import submitted
from apps.analysis.readers import Table, open_table
from apps.core import blobs
from apps.core.digests import plain
from apps.core.errors import BadInput
from apps.robustness.states import EvidenceKind

MAX_BYTES = 20 * 1024**2
MAX_DECODED = 64 * 1024**2  # of one file: a small Parquet file may hold gigabytes
MAX_CELL = 10_000  # bytes of one text
MAX_TABLE_ROWS = 1_000  # of a table of utility


def read(
    kind: str, *, file_digest: str, second_digest: str, key_column: str, tolerance: str
) -> dict[str, Any]:
    """What the files say, in the stored form; BadInput naming the field and how to mend it."""
    if kind not in list(EvidenceKind):
        raise _wrong("kind", f"Choose one of {', '.join(EvidenceKind)}.")
    first = _table(
        "file", file_digest, MAX_TABLE_ROWS if kind == EvidenceKind.EPSILON else submitted.MAX_ROWS
    )
    if kind == EvidenceKind.EPSILON:
        if second_digest:
            raise _wrong("second", "A table of utility against epsilon is one file.")
        with _about("file"):
            rows = submitted.utility_table(first.to_pylist())
        stored: dict[str, Any] = plain({"rows": rows})
        return stored
    if not second_digest:
        raise _wrong("second", "Add the file of the serving pipeline: two files are compared.")
    apart = _tolerance(tolerance)
    second = _table("second", second_digest, submitted.MAX_ROWS)
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


def _table(field: str, digest: str, most: int) -> pa.Table:
    if not digest or not blobs.exists(digest):
        raise _wrong(field, "Upload the file first.")
    path = blobs.checked_path(digest)
    if path.stat().st_size > MAX_BYTES:
        raise _wrong(field, f"The file is larger than {blobs.human_size(MAX_BYTES)}.")
    with _about(field):
        _bounded_parquet(path, most)
    with _about(field), open_table(path) as table:
        _bounded(len(table.columns), table.rows, most)
        _decodable(table)
        found: pa.Table = table.arrow("SELECT * FROM data")
    return found


def _bounded(columns: int, rows: int, most: int) -> None:
    if columns > submitted.MAX_COLUMNS or rows > most:
        raise InputError(
            f"The file has {rows:,} rows and {columns:,} columns; at most {most:,} and {submitted.MAX_COLUMNS:,} are "
            "taken."
        )


def _bounded_parquet(path: Path, most: int) -> None:
    """What a Parquet file says of itself, before a page of it is decoded."""
    with path.open("rb") as file:
        if file.read(4) != b"PAR1":
            return
    try:
        said = pq.read_metadata(path)
    except (pa.ArrowException, OSError) as error:
        raise InputError("The Parquet file is damaged: its description cannot be read.") from error
    _bounded(said.num_columns, said.num_rows, most)
    _fits(sum(said.row_group(group).total_byte_size for group in range(said.num_row_groups)))


def _decodable(table: Table) -> None:
    """The size of the cells, counted by the engine before they are fetched: a dictionary repeats them for nothing."""
    names = [c.name for c in table.columns if not c.numeric]
    cells = [f"CAST({identifier(name)} AS VARCHAR)" for name in names]
    asked = [f"coalesce(sum(strlen({c})), 0), coalesce(max(strlen({c})), 0)" for c in cells]
    answers = table.all(f"SELECT {', '.join(asked)} FROM data")[0] if asked else ()
    for name, longest in zip(names, answers[1::2], strict=True):
        if longest > MAX_CELL:
            raise InputError(f"A cell of column “{name[:80]}” has more than {MAX_CELL:,} bytes.")
    _fits(8 * table.rows * len(table.columns) + int(sum(answers[::2])))


def _fits(size: int) -> None:
    if size > MAX_DECODED:
        raise InputError(
            f"The file unpacks to {blobs.human_size(size)}; at most {blobs.human_size(MAX_DECODED)} are taken. Hand in "
            "fewer rows or columns."
        )


def _tolerance(given: str) -> float:
    try:
        value = float(given.strip() or "0")
    except ValueError:
        value = math.nan
    if not 0 <= value <= submitted.MAX_TOLERANCE:
        raise _wrong(
            "tolerance",
            f"Enter how far two numbers may lie apart: from 0 to {submitted.MAX_TOLERANCE:f}. Whoever hands files in "
            "cannot widen it: the limits were locked before.",
        )
    return value


def _wrong(field: str, message: str) -> BadInput:
    return BadInput("The evidence was not taken.", rule="probe-evidence", fields={field: [message]})
