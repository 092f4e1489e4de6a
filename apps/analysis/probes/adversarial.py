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
    the last accepted point lies from the case, in standard deviations (of 0/1 columns: 1 where flipped); flags: which
    of them are 0/1 columns; frame: those points; after: the answers to them."""

    flipped: Flags
    asked: npt.NDArray[np.int64]
    moved: dict[str, Floats]
    flags: tuple[str, ...]
    frame: Frame
    after: Answers


def search(
    ask: Ask,
    frame: Frame,
    before: Answers,
    ranges: dict[str, Range],
    *,
    epsilon: float,
    budget: int,
    rng: np.random.Generator,
    flips: int = 0,
) -> Attack:
    """Greedy random coordinate search (after Guo and others 2019, SimBA).

    Each question moves one number of a case to one end of its bound, x ± epsilon * sd, in an order drawn for the
    case; the move is kept where the score came no farther from the threshold (`Deciding.gap`; a flip: where it came
    nearer), and the case is done when it is decided otherwise. Where the model gives no score, moves that change
    nothing are kept, so that they add up. No number leaves its bound, no case is asked more than `budget` times, whole
    numbers stay whole, empty cells stay empty. A column of 0 and 1 only moves from the one to the other, at most
    `flips` such columns of a case.
    """
    flags = [name for name in frame.numbers if name in ranges and ranges[name].flag]
    names = [
        name
        for name in frame.numbers
        if name in ranges and (flips > 0 if name in flags else _can_move(frame, ranges, name, epsilon))
    ]
    flags = [name for name in flags if name in names]
    n = frame.n
    original = {name: frame.columns[name].astype(np.float64) for name in names}
    ends = {name: _ends(frame, ranges, name, original[name], epsilon, name in flags) for name in names}
    now = {name: values.copy() for name, values in original.items()}
    flipped, asked = np.zeros(n, dtype=bool), np.zeros(n, dtype=np.int64)
    gap = before.by.gap(before, before)
    last = before.take(np.arange(n))
    if names:
        steps = len(names) * 2
        order = np.argsort(rng.random((n, max(1, -(-budget // steps)), steps)), axis=2).reshape(n, -1)
        for turn in range(min(budget, order.shape[1])):
            open_rows = np.flatnonzero(~flipped & before.usable)
            tried = {name: values.copy() for name, values in now.items()}
            choice = order[open_rows, turn]
            for at, name in enumerate(names):
                for mark, end in ((2 * at, ends[name][0]), (2 * at + 1, ends[name][1])):
                    rows = open_rows[choice == mark]
                    tried[name][rows] = end[rows]
            idle = np.zeros(len(open_rows), dtype=bool)  # flips that must do some good to be kept
            if flags:
                asks = _worth(open_rows, choice, names, flags, original, now, tried, flips)
                idle = np.isin(choice // 2, [names.index(name) for name in flags])[asks]
                idle &= before.scores is not None
                open_rows = open_rows[asks]
            if len(open_rows) == 0:
                if flags and (~flipped & before.usable).any():
                    continue
                break
            part = frame.having(tried).take(open_rows)
            had, after = before.take(open_rows), ask(part)
            asked[open_rows] += 1
            won = after.usable & before.by.other(had, after)
            left = before.by.gap(had, after)
            nearer = after.usable & np.where(idle, left < gap[open_rows], left <= gap[open_rows])
            better = won | nearer
            kept = open_rows[better]
            for name in names:
                now[name][kept] = tried[name][kept]
            gap[kept] = left[better]
            last.decided[kept] = after.decided[better]
            if last.scores is not None and after.scores is not None:
                last.scores[kept] = after.scores[better]
            flipped[open_rows[won]] = True
    moved = {
        name: np.where(
            np.isfinite(original[name]),
            (now[name] - original[name]) / (1.0 if name in flags else ranges[name].sd),
            0.0,
        )
        for name in names
    }
    return Attack(flipped, asked, moved, tuple(flags), frame.having(now), last)


def _ends(
    frame: Frame, ranges: dict[str, Range], name: str, original: Floats, epsilon: float, flag: bool
) -> tuple[Floats, Floats]:
    """Where a move may take each case: both ends of its bound; of a 0/1 column the other value, and back."""
    if flag:
        return 1.0 - original, original
    reach = _bound(frame, ranges, name, epsilon)
    return original + reach, original - reach


def _worth(
    open_rows: npt.NDArray[np.intp],
    choice: npt.NDArray[np.int64],
    names: list[str],
    flags: list[str],
    original: dict[str, Floats],
    now: dict[str, Floats],
    tried: dict[str, Floats],
    flips: int,
) -> Flags:
    """Which of these cases are asked: not where a 0/1 column would stay, or more of them change than are allowed."""
    of_flag = np.isin(choice // 2, [names.index(name) for name in flags])
    stays, turned = np.ones(len(open_rows), dtype=bool), np.zeros(len(open_rows), dtype=np.int64)
    for name in flags:
        new, old, first = (values[name][open_rows] for values in (tried, now, original))
        stays &= (new == old) | np.isnan(old)
        turned += (new != first) & np.isfinite(first)
    return ~of_flag | (~stays & (turned <= flips))


def _bound(frame: Frame, ranges: dict[str, Range], name: str, epsilon: float) -> float:
    """How far a number may move; whole numbers by whole steps within it."""
    reach = epsilon * ranges[name].sd
    return float(np.floor(reach)) if frame.kinds[name] == WHOLE else reach


def _can_move(frame: Frame, ranges: dict[str, Range], name: str, epsilon: float) -> bool:
    return ranges[name].sd > 0 and _bound(frame, ranges, name, epsilon) > 0


def adversarial(
    ask: Ask,
    frame: Frame,
    before: Answers,
    ranges: dict[str, Range],
    *,
    epsilon: float,
    budget: int,
    rng: np.random.Generator,
    flips: int = 0,
) -> list[Finding]:
    """Share of cases flipped, questions spent, and examples told as moves, never as rows."""
    attack = search(ask, frame, before, ranges, epsilon=epsilon, budget=budget, rng=rng, flips=flips)
    if not attack.moved:
        return [nothing("adversarial", "", "no number of the model can be moved within its bound")]
    usable = int(before.usable.sum())
    spent = attack.asked[before.usable]
    turned = f" and flipping at most {flips:,} of its 0/1 columns" if attack.flags else ""
    words = (
        f"{before.by.moved if before.by.numeric else 'were flipped'} by moving numbers by at most {epsilon:g} standard "
        f"deviations{turned}, with at most {budget:,} questions a case ({int(spent.sum()):,} in all)"
    )
    count = int(attack.flipped.sum())
    return [
        share(
            "adversarial",
            "",
            count,
            usable,
            words,
            queries=int(spent.sum()),
            queries_max=int(spent.max()) if len(spent) else 0,
            queries_median_of_flipped=float(np.median(attack.asked[attack.flipped])) if count else 0.0,
            columns=sorted(attack.moved),
            flags=sorted(attack.flags),
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
            f"{name} flipped"
            if name in attack.flags
            else f"{name} {'up' if by[row] > 0 else 'down'} by {abs(by[row]):.2g} standard deviations"
            for name, by in attack.moved.items()
            if by[row]
        ]
        sentence = f"{before.by.told(before, attack.after, int(row))} by {' and '.join(moves)}."
        if moves and sentence not in told:
            told.append(sentence)
        if len(told) == EXAMPLES:
            break
    return told
