"""Shapley values of single scores, sampled on the black box by antithetic pairs of orders.

Castro, Gómez and Tejada (2009) for sampling orders; Mitchell et al. (2022) for pairing each order with its reverse.
The value of a coalition is the score of the case with every other column taken from a background case (the
interventional value function). All coalitions of many cases are scored in one call.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from apps.analysis.errors import InputError
from apps.analysis.explain.columns import ROWS_AT_ONCE, Columns, Floats, Score, length, take
from apps.analysis.explain.targets import of_class


@dataclass(frozen=True)
class Attributions:
    """How far each feature moves each case's score away from `base`.

    values, errors: (cases, features), in units of the score; errors are standard errors over the pairs.
    base: mean score of the background cases drawn, of several classes (cases,); scores: (cases,). Each row of values
    sums to its score - base.
    """

    features: tuple[str, ...]
    values: Floats
    errors: Floats
    base: float | Floats
    scores: Floats
    pairs: int

    @property
    def gap(self) -> float:
        """The largest distance of a case's attributions from adding up (rounding only)."""
        return float(np.abs(self.values.sum(axis=1) - (self.scores - self.base)).max(initial=0.0))

    @property
    def overall(self) -> Floats:
        """(features,): mean absolute attribution over the cases."""
        return np.asarray(np.abs(self.values).mean(axis=0))


def shapley(
    score: Score,
    cases: Columns,
    background: Columns,
    *,
    pairs: int = 20,
    seed: int = 0,
    of: NDArray[np.intp] | None = None,
) -> Attributions:
    """Attributions of every case. pairs: orders drawn, each walked forwards and backwards with one background case.

    The orders and background cases are the same for all cases, so that cases can be compared; background cases are
    drawn without repetition as long as there are enough. `of`: the place of the class whose score is explained of each
    case, where there are several (`targets.Target`). Costs pairs x 2 x (features - 1) + 1 scores a case.
    Raises `InputError` without cases, background or at least two pairs.
    """
    n, size = length(cases), length(background)
    if not n or not size:
        raise InputError("Attributions need at least one case and one background case.")
    if pairs < 2:
        raise InputError("Attributions need at least two pairs of orders, to know their error.")
    names = tuple(cases)
    p = len(names)
    rng = np.random.default_rng([seed, 2])
    drawn = np.concatenate([rng.permutation(size) for _ in range(-(-pairs // size))])[:pairs]
    ranks = np.array([rng.permutation(p) for _ in range(pairs)])  # place of each feature in the order
    both = np.stack([ranks, p - 1 - ranks], axis=1)  # (pairs, 2, p)
    steps = np.arange(1, p)
    known = (
        both[:, :, None, :] < steps[None, None, :, None]
    )  # (pairs, 2, p - 1, p): from the case, not background
    masks = known.reshape(-1, p)
    lent = np.repeat(drawn, 2 * (p - 1))
    at_start = score(take(background, drawn))
    at_end = of_class(score(cases), of)
    walks = np.empty((n, pairs, 2, p + 1))
    start = at_start[None, :] if of is None else at_start[:, 1 + of].T
    walks[..., 0] = start[:, :, None]
    walks[..., p] = at_end[:, None, None]
    if p > 1:
        for some in _chunks(n, len(masks)):
            mixed = _mixed(take(cases, some), background, masks, lent, names)
            asked = None if of is None else np.repeat(of[some], len(masks))
            walks[some, :, :, 1:p] = of_class(score(mixed), asked).reshape(len(some), pairs, 2, p - 1)
    moved = np.take_along_axis(np.diff(walks, axis=-1), both[None], axis=-1)  # (n, pairs, 2, p) by feature
    of_pair = moved.mean(axis=2)
    return Attributions(
        names,
        of_pair.mean(axis=1),
        of_pair.std(axis=1, ddof=1) / np.sqrt(pairs),
        float(at_start.mean()) if of is None else start.mean(axis=1),
        at_end,
        pairs,
    )


def _chunks(n: int, each: int) -> list[NDArray[np.intp]]:
    """The cases in portions whose coalitions fit one call of the model."""
    size = max(1, ROWS_AT_ONCE // max(each, 1))
    return [np.arange(start, min(start + size, n)) for start in range(0, n, size)]


def _mixed(
    some: Columns,
    background: Columns,
    masks: NDArray[np.bool_],
    lent: NDArray[np.intp],
    names: tuple[str, ...],
) -> Columns:
    """The cases under each mask: their own value where it is set, the lender's elsewhere."""
    return {
        name: np.where(masks[:, j], some[name][:, None], background[name][lent][None, :]).ravel()
        for j, name in enumerate(names)
    }


def merged(parts: list[Attributions]) -> Attributions:
    """The mean of attributions of the same cases from several seeds, with its standard error."""
    first = parts[0]
    bases = np.array([each.base for each in parts])
    return Attributions(
        first.features,
        np.mean([each.values for each in parts], axis=0),
        np.sqrt(np.sum([each.errors**2 for each in parts], axis=0)) / len(parts),
        float(bases.mean()) if bases.ndim == 1 else bases.mean(axis=0),
        first.scores,
        sum(each.pairs for each in parts),
    )
