"""The cases a model is asked about, its answers, and what the data look like."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis.errors import InputError
from apps.analysis.probes.deciding import Deciding

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
NUMBER, WHOLE, TEXT = "number", "whole", "text"
KINDS = (NUMBER, WHOLE, TEXT)
TWO_CLASSES = Deciding()


@dataclass(frozen=True)
class Frame:
    """Columns by name, all (n,): float64 with NaN for empty cells where the kind is number or whole (whole: only
    whole numbers, never empty), object (str or None) where it is text."""

    columns: Mapping[str, npt.NDArray[Any]]
    kinds: Mapping[str, str]

    def __post_init__(self) -> None:
        if not self.columns:
            raise InputError("The model asks for no column, so there is nothing to probe.")
        if len({len(values) for values in self.columns.values()}) != 1:
            raise InputError("The columns have different numbers of rows.")
        if set(self.kinds) != set(self.columns) or not set(self.kinds.values()) <= set(KINDS):
            raise InputError("Each column needs a kind: number, whole or text.")

    @property
    def n(self) -> int:
        return len(next(iter(self.columns.values())))

    @property
    def numbers(self) -> list[str]:
        """Columns of numbers, whole ones among them."""
        return [name for name, kind in self.kinds.items() if kind != TEXT]

    @property
    def texts(self) -> list[str]:
        return [name for name, kind in self.kinds.items() if kind == TEXT]

    def having(self, changed: Mapping[str, npt.NDArray[Any]]) -> Frame:
        """The same with some columns replaced; whole numbers are rounded to such."""
        new = {
            name: np.rint(values) if self.kinds[name] == WHOLE else values for name, values in changed.items()
        }
        return replace(self, columns={**self.columns, **new})

    def take(self, rows: npt.NDArray[Any]) -> Frame:
        return replace(self, columns={name: values[rows] for name, values in self.columns.items()})


@dataclass(frozen=True)
class Answers:
    """What the model answered to n cases, and by what rule answers differ.

    decided: (n,) whole numbers; of two classes 1 where positive, of several the place of the class, of a number 0.
    scores: (n,) float64 of the positive class; of several classes (n, classes) in their order; of a number the number
    itself; or None. usable: (n,) bool, False where the model gave no finite score or failed.
    """

    decided: npt.NDArray[Any]
    scores: Floats | None
    usable: Flags
    by: Deciding = TWO_CLASSES

    def take(self, rows: npt.NDArray[Any]) -> Answers:
        scores = None if self.scores is None else self.scores[rows]
        return Answers(self.decided[rows], scores, self.usable[rows], self.by)


Ask = Callable[[Frame], Answers]


@dataclass(frozen=True)
class Cases:
    """A frame with the verified label of each row, (n,), in the terms of `Answers.decided`, of a number the number; and
    group columns, (n,) object."""

    frame: Frame
    labels: npt.NDArray[Any]
    groups: Mapping[str, npt.NDArray[Any]]

    @property
    def n(self) -> int:
        return self.frame.n

    def take(self, rows: npt.NDArray[Any]) -> Cases:
        groups = {name: values[rows] for name, values in self.groups.items()}
        return Cases(self.frame.take(rows), self.labels[rows], groups)

    def sample(self, rows: int, rng: np.random.Generator) -> Cases:
        """At most `rows` of them, drawn without replacement, in their order."""
        if self.n <= rows:
            return self
        return self.take(np.sort(rng.choice(self.n, rows, replace=False)))


@dataclass(frozen=True)
class Range:
    """A column of numbers in the test data: the scale of what disturbs it."""

    mean: float
    sd: float
    low: float
    high: float
    flag: bool = False  # only 0 and 1, both of them


def ranges_of(frame: Frame) -> dict[str, Range]:
    """Mean, standard deviation (n - 1), smallest and greatest finite value of each column of numbers."""
    found = {}
    for name in frame.numbers:
        values = frame.columns[name].astype(np.float64)
        values = values[np.isfinite(values)]
        if len(values) == 0:
            continue
        sd = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        low, high = float(values.min()), float(values.max())
        flag = (low, high) == (0.0, 1.0) and bool(((values == 0) | (values == 1)).all())
        found[name] = Range(float(values.mean()), sd, low, high, flag)
    return found


def levels_of(*frames: Frame) -> dict[str, set[str]]:
    """The values each text column of the first frame has in any of them."""
    return {
        name: {str(v) for frame in frames for v in frame.columns[name] if v is not None}
        for name in frames[0].texts
    }


def changed(before: Answers, after: Answers) -> tuple[Flags, Flags]:
    """((m,) decided otherwise, (m,) no usable answer) of the cases that had a usable answer before."""
    had = before.usable
    lost = ~after.usable[had]
    return before.by.other(before, after)[had] & ~lost, lost
