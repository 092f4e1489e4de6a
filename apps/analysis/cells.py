"""One pass: rows to cells (groups x label x prediction x score bin) with counts and fixed-point sums.

Every rate, difference, ratio, interval and test is computed from the cells, never from the rows again. Sums
are 64-bit integers of value * 2^32 rounded half up, so they are the same to the last bit in any row order, on
any engine and with any number of threads; the digest of the cells is therefore evidence. 2^31 rows fit.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import narwhals.stable.v2 as nw

BINS = 10
SCALE = 1 << 32
NO_SCORE = -1
BAD_SCORE = -2


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
    weight: int = 0  # sum of weights in units of the table's weight scale; 0 without weights


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


def raw_cells(
    frame: Any,
    groups: Sequence[str],
    *,
    scored: bool,
    threshold: float | None = None,
    predicted: bool = True,
    weight_scale: float | None = None,
) -> Any:
    """The one pass: a pyarrow table of counts and sums per different combination of the values as they are.

    `frame`: anything Narwhals can read, with columns `groups`, `y` (label), `p` (prediction, if `predicted`), `s`
    (number, if `scored`) and `w` (if `weight_scale`). Values are not yet canonical: addition of integers does not
    mind, so that is done on the few cells afterwards and not on the rows. Squared errors are summed as if the
    label were 0 (`_e0`) and as if it were 1 (`_e1`). A score outside 0..1 or missing has bin -2. `_t`: whether
    the score reaches `threshold`.
    """
    rows = nw.from_native(frame).lazy()
    keys = [*groups, "y", *(["p"] if predicted else [])]
    sums: list[Any] = []
    if scored:
        s = nw.col("s")
        fine = (s >= 0.0) & (s <= 1.0)
        rows = rows.with_columns(_s=nw.when(fine).then(s).otherwise(0.0))
        s = nw.col("_s")
        place = (s * BINS).floor().cast(nw.Int64).clip(0, BINS - 1)
        rows = rows.with_columns(
            _bin=nw.when(fine).then(place).otherwise(BAD_SCORE), _sq=s * s, _off=(s - 1) * (s - 1)
        )
        keys.append("_bin")
        made = {"_score": s, "_e0": nw.col("_sq"), "_e1": nw.col("_off")}
        made |= {"_f0": nw.col("_sq") * nw.col("_sq"), "_f1": nw.col("_off") * nw.col("_off")}
        rows = rows.with_columns(**{name: _fixed(value) for name, value in made.items()})
        sums = [nw.col(name).sum() for name in made]
        if threshold is not None:
            reached = nw.when(nw.col("s") >= threshold).then(1).otherwise(0).cast(nw.Int64)
            rows = rows.with_columns(_t=reached)
            keys.append("_t")
    if weight_scale is not None:
        rows = rows.with_columns(_weight=(nw.col("w") * weight_scale + 0.5).floor().cast(nw.Int64))
        sums.append(nw.col("_weight").sum())
    return rows.group_by(*keys).agg(nw.len().alias("_n"), *sums).collect("pyarrow").to_native()


def weight_scale(n: int, largest: float) -> float:
    """The power of two by which weights are multiplied so that the sum of `n` of them fits 62 bits."""
    return 2.0 ** min(32, 61 - math.ceil(math.log2(max(1.0, n * largest))))


def count_cells(frame: Any, groups: Sequence[str], *, scored: bool) -> list[Cell]:
    """Sorted cells of a frame whose values are canonical: text `groups`, `y` and `p` in {0, 1}, `s` in [0, 1]."""
    found = []
    for row in raw_cells(frame, groups, scored=scored).to_pylist():
        y = int(row["y"])
        figures = [int(row[name]) for name in ("_score", f"_e{y}", f"_f{y}")] if scored else []
        place = int(row["_bin"]) if scored else NO_SCORE
        found.append(Cell(tuple(row[g] for g in groups), y, int(row["p"]), place, int(row["_n"]), *figures))
    return sort_cells(found)


def sort_cells(found: Iterable[Cell]) -> list[Cell]:
    """In order of key, label, prediction and bin."""
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
    """`sha256:` over the cells as canonical JSON (names of the groups, then the sorted rows, integers and text).

    Weighted cells carry their weight as one more integer.
    """
    weighted = any(c.weight for c in cells)
    rows = [
        [*c.key, c.y, c.p, c.bin, c.n, c.score, c.error, c.error2, *([c.weight] if weighted else [])]
        for c in cells
    ]
    text = json.dumps({"cells": rows, "groups": list(groups)}, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
