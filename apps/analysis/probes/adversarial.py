"""A search for another decision that knows only the answers, within stated bounds and a budget of questions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from apps.analysis.probes.findings import Finding, nothing, share
from apps.analysis.probes.frames import WHOLE, Answers, Ask, Flags, Floats, Frame, Range

EXAMPLES = 5


@dataclass(frozen=True)
class Attack:
    """Outcome of `search`. flipped: (n,) bool; asked: (n,) questions spent on each case; moved: column -> (n,) how far
    the last accepted point lies from the case, in standard deviations; frame: those points."""

    flipped: Flags
    asked: npt.NDArray[np.int64]
    moved: dict[str, Floats]
    frame: Frame


def search(
    ask: Ask,
    frame: Frame,
    before: Answers,
    ranges: dict[str, Range],
    *,
    epsilon: float,
    budget: int,
    threshold: float,
    rng: np.random.Generator,
) -> Attack:
    """Greedy random coordinate search (after Guo and others 2019, SimBA).

    Each question moves one number of a case to one end of its bound, x ± epsilon * sd, in an order drawn for the
    case; the move is kept where the score came nearer to the threshold, and the case is done when its decision
    changes. Where the model gives no score, moves that change nothing are kept, so that they add up. No number
    leaves its bound, no case is asked more than `budget` times, whole numbers stay whole, empty cells stay empty.
    """
    names = [name for name in frame.numbers if name in ranges and _can_move(frame, ranges, name, epsilon)]
    n = frame.n
    original = {name: frame.columns[name].astype(np.float64) for name in names}
    now = {name: values.copy() for name, values in original.items()}
    flipped, asked = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64)
    gap = _gap(before, threshold)
    if names:
        steps = len(names) * 2
        order = np.argsort(rng.random((n, max(1, -(-budget // steps)), steps)), axis=2).reshape(n, -1)
        for turn in range(min(budget, order.shape[1])):
            open_rows = np.flatnonzero(~flipped & before.usable)
            if len(open_rows) == 0:
                break
            tried = {name: values.copy() for name, values in now.items()}
            choice = order[open_rows, turn]
            for at, name in enumerate(names):
                for sign, mark in ((1.0, 2 * at), (-1.0, 2 * at + 1)):
                    rows = open_rows[choice == mark]
                    tried[name][rows] = original[name][rows] + sign * _bound(frame, ranges, name, epsilon)
            part = frame.having(tried).take(open_rows)
            after = ask(part)
            asked[open_rows] += 1
            won = after.usable & (after.decided != before.decided[open_rows])
            nearer = after.usable & (_gap(after, threshold) <= gap[open_rows])
            kept = open_rows[won | nearer]
            for name in names:
                now[name][kept] = tried[name][kept]
            gap[kept] = _gap(after, threshold)[won | nearer]
            flipped[open_rows[won]] = True
    moved = {
        name: np.where(np.isfinite(original[name]), (now[name] - original[name]) / ranges[name].sd, 0.0)
        for name in names
    }
    return Attack(flipped, asked, moved, frame.having(now))


def _bound(frame: Frame, ranges: dict[str, Range], name: str, epsilon: float) -> float:
    """How far a number may move; whole numbers by whole steps within it."""
    reach = epsilon * ranges[name].sd
    return float(np.floor(reach)) if frame.kinds[name] == WHOLE else reach


def _can_move(frame: Frame, ranges: dict[str, Range], name: str, epsilon: float) -> bool:
    return ranges[name].sd > 0 and _bound(frame, ranges, name, epsilon) > 0


def _gap(answers: Answers, threshold: float) -> Floats:
    """Distance of the score from the threshold, (n,); 0 for all where the model gives no score."""
    if answers.scores is None:
        return np.zeros(len(answers.decided))
    return np.where(answers.usable, np.abs(answers.scores - threshold), np.inf)


def adversarial(
    ask: Ask,
    frame: Frame,
    before: Answers,
    ranges: dict[str, Range],
    *,
    epsilon: float,
    budget: int,
    threshold: float,
    rng: np.random.Generator,
) -> list[Finding]:
    """Share of cases flipped, questions spent, and examples told as moves, never as rows."""
    attack = search(ask, frame, before, ranges, epsilon=epsilon, budget=budget, threshold=threshold, rng=rng)
    if not attack.moved:
        return [nothing("adversarial", "", "no number of the model can be moved within its bound")]
    usable = int(before.usable.sum())
    spent = attack.asked[before.usable]
    words = (
        f"were flipped by moving numbers by at most {epsilon:g} standard deviations, with at most {budget:,} questions "
        f"a case ({int(spent.sum()):,} in all)"
    )
    flips = int(attack.flipped.sum())
    return [
        share(
            "adversarial",
            "",
            flips,
            usable,
            words,
            queries=int(spent.sum()),
            queries_max=int(spent.max()) if len(spent) else 0,
            queries_median_of_flipped=float(np.median(attack.asked[attack.flipped])) if flips else 0.0,
            columns=sorted(attack.moved),
            examples=_examples(attack, before),
        )
    ]


def _examples(attack: Attack, before: Answers) -> list[str]:
    """The flips that needed the fewest moves, in words: by how many standard deviations each number moved.

    They name no row and no value of one, so that who may not see test data may read them.
    """
    rows = np.flatnonzero(attack.flipped)
    sizes = np.array([sum(bool(m[row]) for m in attack.moved.values()) for row in rows], dtype=np.int64)
    told: list[str] = []
    for row in rows[np.argsort(sizes, kind="stable")]:
        moves = [
            f"{name} {'up' if by[row] > 0 else 'down'} by {abs(by[row]):.2g} standard deviations"
            for name, by in attack.moved.items()
            if by[row]
        ]
        way = "positive to negative" if before.decided[row] else "negative to positive"
        sentence = f"From {way} by {' and '.join(moves)}."
        if moves and sentence not in told:
            told.append(sentence)
        if len(told) == EXAMPLES:
            break
    return told
