"""What an explanation found, one plain sentence each. Values of cases are never told, only where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.analysis.explain.columns import Columns, is_text
from apps.analysis.explain.permutation import AUC, BALANCED, CHANGE, ERROR, FLIPS, Importance
from apps.analysis.explain.surrogate import Surrogate
from apps.analysis.explain.targets import TWO, Target

FIFTHS = ("lowest fifth", "second lowest fifth", "middle fifth", "second highest fifth", "highest fifth")
NAMED = 3  # features that are told of a case: the order of all would itself be room for a row
NONE = 0.0005  # an attribution below it is told as none; of a number in its standard deviation
# measure -> what shuffling does, what no effect is shown on
_DOES = {
    AUC: ("lowers the AUC", "on the AUC"),
    CHANGE: ("changes a score", "of shuffling it"),
    BALANCED: ("lowers the balanced accuracy", "on the balanced accuracy"),
    FLIPS: ("changes the class in a share", "on the class"),
    ERROR: ("raises the mean absolute error", "on the mean absolute error"),
}
_BY = {FLIPS: "of"}


def places(columns: Columns, rows: NDArray[np.intp]) -> list[dict[str, str]]:
    """Where the values of these rows lie among all rows: a fifth by middle rank, or how common a text is; "empty"."""
    told: list[dict[str, str]] = [{} for _ in rows]
    for name, values in columns.items():
        for at, row in enumerate(rows):
            told[at][name] = _place(values, int(row))
    return told


def _place(values: NDArray[np.generic], row: int) -> str:
    value = values[row]
    if is_text(values):
        if value in ("", None):
            return "empty"
        share = float((values == value).mean())
        if share >= 0.2:
            return "shared by many cases"
        return "shared by some cases" if share >= 0.05 else "a rare value"
    numbers = values.astype(np.float64)
    if np.isnan(numbers[row]):
        return "empty"
    known = numbers[~np.isnan(numbers)]
    rank = (float((known < numbers[row]).sum()) + float((known <= numbers[row]).sum())) / (2 * len(known))
    return FIFTHS[min(int(rank * 5), 4)]


def of_feature(found: Importance, moved: float, rank: int, target: Target = TWO) -> str:
    """One feature in all: what shuffling it costs, how sure that is, and how far it moves what is explained."""
    does, on = _DOES[found.measure]
    by = _BY.get(found.measure, "by")
    plain = target if found.measure in (CHANGE, ERROR) else TWO  # a share or an area has no unit
    value, low, high = (plain.amount(each) for each in (found.value, found.low, found.high))
    amount = f"{value} (95 % interval {low} to {high}, {found.n:,} cases)"
    what = target.quantity.partition(" (")[0] if target.number else target.quantity
    moves = f"it moves {what} by {target.amount(moved)} on average"
    if found.high < 0:
        return f"{found.feature} does not help here: shuffling it {does} {by} {amount}; {moves}."
    if found.low <= 0:
        # Nothing is said of the score by this interval: a feature may move single cases and leave the rest as it is.
        return f"{found.feature}: no effect {on} is shown: shuffling it {does} {by} {amount}; {moves}."
    place = "matters most" if rank == 1 else f"is number {rank}"
    return f"{found.feature} {place}: shuffling it {does} {by} {amount}; {moves}."


def band(score: float, threshold: float, spread: float, of: str = "the threshold") -> str:
    """Where a score lies beside the threshold, in five steps. spread: standard deviation of the scores."""
    apart = score - threshold
    if abs(apart) <= 0.1 * spread:
        return f"near {of}"
    side = "above" if apart > 0 else "below"
    return f"far {side} {of}" if abs(apart) > spread else f"{side} {of}"


def direction(value: float, scale: float = 1.0) -> str:
    """What an attribution does to the score: "raises", "lowers" or "none". scale: of what is explained, 1 of scores."""
    return "none" if abs(value) < NONE * scale or not value else "raises" if value > 0 else "lowers"


def strength(value: float, spread: float) -> str:
    """How much, as one of three words. spread: standard deviation of the scores."""
    away = abs(value)
    return "strongly" if away >= 0.5 * spread else "moderately" if away >= 0.1 * spread else "slightly"


def closeness(fit: float | None) -> str:
    """A local fit's weighted R² as a word."""
    return "no variation" if fit is None else "close" if fit >= 0.8 else "rough" if fit >= 0.5 else "poor"


def of_case(
    number: int,
    score_band: str,
    told: list[dict[str, Any]],
    *,
    given: str = "",
    of: str = "",
    predicted: bool = False,
) -> str:
    """One example in words: where its score lies, and the features that moved it most. No figure of the case.

    given: the class it gets, of several; of: the class whose score is told, if it is not that one; predicted: whether
    a number is predicted.
    """
    start = f"Example {number} {'is predicted' if predicted else 'scores'} {score_band}"
    if given and of:
        start = f"Example {number} gets “{given}”; its score of “{of}” lies {score_band}"
    elif given:
        start = f"Example {number} gets “{given}”, with a score {score_band}"
    moving = [each for each in told if each["direction"] != "none"]
    if not moving:
        return f"{start}; no feature moves it."
    parts = [
        f"{each['feature']} ({each['place']}) {each['direction']} it {each['strength']}" for each in moving
    ]
    return f"{start}: {', '.join(parts)}."


def of_surrogate(found: Surrogate, target: Target = TWO) -> str:
    """How well the tree imitates the model, and what it splits on."""
    what = "predicted numbers" if target.number else "scores of all classes" if target.by_case else "scores"
    what = f"scores of “{target.of}”" if target.of else what
    same = ""
    if found.agreement is not None:
        share = f"{100 * found.agreement:.0f} % of them"
        same = f" and gives {share} the same class" if target.by_case else f" and decides {share} alike"
    if found.fidelity is None or found.low is None or found.high is None:
        alike = "number" if target.number else "scores" if target.by_case else "score"
        return f"The model gives all {found.held_out:,} cases held out the same {alike}: there is nothing to imitate."
    trust = (
        "close enough to read"
        if found.fidelity >= 0.8
        else "a rough picture only"
        if found.fidelity >= 0.5
        else ("too far from the model to be relied on")
    )
    splits = f" It splits on {', '.join(found.splits)}." if found.splits else " It found no split."
    return (
        f"A tree of depth {found.depth} explains {100 * found.fidelity:.0f} % of the variation of the model's {what} "
        f"on {found.held_out:,} cases it was not made from (95 % interval {100 * found.low:.0f} to "
        f"{100 * found.high:.0f} %){same}: {trust}.{splits}"
    )


def of_stability(ranking: float | None, by_case: float | None, top: float | None, seeds: int, k: int) -> str:
    """Whether another seed says the same."""
    if ranking is None or by_case is None or top is None:
        return "With one feature, or one seed, there is no ranking to compare."
    word = (
        "stable"
        if min(ranking, by_case) >= 0.9
        else "fairly stable"
        if min(ranking, by_case) >= 0.7
        else "unstable"
    )
    return (
        f"Drawn with {seeds} seeds the explanation is {word}: the ranking of all features agrees with Spearman "
        f"{ranking:.2f}, that of single cases with {by_case:.2f}, and {100 * top:.0f} % of the {k} strongest features "
        "of a case are the same."
    )
