"""One pass: rows to cells (groups x label x prediction x score bin) with counts and fixed-point sums.

Every rate, difference, ratio, interval and test is computed from the cells, never from the rows again. Sums
are 64-bit integers of value * 2^32 rounded half up, so they are the same to the last bit in any row order, on
any engine and with any number of threads; the digest of the cells is therefore evidence. 2^31 rows fit.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw

BINS = 10
SCALE = 1 << 32
NO_SCORE = -1


@dataclass(frozen=True)
class Cell:
    """`key`: group values; `y`, `p`: 0 or 1; `bin`: 0..9 or -1; sums of score, squared error and its square * 2^32."""

    key: tuple[str, ...]
    y: int
    p: int
    bin: int
    n: int
    score: int = 0
    error: int = 0
    error2: int = 0


@dataclass
class Counts:
    """What one group's metrics need. `bins[i]` is [n, positives, fixed-point sum of scores]."""

    tn: int = 0
    fp: int = 0
    fn: int = 0
    tp: int = 0
    scored: bool = False
    score: int = 0
    error: int = 0
    error2: int = 0
    bins: dict[int, list[int]] = field(default_factory=dict)

    @property
    def n(self) -> int:
        return self.tn + self.fp + self.fn + self.tp

    def add(self, cell: Cell) -> None:
        """Add one cell's rows."""
        name = ("tn", "fp", "fn", "tp")[2 * cell.y + cell.p]
        setattr(self, name, getattr(self, name) + cell.n)
        if cell.bin == NO_SCORE:
            return
        self.scored = True
        self.score += cell.score
        self.error += cell.error
        self.error2 += cell.error2
        slot = self.bins.setdefault(cell.bin, [0, 0, 0])
        slot[0] += cell.n
        slot[1] += cell.n * cell.y
        slot[2] += cell.score


def count_cells(frame: Any, groups: Sequence[str], *, scored: bool) -> list[Cell]:
    """Aggregate a frame into sorted cells.

    `frame`: anything Narwhals can read (a DuckDB relation, Polars, pandas, PyArrow, Spark, Dask or Ibis
    table) with text columns `groups` ("" for missing), `y` and `p` in {0, 1}, and `s` in [0, 1] if `scored`.
    """
    rows = nw.from_native(frame).lazy()
    keys = [*groups, "y", "p"]
    sums: list[Any] = []
    if scored:
        s, off = nw.col("s"), nw.col("s") - nw.col("y")
        rows = rows.with_columns(_bin=(s * BINS).floor().cast(nw.Int64).clip(0, BINS - 1), _e=off * off)
        rows = rows.with_columns(
            _score=_fixed(s), _error=_fixed(nw.col("_e")), _error2=_fixed(nw.col("_e") * nw.col("_e"))
        )
        keys.append("_bin")
        sums = [nw.col(name).sum() for name in ("_score", "_error", "_error2")]
    counted = rows.group_by(*keys).agg(nw.len().alias("_n"), *sums).collect("pyarrow")
    found = []
    for row in counted.iter_rows(named=True):
        figures = [int(row[name]) for name in ("_score", "_error", "_error2")] if scored else []
        found.append(
            Cell(
                tuple(row[g] for g in groups),
                int(row["y"]),
                int(row["p"]),
                int(row["_bin"]) if scored else NO_SCORE,
                int(row["_n"]),
                *figures,
            )
        )
    return sorted(found, key=lambda c: (c.key, c.y, c.p, c.bin))


def _fixed(expression: Any) -> Any:
    return (expression * SCALE + 0.5).floor().cast(nw.Int64)


def gather(cells: Iterable[Cell], positions: Sequence[int]) -> dict[tuple[str, ...], Counts]:
    """Counts by the group attributes at `positions`, sorted by value; no positions give one overall group `()`."""
    found: dict[tuple[str, ...], Counts] = {}
    for cell in cells:
        key = tuple(cell.key[i] for i in positions)
        found.setdefault(key, Counts()).add(cell)
    return dict(sorted(found.items()))


def cells_digest(cells: Sequence[Cell], groups: Sequence[str]) -> str:
    """`sha256:` over the cells as canonical JSON (names of the groups, then the sorted rows, integers and text)."""
    rows = [[*c.key, c.y, c.p, c.bin, c.n, c.score, c.error, c.error2] for c in cells]
    text = json.dumps({"cells": rows, "groups": list(groups)}, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
