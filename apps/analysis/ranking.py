"""What needs the scores in order: exact AUC with DeLong's interval, average precision, log loss, calibration line.

One sort serves all groups. A group is kept as blocks of equal score (`Blocks`): counts of positives and negatives,
or sums of weights. With a `Design` (weights, entities) errors are linearised and summed by entity (Obuchowski 1997).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals, logistic, placing
from apps.analysis.metrics import Estimate, mean, none
from apps.analysis.survey import Design, mean_of, with_error

Floats = npt.NDArray[np.float64]
Attributes = list[
    tuple[list[str], npt.NDArray[np.int64]]
]  # values, and the place of each row's value among them
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Blocks:
    """(k,) arrays, one entry per different score, rising: `scores`, sums `pos` and `neg`; (n,) rows below.

    `place`: block of each row; `labels`: bool; `design`: weights and units of the rows, or None.
    """

    scores: Floats
    pos: Floats
    neg: Floats
    place: npt.NDArray[np.int64] | None
    labels: npt.NDArray[np.bool_]
    design: Design | None


class Ranked:
    """Scores and labels sorted once, by score. `scores`: (n,) float in 0..1; `labels`: (n,) 0 or 1."""

    def __init__(self, scores: Floats, labels: npt.NDArray[np.int8], design: Design | None = None) -> None:
        if design is None:
            # Doubles in 0..1 keep their order as integers below 2^62: one sort for score and label.
            packed = (scores + 0.0).view(np.uint64)
            packed <<= np.uint64(1)
            packed |= labels.astype(np.uint8)
            packed, self.order = placing.sort(packed)
            self.labels = (packed & np.uint64(1)).astype(bool)
            self.scores = (packed >> np.uint64(1)).view(np.float64)
        else:
            self.order = np.lexsort((design.units, design.weights, labels, scores))
            self.scores = scores[self.order] + 0.0
            self.labels = labels[self.order].astype(bool)
        self.design = design.take(self.order) if design is not None else None
        self._start: tuple[float, float] | None = None

    def metrics(
        self,
        codes: npt.NDArray[np.int64] | None = None,
        level: float = intervals.LEVEL,
        sums: dict[int, placing.Sums] | None = None,
    ) -> Iterator[tuple[int, dict[str, Estimate]]]:
        """(code, estimates) per group; `codes`: (n,) group of each row in the original order; `sums`: of each code."""
        for code, rows in self.parts(codes):
            blocks = self.blocks(rows)
            line = logistic.fit(blocks.scores, blocks.pos, blocks.neg, self._start)
            if codes is None and line.slope is not None:
                self._start = line.slope  # the groups' lines lie near the overall one
            yield code, _metrics(blocks, line, level, sums[code] if sums else None)

    def sums(
        self, codes: Attributes, every: Sequence[tuple[int, ...]]
    ) -> list[dict[int, placing.Sums]] | None:
        """By grouping of `every` and code of `groups.combine` what each AUC rests on; None where blocks give it.

        `codes`: the attributes; a grouping names the positions of some.
        """
        sizes = [len(values) for values, _ in codes]
        if self.design is not None or not placing.compiles(len(self.scores)) or math.prod(sizes) > 1 << 16:
            return None
        cells = np.zeros(len(self.scores), np.uint16)
        for size, (_, index) in zip(sizes, codes, strict=True):
            cells = cells * np.uint16(size) + index.astype(np.uint16)
        places = np.unravel_index(np.arange(math.prod(sizes)), sizes) if sizes else ()
        groups_of, starts = [], [0]
        for at in every:
            group_of, groups = np.zeros(math.prod(sizes), np.int64), 1
            for i in at:
                group_of, groups = group_of * sizes[i] + places[i], groups * sizes[i]
            groups_of.append(group_of + starts[-1])
            starts.append(starts[-1] + groups)
        labels = self.labels.view(np.uint8)
        table = np.stack(groups_of, axis=1)
        found = placing.of_rows(self.scores, labels, cells[self.order], table, starts[-1])
        return [
            {code: one for code, one in enumerate(found[start:stop]) if one.pos + one.neg}
            for start, stop in pairwise(starts)
        ]

    def parts(self, codes: npt.NDArray[np.int64] | None) -> Iterator[tuple[int, Any]]:
        """(code, places of its rows in sorted order); a slice of everything without codes."""
        if codes is None:
            yield 0, slice(None)
            return
        sorted_codes = codes[self.order]
        if len(codes) and sorted_codes.max() < 2**15:
            sorted_codes = sorted_codes.astype(np.int16)  # sorted by radix
        by_group = np.argsort(sorted_codes, kind="stable")
        grouped = sorted_codes[by_group]
        starts = np.flatnonzero(np.r_[True, grouped[1:] != grouped[:-1]])
        for start, stop in zip(starts, np.r_[starts[1:], len(grouped)], strict=True):
            yield int(grouped[start]), by_group[start:stop]

    def blocks(self, rows: Any) -> Blocks:
        """The rows at these places of the sorted order as blocks of equal score."""
        scores, labels = self.scores[rows], self.labels[rows]
        new = np.r_[True, scores[1:] != scores[:-1]]
        starts = np.flatnonzero(new)
        if self.design is None:
            sizes = np.diff(np.r_[starts, len(scores)])
            pos = np.add.reduceat(labels.astype(np.int64), starts)
            return Blocks(
                scores[starts], pos.astype(np.float64), (sizes - pos).astype(np.float64), None, labels, None
            )
        design = self.design.take(rows)
        pos = np.add.reduceat(np.where(labels, design.weights, 0.0), starts)
        neg = np.add.reduceat(np.where(labels, 0.0, design.weights), starts)
        return Blocks(scores[starts], pos, neg, np.cumsum(new) - 1, labels, design)


def _metrics(
    blocks: Blocks, line: logistic.Line, level: float, sums: placing.Sums | None = None
) -> dict[str, Estimate]:
    return {
        "auc": auc(blocks, level) if sums is None else area_of(sums, level),
        "average_precision": average_precision(blocks, level),
        "log_loss": _log_loss(blocks, level),
    } | _line(blocks, line, level)


def _log_loss(blocks: Blocks, level: float) -> Estimate:
    clipped = np.clip(blocks.scores, _EPS, 1 - _EPS)
    hit, miss = -np.log(clipped), -np.log(1 - clipped)
    if blocks.design is not None:
        assert blocks.place is not None
        rows = np.where(blocks.labels, hit[blocks.place], miss[blocks.place])
        return mean_of(rows, blocks.design, level, 0.0, math.inf)
    n = len(blocks.labels)
    value = float((blocks.pos * hit + blocks.neg * miss).sum()) / n
    if n < 2:
        return Estimate(value, None, None, n, "none", "no interval from a single row")
    squares = blocks.pos * (hit - value) ** 2 + blocks.neg * (miss - value) ** 2
    return mean(value, float(squares.sum()) / (n - 1), n, level, 0.0, math.inf)


def placements(blocks: Blocks) -> tuple[float, Floats, Floats]:
    """AUC, and per block the share of negatives below a positive of it and of positives above a negative of it."""
    m, n = blocks.pos.sum(), blocks.neg.sum()
    below = np.cumsum(blocks.neg) - blocks.neg / 2
    above = m - (np.cumsum(blocks.pos) - blocks.pos / 2)
    value = float((blocks.pos * below).sum() / (m * n))
    return value, below / n, above / m


def auc(blocks: Blocks, level: float) -> Estimate:
    """Area under the ROC curve, ties one half; DeLong's error on the logit scale."""
    rows = len(blocks.labels)
    if blocks.design is None:
        return area_of(placing.of_blocks(blocks.pos.astype(np.int64), blocks.neg.astype(np.int64)), level)
    positives = int(blocks.labels.sum())
    if positives == 0 or positives == rows:
        return none(rows, "only one class")
    value, v10, v01 = placements(blocks)
    influence = auc_influence(blocks, value, v10, v01)
    if not 0 < value < 1:
        kish = min(blocks.design.take(blocks.labels).kish(), blocks.design.take(~blocks.labels).kish())
        low, high = intervals.wilson(value * kish, kish, level)
        return Estimate(value, low, high, rows, "wilson on the smaller class, effective n")
    return with_error(value, influence, blocks.design, level, "delong by entity, logit", rows, scale="logit")


