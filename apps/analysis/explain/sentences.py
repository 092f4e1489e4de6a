"""What an explanation found, one plain sentence each. Values of cases are never told, only where they lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from apps.analysis.explain.columns import Columns, Floats, is_text
from apps.analysis.explain.permutation import AUC, Importance
from apps.analysis.explain.surrogate import Surrogate

FIFTHS = ("lowest fifth", "second lowest fifth", "middle fifth", "second highest fifth", "highest fifth")
NAMED = 3  # features that a sentence about a case names
Z95 = 1.959963984540054


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
        return f"shared by {100 * share:.0f} % of cases" if share >= 0.05 else "a rare value"
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
        what = "changes the AUC" if found.measure == AUC else what
        return f"No influence of {found.feature} on the result is shown: shuffling it {what} by {amount}; {moves}."
    place = "matters most" if rank == 1 else f"is number {rank}"
    return f"{found.feature} {place}: shuffling it {what} by {amount}; {moves}."


def of_case(
    row: int,
    score: float,
    base: float,
    features: tuple[str, ...],
    values: Floats,
    errors: Floats,
    lies: dict[str, str],
) -> str:
    """One case: its score beside the average, and the features that moved it most, with a 95 % margin each."""
    apart = score - base
    side = "above" if apart >= 0 else "below"
    start = f"Test case {row:,} scores {score:.3f}, {abs(apart):.3f} {side} the average of {base:.3f}"
    order = [j for j in np.argsort(-np.abs(values), kind="stable")[:NAMED] if abs(values[j]) >= 0.0005]
    if not order:
        return f"{start}; no feature moves it."
    parts = [
        f"{features[j]} ({lies[features[j]]}) {'raises' if values[j] > 0 else 'lowers'} it by "
        f"{abs(values[j]):.3f} ± {Z95 * errors[j]:.3f}"
        for j in order
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
