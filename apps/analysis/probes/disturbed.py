"""Disturbed inputs: noise, missing values, unseen categories, values out of range, wrong units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from apps.analysis import intervals
from apps.analysis.probes.catalogue import NOISE
from apps.analysis.probes.deciding import apart
from apps.analysis.probes.findings import Finding, nothing, share
from apps.analysis.probes.frames import WHOLE, Answers, Ask, Flags, Frame, Range, changed

BEYOND = 10.0  # ranges outside the test data
UNITS: tuple[tuple[str, float, float], ...] = (
    ("times 1,000", 1000.0, 0.0),
    ("divided by 1,000", 0.001, 0.0),
    ("in pounds for kilograms", 2.20462262185, 0.0),
    ("in °F for °C", 1.8, 32.0),
)


def _unseen(levels: set[str]) -> str:
    """A word that is none of the levels."""
    word = "never seen before"
    while word in levels:
        word += "."
    return word


def _compared(
    probe: str, where: str, before: Answers, after: Answers, words: str, comparisons: int = 1
) -> Finding:
    """Counted: another decision or none; the sentence tells the two apart."""
    other, lost = changed(before, after)
    told = f"{words}: {before.by.moved_count(int(other.sum()))}, {int(lost.sum()):,} no usable answer"
    return _counted(probe, where, before, after, other | lost, told, comparisons)


def _counted(
    probe: str, where: str, before: Answers, after: Answers, counted: Flags, words: str, comparisons: int
) -> Finding:
    other, lost = changed(before, after)
    more: dict[str, Any] = {"changed": int(other.sum()), "unanswered": int(lost.sum())}
    words, moves = _moves(before, after, words)
    return share(
        probe, where, int(counted.sum()), len(counted), words, comparisons=comparisons, **more, **moves
    )


def _moves(before: Answers, after: Answers, words: str) -> tuple[str, dict[str, Any]]:
    """Of a predicted number also how far it moves on average, with the normal interval; nothing of classes."""
    if not before.by.numeric:
        return words, {}
    by = apart(before, after)
    by = by[np.isfinite(by)]
    if len(by) < 2:
        return words, {}
    mean = float(by.mean())
    low, high = intervals.mean_interval(mean, float(by.var(ddof=1)), len(by))
    amount = before.by.amount
    told = (
        f"{words}; {len(by):,} moved by {amount(mean)} on average ({amount(max(low, 0.0))} to {amount(high)})"
    )
    return told, {"move": mean, "move_low": max(low, 0.0), "move_high": high, "move_n": len(by)}


def noise(
    ask: Ask, frame: Frame, before: Answers, ranges: dict[str, Range], part: float, rng: np.random.Generator
) -> list[Finding]:
    """Normal noise of `part` of the standard deviation on every number at once."""
    probe = f"noise_{round(100 * part)}"
    moved = {
        name: frame.columns[name] + rng.normal(0.0, part * ranges[name].sd, frame.n)
        for name in frame.numbers
        if name in ranges
    }
    if not moved:
        return [nothing(probe, "", "the model takes no numbers")]
    words = f"{before.by.moved_or_none} under noise of {100 * part:g} % of the standard deviation"
    return [_compared(probe, "", before, ask(frame.having(moved)), words)]


MISSING = ("missing_each", "missing_unanswered")


def missing(probes: Sequence[str], ask: Ask, frame: Frame, before: Answers) -> list[Finding]:
    """Each column emptied in turn, asked once for those of `MISSING` that are wanted.

    Counted: another decision (a model that gives no answer has decided nothing); no usable answer.
    """
    found: dict[str, list[Finding]] = {probe: [] for probe in probes}
    for name, kind in frame.kinds.items():
        if kind == WHOLE:
            for probe in probes:
                found[probe].append(_refused(probe, name, before, len(frame.kinds)))
            continue
        after = ask(frame.having({name: _empty(frame, name)}))
        when = f"when {name} was missing"
        for probe in probes:
            found[probe].append(_emptied(probe, name, before, after, when, len(frame.kinds)))
    return [each for probe in probes for each in found[probe]]


def _refused(probe: str, name: str, before: Answers, comparisons: int) -> Finding:
    """A whole number cannot be empty: such a case is refused before the model is asked, and gets no answer at all."""
    if probe != "missing_unanswered":
        return nothing(
            probe,
            name,
            "the model takes whole numbers only there: an empty cell is refused before it is asked",
        )
    n = int(before.usable.sum())
    words = f"get no answer when {name} is missing: the model takes whole numbers only there"
    return share(probe, name, n, n, words, comparisons=comparisons, changed=0, unanswered=n)


def _emptied(
    probe: str, where: str, before: Answers, after: Answers, when: str, comparisons: int = 1
) -> Finding:
    other, lost = changed(before, after)
    if probe == "missing_unanswered":
        words = f"got no usable answer {when}; {int(other.sum()):,} {before.by.moved}"
        return _counted(probe, where, before, after, lost, words, comparisons)
    words = f"{before.by.moved} {when}; {int(lost.sum()):,} got no usable answer"
    return _counted(probe, where, before, after, other, words, comparisons)


def missing_all(ask: Ask, frame: Frame, before: Answers) -> list[Finding]:
    """Every column that may be empty emptied at once, counted as one column is."""
    emptied = {name: _empty(frame, name) for name, kind in frame.kinds.items() if kind != WHOLE}
    if not emptied:
        return [nothing("missing_all", "", "the model takes whole numbers only, which cannot be missing")]
    after = ask(frame.having(emptied))
    return [_emptied("missing_all", "", before, after, "when every value was missing")]


def _empty(frame: Frame, name: str) -> np.ndarray:
    values = frame.columns[name]
    if frame.kinds[name] == "text":
        return np.full(len(values), None, dtype=object)
    return np.full(len(values), np.nan)


def unseen_category(ask: Ask, frame: Frame, before: Answers, levels: dict[str, set[str]]) -> list[Finding]:
    """Each text column in turn with a word that is in none of the data."""
    if not frame.texts:
        return [nothing("unseen_category", "", "the model takes no text")]
    found = []
    for name in frame.texts:
        words = f"{before.by.moved_or_none} when {name} held an unseen category"
        strange = np.full(frame.n, _unseen(levels.get(name, set())), dtype=object)
        after = ask(frame.having({name: strange}))
        found.append(_compared("unseen_category", name, before, after, words, len(frame.texts)))
    return found


def out_of_range(ask: Ask, frame: Frame, before: Answers, ranges: dict[str, Range]) -> list[Finding]:
    """Each number in turn far below and far above what the test data have. Counted: cases without a usable answer."""
    columns = [name for name in frame.numbers if name in ranges]
    if not columns:
        return [nothing("out_of_range", "", "the model takes no numbers")]
    found = []
    for name in columns:
        span = max(ranges[name].high - ranges[name].low, 1.0)
        for way, value in (
            ("far below", ranges[name].low - BEYOND * span),
            ("far above", ranges[name].high + BEYOND * span),
        ):
            after = ask(frame.having({name: np.full(frame.n, value)}))
            lost = changed(before, after)[1]
            words = f"got no usable answer when {name} was {way} the range of the test data"
            at = f"{name}, {way}"
            found.append(_counted("out_of_range", at, before, after, lost, words, 2 * len(columns)))
    return found


def units(ask: Ask, frame: Frame, before: Answers, ranges: dict[str, Range]) -> list[Finding]:
    """Each number in turn in a wrong unit. Counted: cases decided otherwise though the value is within range."""
    columns = [name for name in frame.numbers if name in ranges]
    if not columns:
        return [nothing("units", "", "the model takes no numbers")]
    found = []
    for name in columns:
        for way, factor, offset in UNITS:
            wrong = frame.having({name: frame.columns[name] * factor + offset})
            values = wrong.columns[name][before.usable]
            other, lost = changed(before, ask(wrong))
            passed = (values >= ranges[name].low) & (values <= ranges[name].high)
            words = f"{before.by.moved}, unnoticed by a check of ranges, with {name} {way}"
            finding = share(
                "units",
                f"{name} {way}",
                int((other & passed).sum()),
                len(other),
                words,
                comparisons=len(columns) * len(UNITS),
                changed=int(other.sum()),
                unanswered=int(lost.sum()),
                noticed=int((~passed).sum()),
            )
            found.append(finding)
    return found


def noise_level(probe: str) -> float:
    """The part of the standard deviation that a noise probe adds."""
    return next(part for part in NOISE if probe == f"noise_{round(100 * part)}")
