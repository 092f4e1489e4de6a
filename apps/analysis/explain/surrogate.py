"""A small tree that imitates the model, and how well it does so on cases it was not made from.

Craven and Shavlik (1996). The tree says what the model does in the large; its fidelity says how far to trust it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.analysis import disclosure
from apps.analysis.errors import InputError
from apps.analysis.explain.columns import Columns, Floats, is_text, length
from apps.analysis.explain.targets import Target

MOST_CATEGORIES = 12
LEAST_CASES = 40
LEAST_ROWS = 10  # of a category
LEAST_LEAF = disclosure.LEAST  # cases: the mean score of fewer tells of single ones
REPLICATES = 200


@dataclass(frozen=True)
class Surrogate:
    """lines: the tree from the top, one a node: depth, rule (how one gets there from the node above), n and mean score.

    fidelity: R² of the tree's scores against the model's on `held_out` cases, with a 95 % interval (percentile
    bootstrap over them; of several classes of all their scores together), None where the model scores all of them
    alike; agreement: share of them on the same side of the threshold, or that get the same class, None of numbers and
    of one class of several; splits: the features it uses, first split first. Of several classes a line's mean is that
    of its `class`.
    """

    lines: tuple[dict[str, Any], ...]
    fidelity: float | None
    low: float | None
    high: float | None
    agreement: float | None
    made_from: int
    held_out: int
    depth: int
    splits: tuple[str, ...]


def surrogate_tree(
    columns: Columns,
    scores: Floats,
    *,
    threshold: float = 0.5,
    depth: int = 3,
    seed: int = 0,
    target: Target | None = None,
) -> Surrogate:
    """Made from one half of the cases, judged on the other.

    scores: what the scoring function gives; `target`: of which task, two classes told apart at `threshold` unless said.
    Raises `InputError` with fewer than 40 cases."""
    from sklearn.tree import DecisionTreeRegressor

    n = length(columns)
    if n < LEAST_CASES:
        raise InputError(f"A surrogate tree needs at least {LEAST_CASES} cases; there are {n}.")
    target = target or Target(threshold)
    given = target.given(scores) if target.by_case else None
    scores = scores[:, 1:] if target.by_case else scores
    matrix, meanings = _encoded(columns)
    order = np.random.default_rng([seed, 5]).permutation(n)
    made, held = order[: n // 2], order[n // 2 :]
    tree = DecisionTreeRegressor(
        max_depth=depth, min_samples_leaf=max(LEAST_LEAF, len(made) // 20), random_state=seed
    ).fit(matrix[made], scores[made])
    told = np.asarray(tree.predict(matrix[held]), dtype=np.float64)
    fidelity, low, high = _fidelity(scores[held], told, seed)
    lines: list[dict[str, Any]] = []
    _walk(tree.tree_, 0, 0, "All cases", meanings, lines, target.classes if target.by_case else ())
    used: dict[str, None] = {}
    for node in range(tree.tree_.node_count):
        if tree.tree_.children_left[node] >= 0:
            used.setdefault(meanings[tree.tree_.feature[node]][0])
    return Surrogate(
        tuple(lines),
        fidelity,
        low,
        high,
        _agreement(target, told, scores[held], None if given is None else given[held]),
        len(made),
        len(held),
        depth,
        tuple(used),
    )


def _agreement(target: Target, told: Floats, scores: Floats, given: NDArray[np.intp] | None) -> float | None:
    if target.number or target.of:
        return None
    if given is not None:
        return float((told.argmax(axis=1) == given).mean())
    return float(((told >= target.threshold) == (scores >= target.threshold)).mean())


def _encoded(columns: Columns) -> tuple[Floats, list[tuple[str, str | None]]]:
    """Numbers as they are (NaN kept); texts as one 0/1 column for each of their common values."""
    parts: list[Floats] = []
    meanings: list[tuple[str, str | None]] = []
    for name, values in columns.items():
        if not is_text(values):
            parts.append(values.astype(np.float64))
            meanings.append((name, None))
            continue
        seen, counts = np.unique(values.astype(str), return_counts=True)
        for at in np.argsort(-counts, kind="stable")[:MOST_CATEGORIES]:
            if counts[at] >= LEAST_ROWS:
                parts.append((values.astype(str) == seen[at]).astype(np.float64))
                meanings.append((name, str(seen[at])))
    if not parts:  # only texts, each of them rare
        return np.zeros((length(columns), 1)), [(next(iter(columns)), "")]
    return np.column_stack(parts), meanings


def _fidelity(scores: Floats, told: Floats, seed: int) -> tuple[float | None, float | None, float | None]:
    if scores.ndim > 1:
        return _fidelity_of_many(scores, told, seed)
    if float(np.ptp(scores)) == 0.0:
        return None, None, None
    rows = np.random.default_rng([seed, 6]).integers(0, len(scores), (REPLICATES, len(scores)))
    drawn, off = scores[rows], (scores - told)[rows] ** 2
    around = ((drawn - drawn.mean(axis=1, keepdims=True)) ** 2).sum(axis=1)
    good = around > 0
    found = 1 - off.sum(axis=1)[good] / around[good]
    value = 1 - float(((scores - told) ** 2).sum() / ((scores - scores.mean()) ** 2).sum())
    low, high = (float(v) for v in np.percentile(found, [2.5, 97.5]))
    return value, low, high


def _fidelity_of_many(
    scores: Floats, told: Floats, seed: int
) -> tuple[float | None, float | None, float | None]:
    """The same of (cases, classes): one minus all squares off by all squares around the classes' means."""
    if not np.ptp(scores, axis=0).any():
        return None, None, None
    off = ((scores - told) ** 2).sum(axis=1)

    def of(rows: NDArray[np.intp]) -> float:
        drawn = scores[rows]
        around = float(((drawn - drawn.mean(axis=0)) ** 2).sum())
        return 1 - float(off[rows].sum()) / around if around > 0 else np.nan

    every = np.arange(len(scores))
    drawn = np.random.default_rng([seed, 6]).integers(0, len(scores), (REPLICATES, len(scores)))
    found = np.array([of(rows) for rows in drawn])
    low, high = (float(v) for v in np.percentile(found[np.isfinite(found)], [2.5, 97.5]))
    return of(every), low, high


def _walk(
    tree: Any,
    node: int,
    depth: int,
    rule: str,
    meanings: list[tuple[str, str | None]],
    lines: list[dict[str, Any]],
    classes: tuple[str, ...] = (),
) -> None:
    means = np.ravel(tree.value[node])
    most = int(means.argmax())
    lines.append(
        {
            "depth": depth,
            "rule": rule,
            "n": int(tree.n_node_samples[node]),
            "mean": float(means[most]),
            "leaf": bool(tree.children_left[node] < 0),
        }
        | ({"class": classes[most]} if classes else {})
    )
    if tree.children_left[node] < 0:
        return
    name, category = meanings[tree.feature[node]]
    if category is None:
        bound = f"{tree.threshold[node]:.4g}"
        empty = bool(tree.missing_go_to_left[node])
        low = f"{name} ≤ {bound}" + (" or empty" if empty else "")
        high = f"{name} > {bound}" + ("" if empty else " or empty")
    else:
        shown = f"“{category}”" if category else "empty"
        low, high = f"{name} is not {shown}", f"{name} is {shown}"
    _walk(tree, tree.children_left[node], depth + 1, low, meanings, lines, classes)
    _walk(tree, tree.children_right[node], depth + 1, high, meanings, lines, classes)
