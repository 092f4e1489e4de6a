"""Weighted and clustered rows against statsmodels, Kish's formula, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from apps.analysis import fairness, intervals, performance
from apps.analysis.survey import Design, ratio_of
from tests.analysis.tables import results, shuffled


def clustered(n=900, seed=4, size=3):
    columns = results(n, seed=seed)
    rng = np.random.default_rng(seed)
    columns["who"] = (np.arange(n) // size).tolist()
    columns["w"] = rng.choice([0.5, 1.0, 2.0, 3.25], n).tolist()
    return columns


def cluster_fit(values, weights, units):
    """Mean and its error as an intercept with statsmodels' cluster-robust covariance (m/(m-1) correction)."""
    fitted = sm.WLS(values, np.ones(len(values)), weights=weights).fit(
        cov_type="cluster", cov_kwds={"groups": units}
    )
    return float(fitted.params[0]), float(fitted.bse[0])


@pytest.mark.parametrize(("weight", "entity"), [(None, "who"), ("w", "who"), ("w", None)])
def test_values_and_errors_are_statsmodels_with_robust_covariance(weight, entity):
    columns = clustered()
    found = performance.report(columns, "y", "p", "s", weight=weight, entity=entity)["overall"]["metrics"]
    y, p, s = (np.array(columns[c], dtype=float) for c in "yps")
    weights = np.array(columns["w"]) if weight else np.ones(len(y))
    units = np.array(columns["who"]) if entity else np.arange(len(y))
    expected = {
        "selection_rate": (p, y >= 0),
        "tpr": (p, y == 1),
        "fpr": (p, y == 0),
        "ppv": (y, p == 1),
        "accuracy": ((y == p).astype(float), y >= 0),
        "brier": ((s - y) ** 2, y >= 0),
        "calibration_gap": (s - y, y >= 0),
    }
    for name, (values, rows) in expected.items():
        value, error = cluster_fit(values[rows], weights[rows], units[rows])
        assert found[name]["value"] == pytest.approx(value, abs=1e-12), name
        assert found[name]["error"] == pytest.approx(error, rel=1e-9), name
        assert found[name]["df"] == len(np.unique(units[rows])) - 1
        assert found[name]["low"] < value < found[name]["high"]


def test_the_calibration_line_is_statsmodels():
    columns = clustered()
    y, s, weights = (np.array(columns[c], dtype=float) for c in ("y", "s", "w"))
    x = np.log(s / (1 - s))
    plain = performance.report(columns, "y", "p", "s")["overall"]["metrics"]
    both = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit(tol=1e-12)
    large = sm.GLM(y, np.ones(len(y)), offset=x, family=sm.families.Binomial()).fit(tol=1e-12)
    assert plain["calibration_slope"]["value"] == pytest.approx(both.params[1], abs=1e-9)
    assert plain["calibration_slope"]["error"] == pytest.approx(both.bse[1], rel=1e-9)
    assert plain["calibration_intercept"]["value"] == pytest.approx(large.params[0], abs=1e-9)
    assert plain["calibration_intercept"]["error"] == pytest.approx(large.bse[0], rel=1e-9)
    heavy = performance.report(columns, "y", "p", "s", weight="w", entity="who")["overall"]["metrics"]
    weighted = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial(), freq_weights=weights).fit(
        tol=1e-12
    )
    assert heavy["calibration_slope"]["value"] == pytest.approx(weighted.params[1], abs=1e-9)
    slope = sm.GLM(y, sm.add_constant(x), family=sm.families.Binomial()).fit(
        tol=1e-12, cov_type="cluster", cov_kwds={"groups": np.array(columns["who"]), "use_correction": False}
    )
    units = performance.report(columns, "y", "p", "s", entity="who")["overall"]["metrics"]
    correction = np.sqrt(300 / 299)
    assert units["calibration_slope"]["error"] == pytest.approx(slope.bse[1] * correction, rel=1e-7)


def test_effective_n_is_kishs():
    # Kish 1965: (sum w)^2 / sum w^2.
    assert Design(np.array([1.0, 1.0, 1.0, 2.0]), np.arange(4)).kish() == pytest.approx(25 / 7)
    assert Design(np.ones(6), np.array([0, 0, 0, 1, 2, 2])).kish() == pytest.approx(36 / 14)
    estimate, _ = ratio_of(np.zeros(4), np.array([1.0, 1.0, 1.0, 2.0]), 4, 0.95, "")
    assert estimate.n_effective == pytest.approx(25 / 7)
    assert estimate.low == 0


