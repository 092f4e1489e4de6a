"""Drift against SciPy; bins, categories, missing values and schema; false alarms by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from apps.analysis import drift, shift
from apps.analysis.errors import InputError
from tests.analysis.tables import shuffled, write


def frames(n=3000, m=2000, seed=0, move=0.0):
    rng = np.random.default_rng(seed)
    old = {"x": rng.normal(size=n), "c": rng.choice(list("abc"), n), "k": rng.integers(0, 4, n)}
    new = {"x": rng.normal(move, size=m), "c": rng.choice(list("abc"), m), "k": rng.integers(0, 4, m)}
    return ({k: v.tolist() for k, v in side.items()} for side in (old, new))


def feature(report, name):
    return next(f for f in report["features"] if f["name"] == name)


def test_numbers_are_scipys():
    old, new = frames(move=0.2)
    found = feature(drift.report(old, new), "x")
    test = stats.ks_2samp(old["x"], new["x"], method="asymp")
    assert found["ks"] == pytest.approx(test.statistic, abs=1e-12)
    assert found["p"] == pytest.approx(test.pvalue, rel=1e-9)
    assert found["wasserstein"] == pytest.approx(stats.wasserstein_distance(old["x"], new["x"]), abs=1e-12)
    assert found["wasserstein_in_sd"] == pytest.approx(found["wasserstein"] / np.std(old["x"]))
    p, q = (np.array(found["bins"][side]) for side in ("baseline", "current"))
    assert p.sum() == 3000
    assert set(p.tolist()) == {300}  # ten bins of the baseline's own quantiles
    p, q = p / p.sum(), q / q.sum()
    assert found["psi"] == pytest.approx(((q - p) * np.log(q / p)).sum(), abs=1e-12)
    assert found["psi"] == pytest.approx(stats.entropy(q, p) + stats.entropy(p, q), abs=1e-12)
    assert found["jensen_shannon"] == pytest.approx(jensenshannon(p, q, 2), abs=1e-12)


def test_ties_and_few_rows_are_scipys():
    rng = np.random.default_rng(3)
    for _ in range(20):
        a, b = (np.sort(rng.integers(0, 5, rng.integers(1, 30)).astype(float)) for _ in range(2))
        statistic, p, distance = shift.kolmogorov_smirnov(a, b)
        test = stats.ks_2samp(a, b, method="asymp")
        assert statistic == pytest.approx(test.statistic, abs=1e-12)
        assert p == pytest.approx(test.pvalue, rel=1e-6)
        assert distance == pytest.approx(stats.wasserstein_distance(a, b), abs=1e-12)


def test_categories_are_scipys_and_new_ones_are_named():
    old, new = frames()
    new["c"] = ["d" if i < 40 else c for i, c in enumerate(new["c"])]
    old["c"][:10] = ["gone"] * 10
    report = drift.report(old, new)
    found = feature(report, "c")
    table = np.array([found["bins"]["baseline"], found["bins"]["current"]])
    test = stats.chi2_contingency(table, correction=False)
    assert found["categories"] == ["a", "b", "c", "d", "gone"]
    assert found["chi_square"] == pytest.approx(test.statistic, rel=1e-12)
    assert found["p"] == pytest.approx(test.pvalue, rel=1e-9)
    assert found["cramers_v"] == pytest.approx(stats.contingency.association(table, "cramer"), abs=1e-12)
    shares = table / table.sum(axis=1, keepdims=True)
    assert found["jensen_shannon"] == pytest.approx(jensenshannon(*shares, 2), abs=1e-12)
    assert found["new_categories"] == {"d": 40}
    assert found["new_rate"] == pytest.approx(0.02)
    assert found["gone_categories"] == ["gone"]
    assert feature(report, "k")["kind"] == "category"


def test_missing_values_have_a_rate_an_interval_and_a_test():
    old, new = frames()
    new["x"][:200] = [None] * 200
    new["c"][:100] = [""] * 100
    report = drift.report(old, new)
    missing = feature(report, "x")["missing"]
    assert (missing["baseline"], missing["current"]) == (0, 0.1)
    assert missing["difference"]["low"] < 0.1 < missing["difference"]["high"]
    assert missing["p_holm"] < 1e-9
    assert feature(report, "c")["missing"]["current"] == pytest.approx(0.05)
    assert feature(report, "c")["n"] == {"baseline": 3000, "current": 1900}
    assert feature(report, "x")["verdict"] == "stable"


def test_a_schema_that_changed_is_said():
    old, new = frames()
    old["gone"], new["fresh"] = [1] * 3000, [1] * 2000
    new["x"] = ["tall"] * 2000
    report = drift.report(old, new)
    assert report["schema_differences"] == {
        "only_in_baseline": ["gone"],
        "only_in_current": ["fresh"],
        "kind_changed": [{"name": "x", "baseline": "DOUBLE", "current": "VARCHAR"}],
    }
    assert feature(report, "x")["sentence"].startswith("Cannot be compared: number in the baseline")


@pytest.mark.parametrize(("move", "verdict"), [(0.0, "stable"), (0.35, "moderate"), (0.8, "large")])
def test_verdicts_follow_the_limits(move, verdict):
    old, new = frames(move=move)
    report = drift.report(old, new, columns=["x"])
    assert report["verdict"] == report["features"][0]["verdict"] == verdict


def test_few_rows_are_too_little_data_and_are_not_accused():
    old, new = frames(n=60, m=40, seed=1)
    found = feature(drift.report(old, new), "x")
    assert found["psi_without_drift"] > 0.2
    assert found["verdict"] == "undecided"
    assert found["sentence"].startswith("Too little data to tell")


def test_bins_come_from_the_baseline_alone():
    old, new = frames()
    edges = feature(drift.report(old, new), "x")["edges"]
    new["x"][0] = 1e9
    assert feature(drift.report(old, new), "x")["edges"] == edges


def test_row_order_and_file_format_change_nothing(tmp_path):
    old, new = frames()
    one = drift.report(old, new)
    two = drift.report(write(shuffled(old), tmp_path / "a.csv"), write(shuffled(new), tmp_path / "b.parquet"))
    for report in (one, two):
        del report["inputs"]["formats"]
        report["features"].sort(key=lambda f: f["name"])
    assert one == two


def test_infinite_values_are_counted_apart():
    old, new = frames()
    new["x"][:3] = [float("inf"), float("-inf"), float("nan")]
    found = feature(drift.report(old, new), "x")
    assert found["not_finite"] == {"baseline": 0, "current": 2}
    assert found["n"]["current"] == 1997


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"columns": ["age"]}, "no column “age”"),
        ({"bins": 1}, "2 to 100 bins"),
        ({"limits": drift.Limits(0.3, 0.2)}, "limits of PSI"),
    ],
)
def test_bad_questions_are_one_sentence(change, sentence):
    old, new = frames(20, 20)
    with pytest.raises(InputError, match=sentence):
        drift.report(old, new, **change)
    with pytest.raises(InputError, match="no column of one name"):
        drift.report({"a": [1]}, {"b": [1]})
    with pytest.raises(InputError, match="current table has a header but no rows"):
        drift.report({"a": [1]}, {"a": []})


def alarms(runs, seed):
    """(share of runs with any Holm p below 0.05, share of PSI beyond what it names as without drift)."""
    any_p = beyond = 0
    for i in range(runs):
        old, new = frames(n=400, m=300, seed=seed + i)
        report = drift.report(old, new)
        any_p += any(f["p_holm"] < 0.05 for f in report["features"])
        beyond += feature(report, "x")["psi"] > feature(report, "x")["psi_without_drift"]
    return any_p / runs, beyond / runs


def test_without_drift_there_are_few_alarms():
    any_p, beyond = alarms(30, 100)
    assert any_p <= 0.17
    assert beyond <= 0.2


@pytest.mark.soak
def test_without_drift_there_are_few_alarms_whole():
    any_p, beyond = alarms(2000, 10_000)
    assert any_p <= 0.05 + 0.01
    assert beyond <= 0.05 + 0.02
