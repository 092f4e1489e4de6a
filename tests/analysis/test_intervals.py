"""Intervals against published figures and statsmodels."""

from __future__ import annotations

import gc
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint, proportions_ztest

from apps.analysis import intervals


@pytest.fixture(autouse=True, scope="module")
def little_to_walk():
    """multipletests of statsmodels collects garbage in each call: what earlier tests left is not walked each time."""
    gc.collect()
    gc.freeze()


SAMPLE = st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
INNER = st.integers(2, 5000).flatmap(lambda n: st.tuples(st.integers(1, n - 1), st.just(n)))


# Newcombe 1998, Statistics in Medicine 17:857, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_newcombes_published_intervals(successes, n, low, high):
    found = intervals.wilson(successes, n)
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


# Newcombe 1998, Statistics in Medicine 17:873, table II, method 10.
@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
    ],
)
def test_newcombe_gives_the_published_intervals(first, second, low, high):
    found = intervals.newcombe(*first, *second)
    assert (round(found[0], 4), round(found[1], 4)) == (low, high)


@given(SAMPLE, st.sampled_from([0.8, 0.95, 0.999]))
def test_wilson_is_statsmodels_and_holds_the_share(sample, level):
    successes, n = sample
    low, high = intervals.wilson(successes, n, level)
    expected = proportion_confint(successes, n, alpha=1 - level, method="wilson")
    assert (low, high) == pytest.approx(expected, abs=1e-12)
    assert 0 <= low <= successes / n <= high <= 1


@given(SAMPLE, SAMPLE)
def test_newcombe_is_statsmodels_and_turns_with_the_order(first, second):
    low, high = intervals.newcombe(*first, *second)
    expected = confint_proportions_2indep(*first, *second, compare="diff", method="newcomb")
    assert (low, high) == pytest.approx(expected, abs=1e-9)
    assert intervals.newcombe(*second, *first) == pytest.approx((-high, -low), abs=1e-12)


@given(INNER, INNER)
def test_katz_is_statsmodels(first, second):
    expected = confint_proportions_2indep(*first, *second, compare="ratio", method="log")
    assert intervals.katz_log(*first, *second) == pytest.approx(expected, rel=1e-9)


@given(SAMPLE, SAMPLE)
def test_katz_survives_zeros_and_holds_the_ratio(first, second):
    low, high = intervals.katz_log(*first, *second)
    assert 0 <= low <= high
    if second[0]:
        ratio = (first[0] / first[1]) / (second[0] / second[1])
        assert low <= ratio * (1 + 1e-9)
        if first[0]:
            assert ratio <= high * (1 + 1e-9)
    else:
        assert high == math.inf


@given(INNER, INNER)
def test_the_pooled_z_test_is_statsmodels(first, second):
    _, expected = proportions_ztest([first[0], second[0]], [first[1], second[1]])
    assert intervals.two_proportions(*first, *second) == pytest.approx(expected, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_statsmodels(p_values):
    expected = multipletests(p_values, method="holm")[1]
    assert intervals.holm(p_values) == pytest.approx(list(expected), abs=1e-12)


def test_a_simultaneous_level_shares_the_error():
    assert intervals.simultaneous(0.95, 10) == pytest.approx(0.995)
    assert intervals.simultaneous(0.95, 0) == pytest.approx(0.95)


@pytest.mark.parametrize("sample", [(1, 0), (3, 2), (-1, 5)])
def test_impossible_counts_are_refused(sample):
    with pytest.raises(ValueError, match="successes"):
        intervals.wilson(*sample)
