"""Whether an explanation says the same when it is drawn again with another seed."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np

from apps.analysis.explain.columns import Floats
from apps.analysis.explain.shapley import Attributions


@dataclass(frozen=True)
class Stability:
    """Agreement between seeds, each the least over the pairs of seeds.

    ranking: Spearman's correlation of the features' mean absolute attributions; by_case: the same of one case's
    attributions, mean over the cases; top: share of the k strongest features of a case that both seeds name, mean
    over the cases. None where one feature leaves nothing to rank.
    """

    seeds: int
    k: int
    ranking: float | None
    by_case: float | None
    top: float | None


def spearman(first: Floats, second: Floats) -> float:
    """Spearman's rank correlation, -1 to 1, ties by mean rank; 1 where neither side ranks, 0 where one does."""
    from scipy.stats import rankdata  # a second and a half that a process without explanations does not pay

    a, b = rankdata(first), rankdata(second)
    a, b = a - a.mean(), b - b.mean()
    size = float(np.sqrt((a @ a) * (b @ b)))
    if size == 0:
        return 1.0 if not a.any() and not b.any() else 0.0
    return float(a @ b) / size


def overlap(first: Floats, second: Floats, k: int) -> float:
    """Share of the k largest of `first` that are among the k largest of `second`."""
    return len(set(np.argsort(-first)[:k]) & set(np.argsort(-second)[:k])) / k


def compare(parts: list[Attributions], k: int = 3) -> Stability:
    """The agreement of attributions of the same cases drawn with several seeds."""
    k = min(k, len(parts[0].features))
    if len(parts) < 2 or len(parts[0].features) < 2:
        return Stability(len(parts), k, None, None, None)
    pairs = list(combinations(parts, 2))
    return Stability(
        len(parts),
        k,
        min(spearman(a.overall, b.overall) for a, b in pairs),
        min(
            float(np.mean([spearman(x, y) for x, y in zip(a.values, b.values, strict=True)]))
            for a, b in pairs
        ),
        min(
            float(
                np.mean([overlap(np.abs(x), np.abs(y), k) for x, y in zip(a.values, b.values, strict=True)])
            )
            for a, b in pairs
        ),
    )
