"""All explanations of one model on one set of cases, in one call, with their sizes, seeds and sentences."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.analysis.errors import InputError
from apps.analysis.explain import sentences
from apps.analysis.explain.columns import Columns, Floats, Score, Tally, length, take
from apps.analysis.explain.local import LocalFit, local_fit
from apps.analysis.explain.permutation import (
    AUC,
    CHANGE,
    ERROR,
    WORDS,
    Importance,
    achieved,
    auc,
    permutation_importance,
)
from apps.analysis.explain.shapley import Attributions, merged, shapley
from apps.analysis.explain.stability import compare
from apps.analysis.explain.surrogate import surrogate_tree
from apps.analysis.explain.targets import Target, of_class

SCHEMA = "countersign.explanation/2"
LEAST_CASES = 40
MOST_FEATURES = 200
Z95 = 1.959963984540054


@dataclass(frozen=True)
class Settings:
    """Sizes and seeds; each is an upper limit where the data have fewer cases.

    rows: cases for permutation importance and surrogate; cases: explained one by one; background: cases lent from;
    pairs: pairs of orders for each seed; repeats: shuffles a feature; examples: cases told in a sentence each.
    """

    rows: int = 2000
    cases: int = 100
    background: int = 100
    pairs: int = 20
    repeats: int = 5
    seeds: tuple[int, ...] = (11, 12)
    local_samples: int = 500
    depth: int = 3
    examples: int = 6


@dataclass(frozen=True)
class Explained:
    """result: plain data for the record; attributions of the cases in `rows` (numbers from 1 of the whole set)."""

    result: dict[str, Any]
    attributions: Attributions
    rows: NDArray[np.int64]


def explain(
    score: Score,
    columns: Columns,
    labels: NDArray[Any] | None,
    *,
    threshold: float = 0.5,
    target: Target | None = None,
    settings: Settings = Settings(),
    progress: Callable[[int, int, str], None] = lambda done, total, stage: None,
) -> Explained:
    """Explain the model behind `score` on `columns`. The same input and settings give the same result to the bit.

    labels: (n,) as `permutation_importance` takes them, or None. target: what is explained, if it is not the score of
    one of two classes told apart at `threshold`. progress(done, total, stage): in scores asked of the model.
    Raises `InputError` with fewer than 40 cases, more than 200 features, one seed only, or scores that are not finite.
    """
    target = target or Target(threshold)
    n, p = length(columns), len(columns)
    if n < LEAST_CASES:
        raise InputError(f"An explanation needs at least {LEAST_CASES} cases; there are {n}.")
    if p > MOST_FEATURES:
        raise InputError(f"The model takes {p} features; at most {MOST_FEATURES} are explained.")
    if len(settings.seeds) < 2:
        raise InputError(
            "An explanation is drawn with at least two seeds, or nothing says whether it is stable."
        )
    rng = np.random.default_rng([settings.seeds[0], 7])
    rows = np.sort(rng.permutation(n)[: settings.rows])
    part, marked = take(columns, rows), None if labels is None else labels[rows]
    order = rng.permutation(len(rows))
    explained = np.sort(order[: min(settings.cases, len(rows) // 2)])
    lenders = np.sort(order[len(explained) :][: settings.background])
    cases, background = take(part, explained), take(part, lenders)
    total = _cost(settings, p, len(rows), len(explained))
    stage = ["Scoring the cases"]
    tally = Tally(score, lambda done: progress(min(done, total), total, stage[0]), width=target.width)

    answers = tally(part)
    given, of_all = target.given(answers), target.explained(answers)
    asked: Score = tally
    if target.of:
        place = target.classes.index(target.of)
        asked, answers = _of_one(tally, place), of_class(answers, of_all)
        marked = None if marked is None else (marked == place).astype(np.int8)
    stage[0] = "Shuffling each feature"
    found = permutation_importance(
        asked, part, marked, repeats=settings.repeats, seed=settings.seeds[0], target=target
    )
    of = None if of_all is None else of_all[explained]
    parts = []
    for seed in settings.seeds:
        stage[0] = f"Attributing single scores, seed {seed}"
        parts.append(shapley(tally, cases, background, pairs=settings.pairs, seed=seed, of=of))
    whole, stable = merged(parts), compare(parts)
    stage[0] = "Fitting around the examples"
    middle = target.middle(whole.scores)
    chosen = _examples(whole.scores, middle, settings.examples)
    examples = []
    lies = sentences.places(part, explained[chosen])
    samples = max(settings.local_samples, 4 * p)
    for number, (at, lie) in enumerate(zip(chosen, lies, strict=True), start=1):
        around = _of_one(tally, None if of is None else int(of[at]))
        fit = local_fit(
            around, take(cases, np.array([at])), background, samples=samples, seed=settings.seeds[0]
        )
        name = "" if given is None else target.classes[given[explained[at]]]
        examples.append(_example(number, whole, int(at), middle, lie, fit, target, name))
    stage[0] = "Growing the surrogate tree"
    tree = surrogate_tree(part, answers, target=target, depth=settings.depth, seed=settings.seeds[0])
    progress(total, total, "Writing it down")
    result: dict[str, Any] = {
        "schema": SCHEMA,
        "settings": asdict(settings)
        | {"seeds": list(settings.seeds)}
        | ({"threshold": target.threshold} if target.two else {}),
        "n": {
            "cases_there": n,
            "rows": len(rows),
            "explained": len(explained),
            "background": len(lenders),
            "features": p,
            "evaluations": tally.evaluations,
        },
        "auc": auc(answers, marked == 1)
        if target.one_score and marked is not None and 0 < marked.sum() < len(rows)
        else None,
        "measure": found[0].measure,
        "measure_words": measure_words(found[0].measure, target),
        "base": float(np.mean(whole.base)),
        "gap": whole.gap,
        "features": _features(found, whole, parts, target),
        "stability": asdict(stable)
        | {
            "sentence": sentences.of_stability(
                stable.ranking, stable.by_case, stable.top, stable.seeds, stable.k
            )
        },
        "surrogate": asdict(tree)
        | {
            "lines": list(tree.lines),
            "splits": list(tree.splits),
            "sentence": sentences.of_surrogate(tree, target),
        },
        "examples": examples,
    }
    if not target.two:
        result |= {
            "task": target.task,
            "classes": [*target.classes],
            "unit": target.unit,
            "quantity": target.quantity,
            "achieved": None if marked is None or target.of else achieved(answers, marked, target),
        }
    if target.of:
        result["explained_class"] = target.of
    return Explained(result, whole, rows[explained] + 1)


def measure_words(measure: str, target: Target) -> str:
    """What is measured, with its unit."""
    unit = f" ({target.unit})" if target.unit and measure in (ERROR, CHANGE) else ""
    if target.of and measure == AUC:
        return f"drop in the AUC of “{target.of}” against the rest when shuffled"
    return WORDS[measure] + unit


def _of_one(score: Score, of: int | None) -> Score:
    """The score of one class where there are several."""
    return score if of is None else lambda columns: score(columns)[:, 1 + of]


def _cost(settings: Settings, p: int, rows: int, cases: int) -> int:
    """Scores that will be asked of the model, all in all."""
    sampled = len(settings.seeds) * (settings.pairs + cases + cases * settings.pairs * 2 * max(p - 1, 0))
    fitted = min(settings.examples, cases) * 2 * max(settings.local_samples, 4 * p)
    return rows + rows * (1 + p * settings.repeats) + sampled + fitted


def _examples(scores: Floats, threshold: float, count: int) -> NDArray[np.intp]:
    """The highest, the lowest and the most doubtful cases, in equal numbers, without repetition."""
    high = list(np.argsort(-scores, kind="stable"))
    low = list(np.argsort(scores, kind="stable"))
    near = list(np.argsort(np.abs(scores - threshold), kind="stable"))
    chosen: dict[int, None] = {}
    for at in range(len(scores)):
        for kind in (high, near, low):
            if len(chosen) < count:
                chosen.setdefault(int(kind[at]))
    return np.array(sorted(chosen, key=lambda i: (-scores[i], i)), dtype=np.intp)


def _example(
    number: int,
    whole: Attributions,
    at: int,
    middle: float,
    place: dict[str, str],
    fit: LocalFit,
    target: Target,
    given: str,
) -> dict[str, Any]:
    """One case in coarse words only, without its row number.

    A model that knows it is being explained could write the row into the digits of its score, or into the order of many
    attributions: whatever is told here has a few values, and only the first features are told.
    """
    values, spread = whole.values[at], float(np.std(whole.scores))
    scale = spread if target.number else 1.0
    order = np.argsort(-np.abs(values), kind="stable")[: sentences.NAMED]
    told = [
        {
            "feature": whole.features[j],
            "rank": rank,
            "place": place[whole.features[j]],
            "direction": sentences.direction(values[j], scale),
            "strength": sentences.strength(values[j], spread),
            "local_direction": sentences.direction(fit.effects[j], scale),
        }
        for rank, j in enumerate(order, start=1)
    ]
    beside = "the threshold" if target.two else "the middle of the cases explained"
    score_band = sentences.band(float(whole.scores[at]), middle, spread, beside)
    return {
        "example": number,
        "score_band": score_band,
        "sentence": sentences.of_case(
            number, score_band, told, given=given, of=target.of, predicted=target.number
        ),
        **({"class": given} if given else {}),
        "features": told,
        "local": {"fit": sentences.closeness(fit.fit), "samples": fit.samples},
    }


def _features(
    found: list[Importance], whole: Attributions, parts: list[Attributions], target: Target
) -> list[dict[str, Any]]:
    """One item a feature, the most important first."""
    moved = np.abs(whole.values)
    error = moved.std(axis=0, ddof=1) / np.sqrt(len(moved)) if len(moved) > 1 else np.zeros(moved.shape[1])
    ranked = sorted(range(len(found)), key=lambda j: (-found[j].value, -float(moved[:, j].mean()), j))
    told = []
    for rank, j in enumerate(ranked, start=1):
        mean = float(moved[:, j].mean())
        told.append(
            asdict(found[j])
            | {
                "rank": rank,
                "moved": mean,
                "moved_low": mean - Z95 * float(error[j]),
                "moved_high": mean + Z95 * float(error[j]),
                "moved_n": len(moved),
                "by_seed": [float(each.overall[j]) for each in parts],
                "sentence": sentences.of_feature(found[j], mean, rank, target),
            }
        )
    return told