def test_few_entities_use_t():
    columns = {"y": [1, 0, 1, 1, 0, 1], "p": [1, 1, 0, 1, 0, 1], "who": [1, 1, 2, 2, 3, 3]}
    found = performance.report(columns, "y", "p", entity="who")["overall"]["metrics"]["accuracy"]
    assert (found["df"], found["entities"]) == (2, 3)
    assert intervals.t_value(2) == pytest.approx(4.302652729696142)
    assert found["high"] - found["low"] > 0.7
    single = performance.report(columns | {"who": [1] * 6}, "y", "p", entity="who")["overall"]["metrics"]
    assert single["accuracy"]["reason"] == "no interval from a single entity"


@given(st.integers(0, 10**6), st.integers(6, 40))
@settings(max_examples=12, deadline=None)
def test_a_weight_is_the_same_as_so_many_copies_of_one_entity(seed, n):
    columns = results(n, seed=seed)
    times = np.random.default_rng(seed).integers(1, 5, n)
    weighted = columns | {"w": times.tolist(), "id": list(range(n))}
    copied = {name: np.repeat(np.array(values), times).tolist() for name, values in weighted.items()}
    one = performance.report(weighted, "y", "p", "s", weight="w", entity="id")["overall"]["metrics"]
    many = performance.report(copied, "y", "p", "s", entity="id")["overall"]["metrics"]
    plain = performance.report(copied, "y", "p", "s")["overall"]["metrics"]
    for name, estimate in one.items():
        if estimate["value"] is None:
            assert plain[name]["value"] is None, name
            continue
        assert estimate["value"] == pytest.approx(many[name]["value"], abs=1e-9), name
        assert estimate["value"] == pytest.approx(plain[name]["value"], abs=1e-7), name
        if estimate["error"] is not None and name != "ece":
            assert estimate["error"] == pytest.approx(many[name]["error"], rel=1e-6, abs=1e-12), name


def test_order_of_rows_changes_no_byte_of_a_weighted_report():
    columns = clustered()
    arguments = {"weight": "w", "entity": "who", "intersections": True}
    first = fairness.report(columns, "y", "p", "s", ["race", "sex"], **arguments)
    second = fairness.report(shuffled(columns), "y", "p", "s", ["race", "sex"], **arguments)
    assert first == second


def test_the_names_of_entities_and_groups_do_not_matter():
    columns = clustered()
    renamed = columns | {"who": [f"p{(v * 7) % 1000}" for v in columns["who"]]}
    renamed["sex"] = ["zz" if v == "F" else "aa" for v in columns["sex"]]
    one = fairness.report(columns, "y", "p", "s", ["sex"], entity="who")["groupings"][0]["groups"][0]
    two = fairness.report(renamed, "y", "p", "s", ["sex"], entity="who")["groupings"][0]["groups"][1]
    for name, estimate in one["metrics"].items():
        for key in ("value", "low", "high"):
            if name != "ece":
                assert two["metrics"][name][key] == pytest.approx(estimate[key], rel=1e-9), name


def covered(entities, seed, runs):
    """Share of runs whose clustered and naive intervals of a rate hold the truth 0.3, entities of 8 alike rows."""
    rng = np.random.default_rng(seed)
    held = naive = 0
    for _ in range(runs):
        rate = rng.beta(1.5, 3.5, entities)
        rows = rng.random((entities, 8)) < rate[:, None]
        hits = rows.sum(axis=1).astype(float)
        estimate, _ = ratio_of(hits, np.full(entities, 8.0), rows.size, 0.95, "")
        held += estimate.low <= 0.3 <= estimate.high
        low, high = intervals.wilson(hits.sum(), rows.size)
        naive += low <= 0.3 <= high
    return held / runs, naive / runs


@pytest.mark.parametrize("entities", [10, 40])
def test_clustered_intervals_cover_where_plain_ones_do_not(entities):
    held, naive = covered(entities, 2, 800)
    assert 0.93 <= held <= 0.99
    assert naive < 0.85


@pytest.mark.soak
@pytest.mark.parametrize("entities", [5, 10, 20, 40, 100, 300])
def test_clustered_intervals_cover_whole(entities):
    held, _ = covered(entities, 7, 10_000)
    assert held >= 0.94