def area_of(sums: placing.Sums, level: float) -> Estimate:
    """The AUC of independent rows from its sums."""
    rows, small = sums.pos + sums.neg, min(sums.pos, sums.neg)
    if small == 0:
        return none(rows, "only one class")
    value = sums.area
    variance = sums.variance if small > 1 else 0.0
    if variance <= 0 or not 0 < value < 1:
        # DeLong's error is zero for perfect separation: fall back on the smaller class as a sample of that size.
        low, high = intervals.wilson(value * small, small, level)
        return Estimate(value, low, high, rows, "wilson on the smaller class")
    error = math.sqrt(variance)
    return Estimate(value, *intervals.logit_interval(value, error, level), rows, "delong, logit", error=error)


def auc_influence(blocks: Blocks, value: float, v10: Floats, v01: Floats) -> Floats:
    """Each row's part in the error of the AUC (weights included)."""
    assert blocks.design is not None
    assert blocks.place is not None
    m, n = blocks.pos.sum(), blocks.neg.sum()
    parts = np.where(blocks.labels, (v10[blocks.place] - value) / m, (v01[blocks.place] - value) / n)
    return np.asarray(parts * blocks.design.weights)


def average_precision(blocks: Blocks, level: float) -> Estimate:
    """Sum of precision over the steps of recall (as scikit-learn); logit interval on the number of positives (Boyd)."""
    positives = int(blocks.labels.sum())
    if positives == 0:
        return none(0, "no positive case")
    found = np.cumsum(blocks.pos[::-1])
    precision = found / (found + np.cumsum(blocks.neg[::-1]))
    value = min(1.0, float((blocks.pos[::-1] * precision).sum() / blocks.pos.sum()))
    n: float = positives
    method = "logit on positives"
    if blocks.design is not None:
        n = blocks.design.take(blocks.labels).kish()
        method += ", effective n"
    if not 0 < value < 1:
        return Estimate(value, *intervals.wilson(value * n, n, level), positives, f"wilson, {method}")
    error = math.sqrt(value * (1 - value) / n)
    return Estimate(value, *intervals.logit_interval(value, error, level), positives, method)


def _line(blocks: Blocks, line: logistic.Line, level: float) -> dict[str, Estimate]:
    rows = len(blocks.labels)
    found: dict[str, Estimate] = {}
    pairs = (
        ("calibration_slope", line.slope[1] if line.slope else None, 1),
        ("calibration_intercept", line.intercept, 0),
    )
    for name, value, which in pairs:
        if value is None:
            found[name] = none(rows, line.reason)
            continue
        if blocks.design is not None:
            assert blocks.place is not None
            influence = line.influence(blocks, which)
            found[name] = with_error(value, influence, blocks.design, level, "sandwich by entity", rows)
            continue
        error = line.errors[which]
        half = intervals.z_value(level) * error
        found[name] = Estimate(value, value - half, value + half, rows, "wald", error=error)
    return found
