"""Two versions on the same cases: published figures, statsmodels, DeLong written out; the threshold sweep."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata
from statsmodels.stats.contingency_tables import mcnemar

from apps.analysis import paired, performance, thresholds
from apps.analysis.errors import InputError
from tests.analysis.tables import results


def versions(n=600, seed=2):
    columns = results(n, seed=seed)
    rng = np.random.default_rng(seed)
    columns["s2"] = np.clip(np.array(columns["s"]) + rng.normal(0, 0.2, n), 0.001, 0.999).tolist()
    columns["p2"] = [int(s > 0.5) for s in columns["s2"]]
    columns["who"] = [i // 2 for i in range(n)]
    return columns


def test_fagerlands_published_p_values():
    # Fagerland, Lydersen, Laake 2013 (BMC Med Res Methodol 13:91), airway responsiveness: 1 and 7 discordant.
    assert round(paired.mcnemar_exact(1, 7), 4) == 0.0703
    assert round(paired.mcnemar_mid_p(1, 7), 4) == 0.0391


@given(st.integers(0, 200), st.integers(0, 200))
def test_the_exact_test_is_statsmodels(b, c):
    expected = mcnemar([[5, b], [c, 9]], exact=True).pvalue
    assert paired.mcnemar_exact(b, c) == pytest.approx(expected, abs=1e-9)
    assert 0 <= paired.mcnemar_mid_p(b, c) <= paired.mcnemar_exact(b, c) + 1e-12


# Newcombe 1998, Statistics in Medicine 17:2635, table II, method 10.
@pytest.mark.parametrize(
    ("table", "low", "high"),
    [((36, 12, 2, 0), 0.0569, 0.3404), ((54, 0, 0, 0), -0.0664, 0.0664)],
)
def test_newcombes_published_paired_intervals(table, low, high):
    found = paired.newcombe_paired(*table)
    assert found == pytest.approx((low, high), abs=6e-5)


def paired_delong(y, s1, s2):
    """DeLong 1988 for two correlated areas, by mid-ranks and the two covariance matrices."""
    m, n = int(y.sum()), int((1 - y).sum())
    v10, v01, areas = [], [], []
    for s in (s1, s2):
        positives, negatives = s[y == 1], s[y == 0]
        ranks = rankdata(np.r_[positives, negatives])
        v10.append((ranks[:m] - rankdata(positives)) / n)
        v01.append(1 - (ranks[m:] - rankdata(negatives)) / m)
        areas.append(v10[-1].mean())
    covariance = np.cov(v10) / m + np.cov(v01) / n
    return areas, np.sqrt(covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1])


def test_the_difference_of_areas_is_delongs():
    columns = versions()
    found = paired.report(columns, "y", "p", "p2", first_score="s", second_score="s2")["metrics"]["auc"]
    areas, error = paired_delong(*(np.array(columns[c]) for c in ("y", "s", "s2")))
    assert found["difference"]["value"] == pytest.approx(areas[1] - areas[0], abs=1e-12)
    assert found["difference"]["error"] == pytest.approx(error, rel=1e-9)


def test_the_same_version_twice_shows_nothing_and_exchange_turns_the_sign():
    columns = versions()
    same = paired.report(columns, "y", "p", "p", first_score="s", second_score="s")["metrics"]
    assert all(one["difference"]["value"] == 0 and one["p"] == 1 for one in same.values())
    ahead = paired.report(columns, "y", "p", "p2", first_score="s", second_score="s2")["metrics"]
    back = paired.report(columns, "y", "p2", "p", first_score="s2", second_score="s")["metrics"]
    for name, one in ahead.items():
        other = back[name]["difference"]
        assert one["difference"]["low"] == pytest.approx(-other["high"], abs=1e-12), name
        assert one["p"] == pytest.approx(back[name]["p"], abs=1e-12)
        assert one["p_holm"] >= one["p"]


def test_each_side_is_the_performance_report():
    columns = versions()
    found = paired.report(columns, "y", "p", "p2")["metrics"]
    alone = performance.report(columns, "y", "p2")["overall"]["metrics"]
    for name in found:
        assert found[name]["second"]["value"] == pytest.approx(alone[name]["value"], abs=1e-12)


def test_entities_are_kept_together():
    columns = {name: values * 2 for name, values in versions(300).items()}
    columns["who"] = list(range(300)) * 2
    once = paired.report({n: v[:300] for n, v in columns.items()}, "y", "p", "p2")["metrics"]["accuracy"]
    twice = paired.report(columns, "y", "p", "p2", entity="who")["metrics"]["accuracy"]
    naive = paired.report(columns, "y", "p", "p2")["metrics"]["accuracy"]
    assert twice["difference"]["df"] == 299
    assert twice["difference"]["value"] == pytest.approx(once["difference"]["value"])
    assert naive["p"] < twice["p"]


def test_no_difference_is_rarely_called_one():
    rng = np.random.default_rng(3)
    accused = 0
    for _ in range(400):
        b, c = rng.binomial(120, [0.15, 0.15])
        accused += paired.mcnemar_mid_p(int(b), int(c)) < 0.05
    assert accused <= 32


def test_one_score_alone_is_refused():
    with pytest.raises(InputError, match="both versions or of neither"):
        paired.report(versions(20), "y", "p", "p2", first_score="s")


def test_the_sweep_marks_the_locked_threshold_and_its_rates_are_the_reports():
    columns = results(800)
    report = thresholds.report(columns, "y", "s", locked=0.37)
    (point,) = [p for p in report["points"] if p["locked"]]
    assert point["threshold"] == 0.37
    alone = performance.report(columns, "y", None, "s", threshold=0.37)["overall"]
    assert point["counts"] == alone["counts"]
    assert all(point["metrics"][name] == alone["metrics"][name] for name in point["metrics"])
    rates = [p["metrics"]["selection_rate"]["value"] for p in report["points"]]
    assert len(rates) == 22
    assert rates == sorted(rates, reverse=True)
    with pytest.raises(InputError, match=r"between 0 and 1, not at 1\.5"):
        thresholds.report(columns, "y", "s", thresholds=[1.5])
