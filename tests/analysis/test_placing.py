"""The integers behind AUC and DeLong's error: against mid-ranks, and the loop that Numba compiles against NumPy."""

from __future__ import annotations

import importlib.util
import math
from fractions import Fraction

import numpy as np
import pytest

from apps.analysis import fairness, placing
from apps.analysis.groups import positions
from apps.analysis.ranking import Ranked, area_of, auc
from tests.analysis.tables import results


def drawn(n, ties, seed=5):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.beta(2, 4, n) * ties) / ties
    labels = (rng.random(n) < scores).astype(np.int8)
    codes = [([str(i) for i in range(k)], rng.integers(0, k, n)) for k in (4, 3)]
    return scores, labels, codes


def interpreted(monkeypatch):
    """The functions that Numba would compile, run as they are."""
    monkeypatch.setattr(placing, "compiles", lambda rows: True)
    monkeypatch.setattr(placing, "_compiled", lambda: (placing._radix, placing._walker(placing._close)))


def every_area(ranked, codes):
    every = [(), *positions(len(codes), True)]
    sums = ranked.sums(codes, every)
    if sums is not None:
        return {(at, c): area_of(s, 0.95) for at, by in zip(every, sums, strict=True) for c, s in by.items()}
    found = {}
    for at in every:
        combined = None
        for i in at:
            index = codes[i][1]
            combined = index if combined is None else combined * len(codes[i][0]) + index
        for code, rows in ranked.parts(combined):
            found[at, code] = auc(ranked.blocks(rows), 0.95)
    return found


@pytest.mark.parametrize("ties", [1, 7, 100, 10**9])
def test_the_compiled_loops_give_the_same_bits(monkeypatch, ties):
    scores, labels, codes = drawn(1500, ties)
    plain = every_area(Ranked(scores, labels), codes)
    interpreted(monkeypatch)
    assert every_area(Ranked(scores, labels), codes) == plain
    assert len(plain) == 1 + 4 + 3 + 12


def test_the_sums_are_exact():
    scores, labels, _ = drawn(400, 30)
    blocks = Ranked(scores, labels).blocks(slice(None))
    sums = placing.of_blocks(blocks.pos.astype(np.int64), blocks.neg.astype(np.int64))
    pos, neg = scores[labels == 1], scores[labels == 0]
    b = [2 * int((neg < s).sum()) + int((neg == s).sum()) for s in pos]
    c = [2 * int((pos > s).sum()) + int((pos == s).sum()) for s in neg]
    assert (sums.b, sums.b2, sums.c2) == (sum(b), sum(v * v for v in b), sum(v * v for v in c))
    m, n = len(pos), len(neg)
    area = Fraction(sum(b), 2 * m * n)
    v10 = sum((Fraction(v, 2 * n) - area) ** 2 for v in b) / (m - 1) / m
    v01 = sum((Fraction(v, 2 * m) - area) ** 2 for v in c) / (n - 1) / n
    assert sums.area == float(area)
    assert sums.variance == pytest.approx(float(v10 + v01), rel=1e-15)


def test_nothing_overflows_at_two_hundred_million_rows():
    half = 100_000_000
    sums = placing.of_blocks(np.array([0, half, 1]), np.array([1, half, 0]))
    assert sums.b == half * (2 + half) + 2 * (half + 1)
    assert sums.b2 == half * (2 + half) ** 2 + (2 * (half + 1)) ** 2
    assert sums.c2 == (2 * (half + 1)) ** 2 + half * (half + 2) ** 2


def test_a_report_is_the_same_with_the_loops(monkeypatch):
    columns = results(900, seed=4, ties=50)
    plain = fairness.report(columns, "y", "p", "s", ["race", "sex"], intersections=True)
    interpreted(monkeypatch)
    assert fairness.report(columns, "y", "p", "s", ["race", "sex"], intersections=True) == plain


def test_small_tables_do_not_wait_for_the_compiler():
    assert not placing.compiles(placing.COMPILED_FROM - 1)
    assert placing.compiles(placing.COMPILED_FROM) == (importlib.util.find_spec("numba") is not None)


def test_perfect_separation_and_one_class_say_so():
    estimate = area_of(placing.Sums(3, 4, 24, 192, 144), 0.95)
    assert (estimate.value, estimate.method) == (1.0, "wilson on the smaller class")
    assert math.isclose(estimate.high, 1.0)
    assert area_of(placing.Sums(0, 4, 0, 0, 0), 0.95).reason == "only one class"
