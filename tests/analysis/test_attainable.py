"""What a limit can show with the cases there are: from which value a breach, up to which the limit kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from apps.analysis import attainable, disparities, fairness, realfairness
from apps.analysis.disparities import Limit, judge_pair


def people(groups: int, each: int, rate: float = 0.3) -> dict[str, list]:
    """`groups` of `each` cases; in every one the same share is said to be positive."""
    said = ([1] * round(rate * each) + [0] * (each - round(rate * each))) * groups
    names = [f"g{i}" for i in range(groups) for _ in range(each)]
    return {"y": ([0, 1] * (each * groups))[: each * groups], "p": said, "site": names}


def limited(columns, **limit) -> dict:
    found = fairness.report(columns, "y", "p", None, ["site"], limits=[limit])
    return found["groupings"][0]["limits"][0]


def test_the_level_that_holds_for_all_pairs_is_told_and_widens_what_cannot_be_shown():
    few = limited(people(2, 200), metric="demographic_parity_difference", limit=0.1)
    many = limited(people(6, 200), metric="demographic_parity_difference", limit=0.1)
    assert (few["attainable"]["comparisons"], many["attainable"]["comparisons"]) == (1, 15)
    assert many["attainable"]["level"] == pytest.approx(1 - 0.05 / 15)
    assert many["attainable"]["breach_from"] > few["attainable"]["breach_from"] > 0.1
    assert few["sentence"].endswith("(interval at 95 %).")
    assert "(interval at 99.67 %, which holds for all 15 comparisons together)" in many["sentence"]
    assert f"a breach shows from about {many['attainable']['breach_from']:.3f} on" in many["sentence"]
    assert few["attainable"]["kept_up_to"] == ""


def test_a_limit_that_not_even_equal_groups_could_show_as_kept_says_so():
    found = limited(people(2, 60), metric="demographic_parity_difference", limit=0.1, rule="far")
    assert (found["verdict"], found["attainable"]["kept_up_to"]) == ("undecided", None)
    assert "and not even equal groups would show the limit kept" in found["sentence"]
    enough = limited(people(2, 4000), metric="demographic_parity_difference", limit=0.1, rule="far")
    assert enough["verdict"] == "within"
    assert 0 < enough["attainable"]["kept_up_to"] < 0.1
    assert f"the limit kept up to about {enough['attainable']['kept_up_to']:.3f}" in enough["sentence"]


def test_a_ratio_and_a_number_with_its_unit():
    found = limited(people(2, 400), metric="demographic_parity_ratio", limit=0.8, rule="far")
    assert found["attainable"]["breach_from"] < 0.8
    assert "a breach shows below about" in found["sentence"]
    rng = np.random.default_rng(4)
    y = rng.normal(0, 1, 300)
    columns = {"y": y.tolist(), "p": (y + rng.normal(0.1, 1, 300)).tolist(), "site": ["a", "b", "c"] * 100}
    limit = {"metric": "mae_difference", "limit": 0.5, "unit": "mg/L"}
    told = realfairness.report(columns, "y", "p", ["site"], limits=[limit])["groupings"][0]["limits"][0]
    assert "limit at most 0.5 mg/L. With these cases a breach shows from about" in told["sentence"]
    assert "mg/L on (interval at 98.33 %" in told["sentence"]


def test_a_point_rule_and_a_limit_without_two_groups_tell_nothing():
    assert (
        limited(people(2, 100), metric="accuracy_difference", limit=0.5, rule="point")["attainable"] is None
    )
    assert limited(people(1, 100), metric="accuracy_difference", limit=0.5)["attainable"] is None


ends = st.tuples(st.floats(0.01, 0.9), st.floats(0.005, 0.4), st.floats(0.005, 0.4))


@given(ends, st.floats(0.01, 0.9), st.sampled_from(["near", "far"]))
def test_a_pair_moved_to_the_told_value_turns_the_verdict(pair, limit, rule):
    """Moved with its reach as it is, a pair shows the breach just beyond the value, and keeps the limit just within."""
    value, below, above = pair
    measured = {"value": value, "low": value - below, "high": value + above}
    found = attainable.attainable("difference", rule, limit, [measured], 0.95, bounded=False)
    one = Limit("mae_difference", limit, rule)

    def at(moved: float) -> str:
        return judge_pair(one, {"value": moved, "low": moved - below, "high": moved + above})

    assert at(found["breach_from"] + 1e-9) == disparities.BREACHED
    assert at(found["breach_from"] - 1e-9) != disparities.BREACHED
    if rule == "far" and found["kept_up_to"] is not None:
        kept = found["kept_up_to"]
        assume(kept > 1e-6 and abs(kept - 1e-9 - below) < kept + above)  # the farther end is the upper one
        assert at(kept - 1e-9) == disparities.WITHIN
        assert at(kept + 1e-9) == disparities.UNDECIDED
