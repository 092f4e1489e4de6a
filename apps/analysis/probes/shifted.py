"""Cases unlike those of training: rows far away, another mix of groups; and the same cases asked again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Any

import numpy as np
import numpy.typing as npt

from apps.analysis import disclosure, intervals
from apps.analysis.probes.deciding import off
from apps.analysis.probes.findings import Finding, nothing, percent, share
from apps.analysis.probes.frames import Answers, Ask, Cases, Flags, Floats, Frame, levels_of

FAR_PART = 0.10
QUANTILE = 0.99
MAX_NAMED = 5  # groups without a number that are named
MIN_GROUP = disclosure.LEAST  # cases: of fewer, a share tells of single ones


def distances(train: Frame, rows: Frame) -> Floats:
    """Squared Mahalanobis distance of each row from the training data, (n,).

    Over the columns of numbers, empty cells at the training mean; the covariance is inverted as Moore and Penrose
    do, so that a constant or doubled column does no harm (Mahalanobis 1936). A category that training never had
    makes the distance infinite.
    """
    names = train.numbers
    total = np.zeros(rows.n)
    if names:
        known = np.column_stack([_filled(train.columns[name], train.columns[name]) for name in names])
        asked = np.column_stack([_filled(rows.columns[name], train.columns[name]) for name in names])
        centre = known.mean(axis=0)
        spread = np.atleast_2d(np.cov(known, rowvar=False)) if len(known) > 1 else np.eye(len(names))
        inverse = np.linalg.pinv(spread, hermitian=True)
        away = asked - centre
        total = np.einsum("ij,jk,ik->i", away, inverse, away)
    for name, levels in levels_of(train).items():
        strange = np.array([value is not None and str(value) not in levels for value in rows.columns[name]])
        total = np.where(strange, np.inf, total)
    return np.maximum(total, 0.0)


def _filled(values: npt.NDArray[np.float64], reference: npt.NDArray[np.float64]) -> Floats:
    known = reference[np.isfinite(reference)]
    mean = float(known.mean()) if len(known) else 0.0
    return np.where(np.isfinite(values), values, mean)


def far_rows(train: Frame, test: Cases, answers: Answers) -> list[Finding]:
    """Wrong decisions among the tenth of the cases farthest from training; a case without an answer is wrong."""
    away = distances(train, test.frame)
    cut = float(np.quantile(distances(train, train), QUANTILE))
    wrong = answers.by.wrong(answers, test.labels)
    far = np.argsort(-away, kind="stable")[: max(1, round(FAR_PART * test.n))]
    near = np.ones(test.n, dtype=bool)
    near[far] = False
    rest = int(wrong[near].sum()) / max(1, int(near.sum()))
    others = f"{percent(rest)} of the other {int(near.sum()):,} were"
    words = f"farthest from the training data {answers.by.wrongly}; {others}"
    words, errors = _errors(answers, test, far, near, words)
    beyond = int((away > cut).sum())
    return [
        share(
            "far_rows",
            "",
            int(wrong[far].sum()),
            len(far),
            words,
            rest_share=rest,
            rest_n=int(near.sum()),
            beyond=beyond,
            beyond_about=f"{beyond:,} of {test.n:,} cases lie beyond the {100 * QUANTILE:g} % quantile of the training "
            "rows' own distances",
            **errors,
        )
    ]


def _errors(
    answers: Answers, test: Cases, far: npt.NDArray[Any], near: Flags, words: str
) -> tuple[str, dict[str, Any]]:
    """Of a predicted number also the mean absolute error far away and nearer, each with the normal interval."""
    if not answers.by.numeric:
        return words, {}
    lost = off(answers, test.labels)
    more: dict[str, Any] = {}
    told = []
    for name, chosen in (("error", lost[far]), ("rest_error", lost[near])):
        known = chosen[np.isfinite(chosen)]
        if len(known) < 2:
            return words, {}
        mean = float(known.mean())
        low, high = intervals.mean_interval(mean, float(known.var(ddof=1)), len(known))
        low = max(low, 0.0)
        more |= {name: mean, f"{name}_low": low, f"{name}_high": high, f"{name}_n": len(known)}
        ends = f"{answers.by.amount(low)} to {answers.by.amount(high)}, {len(known):,} cases"
        told.append(f"{answers.by.amount(mean)} ({ends})")
    return f"{words}; their mean absolute error is {told[0]}, that of the others {told[1]}", more


def group_shift(test: Cases, answers: Answers, part: float) -> list[Finding]:
    """How far accuracy falls when `part` of all cases is replaced by cases of one group; of numbers the share within
    the stated error.

    With a_g and a_r the accuracy within the group and outside it, and w its share now, the fall is
    part * (1 - w) * (a_r - a_g); the interval is Newcombe's for a_r - a_g, scaled.
    """
    right = ~answers.by.wrong(answers, test.labels)
    compared, few = [], []
    for name, values in test.groups.items():
        sizes = Counter(values.tolist())
        if len(sizes) < 2:
            continue
        told = _told(sizes)
        if len(told) < len(sizes):
            few.append(nothing("group_shift", name, _left_out(sizes, told)))
        compared += [
            (f"{name} = {value if value is not None else 'empty'}", values == value)
            for value in sorted(told, key=str)
        ]
    if not compared:
        return few or [nothing("group_shift", "", "no group column has two groups")]
    level = intervals.simultaneous(intervals.LEVEL, len(compared))
    found = []
    for where, inside in compared:
        n_in, n_out = int(inside.sum()), int((~inside).sum())
        k_in, k_out = int(right[inside].sum()), int(right[~inside].sum())
        scale = part * (1 - n_in / test.n)
        ends = intervals.newcombe(k_out, n_out, k_in, n_in, level)
        value, low, high = (scale * each for each in (k_out / n_out - k_in / n_in, *ends))
        way = "falls by" if value >= 0 else "rises by"
        sentence = (
            f"{answers.by.right} {way} {percent(abs(value))} (change {percent(-high)} to {percent(-low)}) when "
            f"{percent(part)} of the cases become cases of {where}; {n_in:,} cases of that group are known."
        )
        found.append(
            Finding(
                "group_shift",
                where,
                value,
                low,
                high,
                n_in,
                sentence,
                None,
                f"newcombe, scaled, simultaneous over {len(compared)}",
                level,
                more={"accuracy_in": k_in / n_in, "accuracy_out": k_out / n_out, "n_out": n_out},
            )
        )
    return found + few


def _left_out(sizes: Counter[object], told: Collection[object]) -> str:
    """Which groups have no number, with their cases, the smallest first; sizes are no answer of the model."""
    out = sorted(
        (n, "empty" if value is None else str(value)) for value, n in sizes.items() if value not in told
    )
    names = ", ".join(f"{value} (n = {n:,})" for n, value in out[:MAX_NAMED])
    others = f" and {len(out) - MAX_NAMED:,} others" if len(out) > MAX_NAMED else ""
    return (
        f"not computed for {names}{others}: fewer than {MIN_GROUP} cases, or they would tell of such a group"
    )


def _told(sizes: Counter[object]) -> list[object]:
    """The groups that are told: they, all others taken together and what is left out have at least `MIN_GROUP` cases.

    Where fewer are left out, the smallest group that would be told goes with them: else the difference tells them.
    """
    total = sum(sizes.values())
    told = [value for value, n in sizes.items() if MIN_GROUP <= n <= total - MIN_GROUP]
    left = total - sum(sizes[value] for value in told)
    while told and 0 < left < MIN_GROUP:
        smallest = min(told, key=lambda value: (sizes[value], str(value)))
        told.remove(smallest)
        left += sizes[smallest]
    return told


def repeatability(ask: Ask, frame: Frame, before: Answers) -> list[Finding]:
    """Asked again, and asked in the opposite order: cases whose answer has other bits."""
    backwards = np.arange(frame.n)[::-1]
    reversed_back = ask(frame.take(backwards)).take(backwards)
    ways = (("asked again", ask(frame)), ("in another order", reversed_back))
    return [
        share(
            "repeatability", where, int(_bits_differ(before, after).sum()), frame.n, f"got other bits {where}"
        )
        for where, after in ways
    ]


def _bits_differ(first: Answers, second: Answers) -> npt.NDArray[np.bool_]:
    """Also a case that got a usable answer once and none the other time, whatever stands in its place."""
    differ = (first.decided != second.decided) | (first.usable != second.usable)
    if first.scores is not None and second.scores is not None:
        one, two = (np.ascontiguousarray(each.scores) for each in (first, second))
        same = (one.view(np.uint64) == two.view(np.uint64)) | (np.isnan(one) & np.isnan(two))
        differ = differ | ~same.reshape(len(differ), -1).all(axis=1)
    return np.asarray(differ)
