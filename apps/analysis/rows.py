"""Digests of rows, to find the same row in two files whatever their format, row order or column order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis.canonical import literal
from apps.analysis.readers import Table, open_table

Digests = npt.NDArray[np.bytes_]


def row_digests(source: Any, columns: Sequence[str] | None = None, *, threads: int = 1) -> Digests:
    """Sorted unique SHA-256 digests of the rows over `columns` (all unless told): shape (k,), dtype S32.

    A row's digest covers, for each column by name, the name and the canonical text of the cell (`canonical`),
    or that it is missing. `pack` and `unpack` turn the array to bytes (32 a digest) and back.
    """
    with open_table(source, threads=threads) as table:
        return digests_of(table, columns)


def digests_of(table: Table, columns: Sequence[str] | None = None) -> Digests:
    """`row_digests` of an open table."""
    names = sorted(columns if columns is not None else [c.name for c in table.columns])
    texts = ", ".join(f"{table.column(name).text} AS t{i}" for i, name in enumerate(names))
    parts = [
        f"{literal(f'{len(name)}:{name}=')}, coalesce(length(t{i}) || ':' || t{i}, '-')"
        for i, name in enumerate(names)
    ]
    digest = f"unhex(sha256(concat({', '.join(parts)})))"
    arrow = table.arrow(f"SELECT DISTINCT {digest} AS d FROM (SELECT {texts} FROM data) ORDER BY d")
    if arrow.num_rows == 0:
        return np.empty(0, dtype="S32")
    return np.array(arrow["d"].to_pylist(), dtype="S32")


def pack(digests: Digests) -> bytes:
    """32 bytes a digest, in order."""
    return digests.tobytes()


def unpack(data: bytes) -> Digests:
    """The reverse of `pack`."""
    return np.frombuffer(data, dtype="S32")


def overlap(first: Digests, second: Digests) -> int:
    """How many digests are in both sorted unique arrays."""
    return int(np.intersect1d(first, second, assume_unique=True).size)


def entity_overlap(first: Any, second: Any, key: Sequence[str], *, threads: int = 1) -> int:
    """How many units (patient, batch: the values of the `key` columns together) occur in both tables."""
    return overlap(row_digests(first, key, threads=threads), row_digests(second, key, threads=threads))
