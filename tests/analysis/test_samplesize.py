"""How many cases are enough: against statsmodels and the binomial distribution, and what cannot be planned for."""

from __future__ import annotations

import pytest
from scipy.stats import binom
from statsmodels.stats.power import normal_sample_size_one_tail
from statsmodels.stats.proportion import proportion_confint, samplesize_confint_proportion

from apps.analysis import intervals, samplesize
from apps.analysis.errors import InputError


@pytest.mark.parametrize(("p", "wanted"), [(0.85, 0.05), (0.5, 0.03), (0.02, 0.01), (0.0, 0.02), (1.0, 0.1)])
def test_the_half_width_is_reached_and_one_case_less_does_not_reach_it(p, wanted):
    need = samplesize.for_half_width(p, wanted)

    def width(n: int) -> float:
        low, high = proportion_confint(p * n, n, method="wilson")
        return (high - low) / 2

    assert width(need.n) <= wanted < width(need.n - 1)
    assert need.reached == pytest.approx(width(need.n), abs=1e-12)


@pytest.mark.parametrize(("p", "wanted"), [(0.85, 0.05), (0.5, 0.03), (0.2, 0.1)])
def test_the_formula_of_the_half_width_is_the_textbooks(p, wanted):
    assert samplesize.for_half_width(p, wanted).formula == pytest.approx(
        samplesize_confint_proportion(p, wanted), abs=1
    )


@pytest.mark.parametrize(
    ("p", "limit", "power", "direction"),
    [(0.9, 0.8, 0.8, "min"), (0.95, 0.9, 0.9, "min"), (0.1, 0.2, 0.8, "max"), (0.6, 0.5, 0.95, "min")],
)
def test_a_limit_is_shown_with_the_power_from_there_on(p, limit, power, direction):
    need = samplesize.to_show(p, limit, power, direction=direction)
    a, b = (p, limit) if direction == "min" else (1 - p, 1 - limit)

    def shown(n: int) -> float:
        """The chance that the lower end of Wilson's interval keeps the limit, by going through every count."""
        return sum(binom.pmf(k, n, a) for k in range(n + 1) if intervals.wilson(k, n)[0] >= b)

    assert need.reached == pytest.approx(shown(need.n), abs=1e-9)
    assert shown(need.n - 1) < power <= need.reached
    assert all(samplesize.exact_power(a, b, n) >= power for n in range(need.n, need.n + 60))
    spreads = (b * (1 - b)) ** 0.5, (a * (1 - a)) ** 0.5
    expected = normal_sample_size_one_tail(
        a - b, power, 0.025, std_null=spreads[0], std_alternative=spreads[1]
    )
    assert need.formula == pytest.approx(expected, abs=1)


def test_each_group_gets_enough_and_the_scarcest_one_sets_the_whole():
    need = samplesize.for_half_width(0.85, 0.05)
    spread = samplesize.per_subgroup(need, samplesize.shares_of("female = 20 %\nmale=0.8"))
    assert {name: one["n"] for name, one in spread["groups"].items()} == {"female": need.n, "male": need.n}
    assert spread["total"] == spread["groups"]["female"]["of_all"] == 5 * need.n
    assert samplesize.drawn(spread["total"], 0.25) == 20 * need.n
    assert samplesize.per_subgroup(need, {})["total"] == need.n


@pytest.mark.parametrize(
    ("ask", "said"),
    [
        (lambda: samplesize.for_half_width(1.2, 0.05), "between 0 and 1"),
        (lambda: samplesize.for_half_width(0.5, 0), "half width"),
        (lambda: samplesize.for_half_width(0.5, 1e-9), "More than"),
        (lambda: samplesize.to_show(0.8, 0.8), "no number of cases can show it"),
        (lambda: samplesize.to_show(0.7, 0.8), "no number of cases can show it"),
        (lambda: samplesize.to_show(0.9, 0.8, 1.0), "power"),
        (lambda: samplesize.to_show(0.9, float("nan")), "limit"),
        (lambda: samplesize.to_show(0.5000001, 0.5), "More than"),
        (lambda: samplesize.to_show(0.9, 0.8, direction="up"), "direction"),
        (lambda: samplesize.shares_of("female"), "name = share"),
        (lambda: samplesize.shares_of("a=0.5\na=0.5"), "once"),
        (lambda: samplesize.shares_of("a=nan"), "name = share"),
        (lambda: samplesize.per_subgroup(samplesize.Need(5, 0, 5, ""), {"a": 0.7, "b": 0.7}), "more than 1"),
        (lambda: samplesize.drawn(10, 0), "above 0"),
    ],
)
def test_what_cannot_be_planned_for_is_said(ask, said):
    with pytest.raises(InputError) as error:
        ask()
    assert said in str(error.value)
