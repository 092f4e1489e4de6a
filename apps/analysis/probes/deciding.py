"""When two answers of a model differ and when one is wrong: of two classes, of several, of a predicted number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from apps.analysis.errors import InputError

if TYPE_CHECKING:
    from apps.analysis.probes.frames import Answers

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Deciding:
    """Two classes, told apart at `threshold`, unless more is said.

    classes: names of several classes; what is decided is a place among them. tolerance: a number is predicted, in
    `unit`; it counts as moved when it changes by more than this, and as wrong farther than `error` from the true one.
    """

    threshold: float = 0.5
    classes: tuple[str, ...] = ()
    tolerance: float | None = None
    error: float = 0.0
    unit: str = ""

    def __post_init__(self) -> None:
        if self.tolerance is not None and (self.tolerance < 0 or self.error < 0 or self.classes):
            raise InputError("A predicted number has a tolerance and an error of at least 0, and no classes.")

    @property
    def numeric(self) -> bool:
        return self.tolerance is not None

    def amount(self, value: float) -> str:
        """A number with its unit, at four digits."""
        return f"{value:.4g} {self.unit}".strip()

    @property
    def moved(self) -> str:
        """What happened to a case that is decided otherwise."""
        if self.tolerance is not None:
            return f"moved by more than {self.amount(self.tolerance)}"
        return "got another class" if self.classes else "got another decision"

    @property
    def moved_or_none(self) -> str:
        return f"{self.moved} or {'got ' if self.numeric else ''}no usable answer"

    def moved_count(self, n: int) -> str:
        if self.numeric:
            return f"{n:,} moved that far"
        return f"{n:,} another {'class' if self.classes else 'decision'}"

    @property
    def wrongly(self) -> str:
        return (
            f"were predicted more than {self.amount(self.error)} off"
            if self.numeric
            else "were decided wrongly"
        )

    @property
    def right(self) -> str:
        """What falls when fewer cases are right."""
        return f"The share predicted within {self.amount(self.error)}" if self.numeric else "Accuracy"

    def measure(self, words: str) -> str:
        """What a probe measures (`catalogue.Probe.measure`) in the words of this task."""
        if self.numeric:
            return _of_numbers(words, self.moved, self.amount(self.error))
        if self.classes:
            return words.replace("another decision", "another class").replace(
                "wrong decisions", "wrong classes"
            )
        return words

    def other(self, before: Answers, after: Answers) -> Flags:
        """(n,) whether the case is decided otherwise; of numbers whether it moved by more than the tolerance."""
        if self.tolerance is not None:
            return np.asarray(apart(before, after) > self.tolerance)
        return np.asarray(before.decided != after.decided)

    def wrong(self, answers: Answers, labels: npt.NDArray[Any]) -> Flags:
        """(n,) whether the answer is not the label's; a case without a usable answer is wrong."""
        if self.numeric:
            return np.asarray((off(answers, labels) > self.error) | ~answers.usable)
        return np.asarray((answers.decided != labels) | ~answers.usable)

    def gap(self, before: Answers, after: Answers) -> Floats:
        """How far each case is from being decided otherwise than `before`, (n,): 0 for all where scores say nothing.

        Of two classes the distance of the score from the threshold; of several the lead of the class first decided over
        the best other; of a number what is left of the tolerance. Infinite where there is no usable answer.
        """
        if after.scores is None:
            return np.zeros(len(after.decided))
        if self.tolerance is not None:
            left = self.tolerance - apart(before, after)
        elif self.classes:
            row = np.arange(len(after.decided))
            others = after.scores.copy()
            others[row, before.decided] = -np.inf
            left = after.scores[row, before.decided] - others.max(axis=1)
        else:
            left = np.abs(after.scores - self.threshold)
        return np.where(after.usable, left, np.inf)

    def told(self, before: Answers, after: Answers, row: int) -> str:
        """From what to what a case was brought, without a figure of it."""
        if self.tolerance is not None:
            up = number_of(after)[row] > number_of(before)[row]
            return f"{'Raised' if up else 'Lowered'} by more than {self.amount(self.tolerance)}"
        if self.classes:
            return f"From “{self.classes[before.decided[row]]}” to “{self.classes[after.decided[row]]}”"
        return "From positive to negative" if before.decided[row] else "From negative to positive"


def measure_unstated(words: str) -> str:
    """`Deciding.measure` of a predicted number before tolerance and error are stated."""
    return _of_numbers(words, "moved beyond the tolerance", "the error")


def _of_numbers(words: str, moved: str, error: str) -> str:
    said = {
        "with another decision": moved,
        "of wrong decisions": f"predicted more than {error} off",
        "of accuracy": f"of the share predicted within {error}",
        "flipped": moved,
    }
    for old, new in said.items():
        words = words.replace(old, new)
    return words


def number_of(answers: Answers) -> Floats:
    """The predicted numbers, (n,); InputError where there are none."""
    if answers.scores is None or answers.scores.ndim != 1:
        raise InputError("The model predicts no number a case.")
    return answers.scores


def apart(before: Answers, after: Answers) -> Floats:
    """(n,) how far the predicted number moved; infinite where one of them is none."""
    with np.errstate(invalid="ignore"):
        by = np.abs(number_of(after) - number_of(before))
    return np.where(before.usable & after.usable, by, np.inf)


def off(answers: Answers, labels: npt.NDArray[Any]) -> Floats:
    """(n,) absolute error of the predicted number; infinite where there is none."""
    with np.errstate(invalid="ignore"):
        by = np.abs(number_of(answers) - labels)
    return np.where(answers.usable, by, np.inf)


def probabilities(*answers: Answers) -> bool:
    """Whether every usable score of all these lies within 0 and 1. What is compared is read alike: a margin may lie
    there by chance in one part of the cases."""
    seen = [each.scores[each.usable] for each in answers if each.scores is not None]
    return all(part.min() >= 0 and part.max() <= 1 for part in seen if part.size)


def confidence(answers: Answers, labels: npt.NDArray[Any], *, bounded: bool) -> Floats:
    """How sure the model is of the true label, (n,): its probability (`bounded`), a signed score, or whether it is
    right; of a number the negative absolute error, the loss threshold of Yeom and others (2018)."""
    if answers.by.numeric:
        return -off(answers, labels)
    if answers.scores is None:
        return np.asarray(answers.decided == labels, dtype=np.float64)
    if answers.by.classes:
        return np.asarray(answers.scores[np.arange(len(labels)), labels])
    scores = answers.scores
    if bounded:
        return np.where(labels == 1, scores, 1 - scores)
    return np.where(labels == 1, scores, -scores)
