"""Disturbed inputs: noise, missing values, unseen categories, values out of range, wrong units."""

from __future__ import annotations

import numpy as np

from apps.analysis.probes.catalogue import NOISE
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
    apart = f"{words}: {int(other.sum()):,} another decision, {int(lost.sum()):,} no usable answer"
    return _counted(probe, where, other | lost, other, lost, apart, comparisons)


def _counted(
    probe: str, where: str, counted: Flags, other: Flags, lost: Flags, words: str, comparisons: int
) -> Finding:
    return share(
        probe,
        where,
        int(counted.sum()),
        len(counted),
        words,
        comparisons=comparisons,
        changed=int(other.sum()),
        unanswered=int(lost.sum()),
    )


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
    words = (
        f"got another decision or no usable answer under noise of {100 * part:g} % of the standard deviation"
    )
    return [_compared(probe, "", before, ask(frame.having(moved)), words)]


def missing_each(ask: Ask, frame: Frame, before: Answers) -> list[Finding]:
    """Each column emptied in turn. Counted: another decision; a model that gives no answer has decided nothing."""
    return _emptied_each("missing_each", ask, frame, before)


def missing_unanswered(ask: Ask, frame: Frame, before: Answers) -> list[Finding]:
    """The same. Counted: no usable answer."""
    return _emptied_each("missing_unanswered", ask, frame, before)


def _emptied_each(probe: str, ask: Ask, frame: Frame, before: Answers) -> list[Finding]:
    found = []
    for name, kind in frame.kinds.items():
        if kind == WHOLE:
            reason = "the model takes whole numbers only there: an empty cell is refused before it is asked"
            found.append(nothing(probe, name, reason))
            continue
        after = ask(frame.having({name: _empty(frame, name)}))
        found.append(_emptied(probe, name, before, after, f"when {name} was missing", len(frame.kinds)))
    return found


def _emptied(
    probe: str, where: str, before: Answers, after: Answers, when: str, comparisons: int = 1
) -> Finding:
    other, lost = changed(before, after)
    if probe == "missing_unanswered":
        words = f"got no usable answer {when}; {int(other.sum()):,} got another decision"
        return _counted(probe, where, lost, other, lost, words, comparisons)
    words = f"got another decision {when}; {int(lost.sum()):,} got no usable answer"
    return _counted(probe, where, other, other, lost, words, comparisons)


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
        words = f"got another decision or no usable answer when {name} held an unseen category"
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
            other, lost = changed(before, ask(frame.having({name: np.full(frame.n, value)})))
            words = f"got no usable answer when {name} was {way} the range of the test data"
            finding = share(
                "out_of_range",
                f"{name}, {way}",
                int(lost.sum()),
                len(lost),
                words,
                comparisons=2 * len(columns),
                changed=int(other.sum()),
                unanswered=int(lost.sum()),
            )
            found.append(finding)
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
            words = f"got another decision, unnoticed by a check of ranges, with {name} {way}"
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
