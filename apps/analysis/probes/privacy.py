"""What a model's answers give away about the rows it was trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import intervals, ranking
from apps.analysis.probes.deciding import confidence, number_of, off, probabilities
from apps.analysis.probes.findings import Finding, nothing, percent
from apps.analysis.probes.frames import TEXT, Answers, Ask, Cases, Floats, Frame

MAX_LEVELS = 10
MAX_ATTRIBUTES = 8
INVERSION_ROWS = 500


def membership(train: Cases, trained: Answers, test: Cases, tested: Answers) -> list[Finding]:
    """Membership inference by a threshold on confidence (Yeom and others 2018): AUC with DeLong's interval.

    Of several classes confidence is the score of the true class, of a predicted number the smallness of its error.
    Members are the training rows, others the test rows; cases without a usable answer are left out.
    """
    bounded = probabilities(trained, tested)
    inside = confidence(trained, train.labels, bounded=bounded)[trained.usable]
    outside = confidence(tested, test.labels, bounded=bounded)[tested.usable]
    if len(inside) < 2 or len(outside) < 2:
        return [nothing("membership", "", "fewer than two training rows or other rows have a usable answer")]
    member = np.r_[np.ones(len(inside), dtype=np.int8), np.zeros(len(outside), dtype=np.int8)]
    ranked = ranking.Ranked(_places(np.r_[inside, outside]), member)
    found = ranking.auc(ranked.blocks(slice(None)), intervals.LEVEL)
    if found.value is None or found.low is None or found.high is None:
        return [nothing("membership", "", found.reason or "no area can be told", len(member))]
    told_by = "error" if tested.by.numeric else "confidence"
    sentence = (
        f"The {told_by} tells a training row from another in {percent(found.value)} ({percent(found.low)} to "
        f"{percent(found.high)}) of pairs; 50 % is chance. {len(inside):,} training rows, {len(outside):,} others."
    )
    more = {"members": len(inside), "others": len(outside)}
    return [
        Finding(
            "membership",
            "",
            found.value,
            found.low,
            found.high,
            len(member),
            sentence,
            None,
            found.method,
            more=more,
        )
    ]


def _places(values: Floats) -> Floats:
    """The same order and ties within 0 and 1, as `ranking` wants scores."""
    _, place = np.unique(values, return_inverse=True)
    return np.asarray(place, dtype=np.float64) / (len(values) + 1)


@dataclass(frozen=True)
class Attribute:
    """One attribute to guess: candidate values, their share in training, and the true place of each row, -1 unknown."""

    name: str
    values: list[object]
    prior: Floats

    def places(self, frame: Frame) -> npt.NDArray[np.int64]:
        column = frame.columns[self.name]
        if frame.kinds[self.name] == TEXT:
            at = {value: place for place, value in enumerate(self.values)}
            return np.array([at.get(value, -1) for value in column], dtype=np.int64)
        known = np.isfinite(column)
        if len(self.values) > 2 or not self._halves:
            hit = column[:, None] == np.array(self.values, dtype=np.float64)[None, :]
            return np.where(hit.any(axis=1), hit.argmax(axis=1), -1)
        return np.where(known, (column > self._cut).astype(np.int64), -1)

    _cut: float = 0.0
    _halves: bool = False


def attribute_of(train: Frame, name: str) -> Attribute | None:
    """Levels of a column with few values; of a number with many, its lower and upper half (told by their quartiles)."""
    column = train.columns[name]
    if train.kinds[name] == TEXT:
        words, counts = np.unique([str(v) for v in column if v is not None], return_counts=True)
        levels: list[object] = [str(word) for word in words]
    else:
        numbers, counts = np.unique(column[np.isfinite(column)], return_counts=True)
        levels = [float(number) for number in numbers]
        if len(levels) > MAX_LEVELS:
            known = column[np.isfinite(column)]
            low, cut, high = (float(q) for q in np.quantile(known, (0.25, 0.5, 0.75)))
            prior = np.array([float((known <= cut).mean()), float((known > cut).mean())])
            return Attribute(name, [low, high], prior, cut, True)
    if not 2 <= len(levels) <= MAX_LEVELS:
        return None
    return Attribute(name, levels, counts / counts.sum())


def inversion(ask: Ask, train: Cases, test: Cases, attributes: list[str]) -> list[Finding]:
    """Attribute inversion (Fredrikson and others 2014): guessed is the value that the model finds most likely with the
    true outcome, weighted by how often training has it. Leakage is what training rows lose more than other rows.

    Of a predicted number the true outcome is as likely as a normal error of the spread that other rows show, as in that
    paper's own example of a dose.
    """
    chosen = [a for a in (attribute_of(train.frame, name) for name in attributes) if a is not None]
    chosen = chosen[:MAX_ATTRIBUTES]
    if not chosen:
        return [nothing("inversion", "", "no attribute has 2 to 10 values or is a number with more")]
    level = intervals.simultaneous(intervals.LEVEL, len(chosen))
    found = []
    spread = _spread(ask(test.frame), test.labels)
    for attribute in chosen:
        inside, n_in = _guessed(ask, train, attribute, spread)
        outside, n_out = _guessed(ask, test, attribute, spread)
        if not n_in or not n_out:
            found.append(nothing("inversion", attribute.name, "no row has a known value and a usable answer"))
            continue
        low, high = intervals.newcombe(inside, n_in, outside, n_out, level)
        value = inside / n_in - outside / n_out
        sentence = (
            f"{attribute.name} is guessed right for {percent(inside / n_in)} of {n_in:,} training rows and "
            f"{percent(outside / n_out)} of {n_out:,} others: {100 * value:+z.1f} points ({100 * low:+z.1f} to "
            f"{100 * high:+z.1f}); always saying the most frequent value is right for "
            f"{percent(float(attribute.prior.max()))}."
        )
        found.append(
            Finding(
                "inversion",
                attribute.name,
                value,
                low,
                high,
                n_in + n_out,
                sentence,
                None,
                f"newcombe, simultaneous over {len(chosen)}",
                level,
                more={"members": n_in, "others": n_out, "values": len(attribute.values)},
            )
        )
    return found


def _spread(answers: Answers, labels: npt.NDArray[Any]) -> float:
    """Root mean squared error of a predicted number; 1 of classes, which need none."""
    if not answers.by.numeric:
        return 1.0
    lost = off(answers, labels)
    lost = lost[np.isfinite(lost)]
    spread = float(np.sqrt((lost * lost).mean())) if len(lost) else 0.0
    return spread or float(np.finfo(np.float64).tiny)


def _guessed(ask: Ask, cases: Cases, attribute: Attribute, spread: float) -> tuple[int, int]:
    """(guessed right, rows with a known value and usable answers)."""
    truth = attribute.places(cases.frame)
    usable = truth >= 0
    column = cases.frame.columns[attribute.name]
    given = [
        ask(cases.frame.having({attribute.name: np.full(cases.n, value, dtype=column.dtype)}))
        for value in attribute.values
    ]
    bounded = probabilities(*given)
    likely = []
    for answers, prior in zip(given, attribute.prior, strict=True):
        usable = usable & answers.usable
        likely.append(_log_likelihood(answers, cases.labels, spread, bounded) + np.log(prior))
    guess = np.argmax(np.nan_to_num(np.column_stack(likely), nan=-np.inf), axis=1)
    return int((guess == truth)[usable].sum()), int(usable.sum())


def _log_likelihood(answers: Answers, labels: npt.NDArray[Any], spread: float, bounded: bool) -> Floats:
    """Of the true outcome, (n,), up to what all candidates share: of the model's probability; a signed score is
    squashed, scores of classes that are no probabilities by softmax, a bare decision counts 0.9 or 0.1."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        if answers.by.numeric:
            return np.asarray(-(((number_of(answers) - labels) / spread) ** 2) / 2)
        if answers.scores is None:
            return np.log(np.where(answers.decided == labels, 0.9, 0.1))
        sure = confidence(answers, labels, bounded=bounded)
        if not bounded:
            if answers.by.classes:
                top = answers.scores.max(axis=1)
                total = np.exp(answers.scores - top[:, None]).sum(axis=1)
                return np.asarray(sure - top - np.log(total))
            sure = 1 / (1 + np.exp(-np.clip(sure, -500, 500)))
        return np.asarray(np.log(sure), dtype=np.float64)
