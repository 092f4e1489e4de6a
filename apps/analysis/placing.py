"""Exact sums behind the AUC and DeLong's error, as integers: the same from NumPy and from the compiled loop.

For a positive case let B be twice the negatives below it plus those tied with it; for a negative case C the same of the
positives. The AUC is the sum of B over 2mn, and DeLong's variance follows from the sums of the squares of B and C, so
five integers a group say everything and nothing depends on the order of additions. The extra `fast-auc` (Numba) makes
them for all groups in one pass over the sorted rows; without it NumPy does, group by group. 2^31 rows fit.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
COMPILED_FROM = 200_000  # rows: below, compiling takes longer than it saves
_LOW = (1 << 32) - 1


@dataclass(frozen=True)
class Sums:
    """`pos`, `neg`: cases; `b`: sum of B over the positives; `b2`, `c2`: sums of the squares of B and of C."""

    pos: int
    neg: int
    b: int
    b2: int
    c2: int

    @property
    def area(self) -> float:
        """The AUC; both classes are there."""
        return self.b / (2 * self.pos * self.neg)

    @property
    def variance(self) -> float:
        """DeLong's variance of the AUC; at least two cases of each class. One rounding each, of exact fractions."""
        m, n = self.pos, self.neg
        of_positives = (m * self.b2 - self.b**2) / (4 * m**2 * n**2 * (m - 1))
        return of_positives + (n * self.c2 - self.b**2) / (4 * m**2 * n**2 * (n - 1))


def of_blocks(pos: Ints, neg: Ints) -> Sums:
    """The sums of one group from its counts per different score, rising."""
    m, n = int(pos.sum()), int(neg.sum())
    below = 2 * np.cumsum(neg) - neg
    c = 2 * m - (2 * np.cumsum(pos) - pos)
    return Sums(m, n, int(np.dot(pos, below)), _squares(pos, below), _squares(neg, c))


def _squares(counts: Ints, values: Ints) -> int:
    """Sum of counts times squared values: the upper and lower 32 bits apart, so that nothing overflows."""
    squares = values * values
    return (int(np.dot(counts, squares >> 32)) << 32) + int(np.dot(counts, squares & _LOW))


def compiles(rows: int) -> bool:
    """Whether the extra is installed, and worth its start for so many rows."""
    return rows >= COMPILED_FROM and importlib.util.find_spec("numba") is not None


def sort(keys: Any) -> tuple[Any, Any]:
    """(n,) uint64 keys in order but for their lowest bit, and the places they had; the compiled sort uses them up."""
    if compiles(len(keys)):
        made: tuple[Any, Any] = _compiled()[0](keys)
        return made
    order = np.argsort(keys)
    return keys[order], order


def of_rows(scores: Any, labels: Any, cells: Any, groups_of: Any, groups: int) -> list[Sums]:
    """The sums of groups 0 … `groups` - 1 by the compiled loop, in one pass however many groupings there are.

    (n,) rows sorted by score: `scores`, `labels` 0 or 1, `cells` (an integer each); `groups_of`: (cells, groupings),
    the group of each cell in each grouping.
    """
    found = []
    made = _compiled()[1](scores, labels, cells, groups_of, groups)
    for pos, neg, b, b2_high, b2_low, p, p2_high, p2_low in made.tolist():
        # The loop knows the positives below a negative (p), not yet how many there are in all: C = 2m - p.
        squares = (p2_high << 32) + p2_low
        c2 = 4 * pos**2 * neg - 4 * pos * p + squares
        found.append(Sums(pos, neg, b, (b2_high << 32) + b2_low, c2))
    return found


@lru_cache
def _compiled() -> tuple[Callable[..., Any], Callable[..., Any]]:
    njit = importlib.import_module("numba").njit
    return njit(nogil=True)(_radix), njit(nogil=True)(_walker(njit(_close)))


def _radix(keys: Any) -> Any:
    """Least significant digit first, eight digits of 8 bits above the lowest bit, which need not be in order.

    A digit that is the same in all keys is skipped (float32 in float64 has three of them). `keys` is used up.
    """
    n = len(keys)
    mask = np.uint64(255)
    counts = np.zeros((8, 256), np.int64)
    for i in range(n):
        rest = keys[i] >> np.uint64(1)
        for d in range(8):
            counts[d, rest & mask] += 1
            rest >>= np.uint64(8)
    order = np.arange(n).astype(np.uint32)
    to_keys, to_order = np.empty_like(keys), np.empty_like(order)
    for d in range(8):
        if counts[d].max() == n:
            continue
        place = np.cumsum(counts[d]) - counts[d]
        shift = np.uint64(8 * d + 1)
        for i in range(n):
            digit = (keys[i] >> shift) & mask
            at = place[digit]
            place[digit] = at + 1
            to_keys[at] = keys[i]
            to_order[at] = order[i]
        keys, to_keys = to_keys, keys
        order, to_order = to_order, order
    return keys, order


def _walker(close: Callable[..., None]) -> Callable[..., Any]:
    def walk(scores: Any, labels: Any, cells: Any, groups_of: Any, groups: int) -> Any:
        # A row a group: positives, negatives, sums of pB, of pB squared in two halves, and the same of the negatives.
        sums = np.zeros((groups, 8), np.int64)
        tied = np.zeros((groups, 2), np.int64)  # negatives and positives of the score at hand
        seen = np.zeros(groups, np.int64)
        block, last = 0, -1.0
        for i in range(len(scores)):
            if scores[i] != last:
                last = scores[i]
                block += 1
            cell, label = cells[i], labels[i]
            for j in range(groups_of.shape[1]):
                g = groups_of[cell, j]
                if seen[g] != block:
                    close(sums, tied, g)
                    seen[g] = block
                tied[g, label] += 1
        for g in range(groups):
            close(sums, tied, g)
        return sums

    return walk


def _close(sums: Any, tied: Any, g: int) -> None:
    """Add a finished score of group `g` to its sums."""
    q, p = tied[g, 0], tied[g, 1]
    below, beneath = 2 * sums[g, 1] + q, 2 * sums[g, 0] + p
    sums[g, 2] += p * below
    sums[g, 3] += p * ((below * below) >> 32)
    sums[g, 4] += p * ((below * below) & 4294967295)
    sums[g, 5] += q * beneath
    sums[g, 6] += q * ((beneath * beneath) >> 32)
    sums[g, 7] += q * ((beneath * beneath) & 4294967295)
    sums[g, 0] += p
    sums[g, 1] += q
    tied[g, 0] = 0
    tied[g, 1] = 0
