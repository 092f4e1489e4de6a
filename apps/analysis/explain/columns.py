"""Columns of cases as the samplers take them: numbers with NaN where empty, texts with "" where empty."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.analysis.errors import InputError

Columns = dict[str, NDArray[Any]]  # name -> (n,), all of one length, in the order of the model's features
Floats = NDArray[np.float64]
Score = Callable[[Columns], Floats]  # columns of n rows -> (n,) scores; of several classes `targets.Target`
ROWS_AT_ONCE = 65_536  # bounds the memory of one call of the model


def length(columns: Columns) -> int:
    """Rows of the columns. Raises `InputError` without columns, or where their lengths differ."""
    if not columns:
        raise InputError("The model takes no columns, so there is nothing to explain.")
    sizes = {len(values) for values in columns.values()}
    if len(sizes) > 1:
        raise InputError("The columns have different numbers of rows.")
    return sizes.pop()


def take(columns: Columns, rows: NDArray[np.intp]) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def is_text(values: NDArray[Any]) -> bool:
    return values.dtype.kind in "OUS"


class Tally:
    """A scoring function that is called in pieces, refuses what is not a number, and counts what it was asked.

    width: columns of its answer; 0 where it gives one number a case.
    """

    def __init__(self, score: Score, asked: Callable[[int], None] | None = None, *, width: int = 0) -> None:
        self.evaluations = 0
        self._width = width
        self._score = score
        self._asked = asked

    def __call__(self, columns: Columns) -> Floats:
        n = length(columns)
        parts = []
        for start in range(0, n, ROWS_AT_ONCE):
            piece = {name: values[start : start + ROWS_AT_ONCE] for name, values in columns.items()}
            found = np.asarray(self._score(piece), dtype=np.float64)
            size = length(piece)
            if found.shape != ((size, self._width) if self._width else (size,)):
                raise InputError(f"The model gave {found.size:,} scores for {size:,} cases.")
            bad = int((~np.isfinite(found)).sum())
            if bad:
                raise InputError(
                    f"{bad:,} of {size:,} scores are not finite numbers (NaN or infinite); nothing was explained."
                )
            parts.append(found)
            self.evaluations += size
            if self._asked is not None:
                self._asked(self.evaluations)
        return np.concatenate(parts) if parts else np.empty(0)
