"""What an explanation found, one plain sentence each. Values of cases are never told, only where they lie."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.analysis.explain.columns import Columns, is_text
from apps.analysis.explain.permutation import AUC, Importance
from apps.analysis.explain.surrogate import Surrogate

FIFTHS = ("lowest fifth", "second lowest fifth", "middle fifth", "second highest fifth", "highest fifth")
NAMED = 3  # features that are told of a case: the order of all would itself be room for a row
NONE = 0.0005  # an attribution below it is told as none


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


def of_feature(found: Importance, moved: float, rank: int) -> str:
    """One feature in all: what shuffling it costs, how sure that is, and how far it moves a score on average."""
    what = "lowers the AUC" if found.measure == AUC else "changes a score"
    value, low, high = (
        f"{round(each, 3) + 0.0:.3f}" for each in (found.value, found.low, found.high)
    )  # no -0.000
    amount = f"{value} (95 % interval {low} to {high}, {found.n:,} cases)"
    moves = f"it moves a score by {moved:.3f} on average"
    if found.low <= 0:
        # Nothing is said of the score by this interval: a feature may move single cases and leave the AUC as it is.
        what = "changes the AUC" if found.measure == AUC else what
        lost = "on the AUC" if found.measure == AUC else "of shuffling it"
        return f"{found.feature}: no effect {lost} is shown: shuffling it {what} by {amount}; {moves}."
    place = "matters most" if rank == 1 else f"is number {rank}"
    return f"{found.feature} {place}: shuffling it {what} by {amount}; {moves}."


def band(score: float, threshold: float, spread: float) -> str:
    """Where a score lies beside the threshold, in five steps. spread: standard deviation of the scores."""
    apart = score - threshold
    if abs(apart) <= 0.1 * spread:
        return "near the threshold"
    side = "above" if apart > 0 else "below"
    return f"far {side} the threshold" if abs(apart) > spread else f"{side} the threshold"


def direction(value: float) -> str:
    """What an attribution does to the score: "raises", "lowers" or "none"."""
    return "none" if abs(value) < NONE else "raises" if value > 0 else "lowers"


def strength(value: float, spread: float) -> str:
    """How much, as one of three words. spread: standard deviation of the scores."""
    away = abs(value)
    return "strongly" if away >= 0.5 * spread else "moderately" if away >= 0.1 * spread else "slightly"


def closeness(fit: float | None) -> str:
    """A local fit's weighted R² as a word."""
    return "no variation" if fit is None else "close" if fit >= 0.8 else "rough" if fit >= 0.5 else "poor"


def of_case(number: int, score_band: str, told: list[dict[str, Any]]) -> str:
    """One example in words: where its score lies, and the features that moved it most. No figure of the case."""
    start = f"Example {number} scores {score_band}"
    moving = [each for each in told if each["direction"] != "none"]
    if not moving:
        return f"{start}; no feature moves it."
    parts = [
        f"{each['feature']} ({each['place']}) {each['direction']} it {each['strength']}" for each in moving
    ]
    return f"{start}: {', '.join(parts)}."


def of_surrogate(found: Surrogate) -> str:
    """How well the tree imitates the model, and what it splits on."""
    if found.fidelity is None or found.low is None or found.high is None:
        return f"The model gives all {found.held_out:,} cases held out the same score: there is nothing to imitate."
    trust = (
        "close enough to read"
        if found.fidelity >= 0.8
        else "a rough picture only"
        if found.fidelity >= 0.5
        else ("too far from the model to be relied on")
    )
    splits = f" It splits on {', '.join(found.splits)}." if found.splits else " It found no split."
    return (
        f"A tree of depth {found.depth} explains {100 * found.fidelity:.0f} % of the variation of the model's scores "
        f"on {found.held_out:,} cases it was not made from (95 % interval {100 * found.low:.0f} to "
        f"{100 * found.high:.0f} %) and decides {100 * found.agreement:.0f} % of them alike: {trust}.{splits}"
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
