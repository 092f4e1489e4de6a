"""What of a model's answers is explained: a score of two classes, of the class a case gets, or a predicted number."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.analysis.errors import InputError
from apps.analysis.explain.columns import Floats


@dataclass(frozen=True)
class Target:
    """The score of the positive class of two, unless more is said.

    classes: names of several; what is explained of a case is the score of the class that the model gives it, or of
    every case that of the class `of`. A scoring function then gives (n, 1 + classes): the place of the class given,
    then the score of each class in this order. number: a number is predicted, in `unit`.
    """

    threshold: float = 0.5
    classes: tuple[str, ...] = ()
    number: bool = False
    unit: str = ""
    of: str = ""

    def __post_init__(self) -> None:
        if self.of and self.of not in self.classes:
            raise InputError(f"There is no class “{self.of}” to explain.")

    @property
    def two(self) -> bool:
        return not self.classes and not self.number

    @property
    def one_score(self) -> bool:
        """Whether every case has a score of the same class, which has an area under its curve."""
        return self.two or bool(self.of)

    @property
    def by_case(self) -> bool:
        """Whether each case is explained by the class it gets."""
        return bool(self.classes) and not self.of

    @property
    def task(self) -> str:
        return "binary" if self.two else "regression" if self.number else "multiclass"

    @property
    def width(self) -> int:
        """Columns of what the scoring function gives; 0 where it gives (n,)."""
        return 1 + len(self.classes) if self.classes else 0

    @property
    def quantity(self) -> str:
        """What is explained, in words."""
        if self.number:
            return f"the predicted number{f' ({self.unit})' if self.unit else ''}"
        if self.of:
            return f"the score of “{self.of}”"
        return "the score of the class a case gets" if self.classes else "a score"

    def given(self, answers: Floats) -> NDArray[np.intp] | None:
        """(n,) place of the class each case gets; None of anything but several classes."""
        return answers[:, 0].astype(np.intp) if self.classes else None

    def explained(self, answers: Floats) -> NDArray[np.intp] | None:
        """(n,) place of the class whose score is explained of each case; None of anything but several classes."""
        if self.of:
            return np.full(len(answers), self.classes.index(self.of), dtype=np.intp)
        return self.given(answers)

    def middle(self, scores: Floats) -> float:
        """What a case lies above or below: the threshold, or the median of the cases."""
        return self.threshold if self.two else float(np.median(scores))

    def amount(self, value: float) -> str:
        """A difference of what is explained, with its unit; never -0."""
        if self.number:
            return f"{value + 0.0:.4g} {self.unit}".strip()
        return f"{round(value, 3) + 0.0:.3f}"


TWO = Target()


def of_class(answers: Floats, of: NDArray[np.intp] | None) -> Floats:
    """(n,) the score of class `of` of each row; the scores themselves where `of` is None."""
    return answers if of is None else np.asarray(answers[np.arange(len(answers)), 1 + of])
