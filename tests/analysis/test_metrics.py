"""Metrics against scikit-learn and against DeLong's method written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn import metrics as sk

from apps.analysis import performance
from apps.analysis.cells import Counts
from apps.analysis.errors import InputError
from apps.analysis.metrics import RATES, confusion_metrics
from tests.analysis.tables import results

COUNTS = st.builds(
    Counts, tn=st.integers(0, 500), fp=st.integers(0, 500), fn=st.integers(0, 500), tp=st.integers(0, 500)
)


def overall(columns, **more):
    return performance.report(columns, "y", "p", "s", **more)["overall"]["metrics"]


@pytest.mark.parametrize("ties", [None, 7, 2])
def test_values_are_those_of_scikit_learn(ties):
    columns = results(4000, seed=3, ties=ties)
    y, p, s = (np.array(columns[name]) for name in ("y", "p", "s"))
    expected = {
        "accuracy": sk.accuracy_score(y, p),
        "balanced_accuracy": sk.balanced_accuracy_score(y, p),
        "tpr": sk.recall_score(y, p),
        "tnr": sk.recall_score(y, p, pos_label=0),
        "ppv": sk.precision_score(y, p),
        "npv": sk.precision_score(y, p, pos_label=0),
        "f1": sk.f1_score(y, p),
        "mcc": sk.matthews_corrcoef(y, p),
        "auc": sk.roc_auc_score(y, s),
        "brier": sk.brier_score_loss(y, s),
        "log_loss": sk.log_loss(y, s),
    }
    found = overall(columns)
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-9), name
        assert found[name]["low"] < value < found[name]["high"], name


def test_calibration_error_and_gap_are_the_plain_sums():
    columns = results(3000, seed=4)
    y, s = np.array(columns["y"]), np.array(columns["s"])
    bins = np.minimum((s * 10).astype(int), 9)
    ece = sum(abs(s[bins == b].sum() - y[bins == b].sum()) for b in range(10)) / len(y)
    found = overall(columns)
    assert found["ece"]["value"] == pytest.approx(ece, abs=1e-9)
    assert found["calibration_gap"]["value"] == pytest.approx(s.mean() - y.mean(), abs=1e-9)
    assert found["calibration_gap"]["error"] == pytest.approx((s - y).std(ddof=1) / np.sqrt(len(y)), rel=1e-6)
    assert found["brier"]["error"] == pytest.approx(((s - y) ** 2).std(ddof=1) / np.sqrt(len(y)), rel=1e-6)


def delong_error(y, s):
    """DeLong, DeLong and Clarke-Pearson 1988 by mid-ranks."""
    positives, negatives = s[y == 1], s[y == 0]
    m, n = len(positives), len(negatives)
    ranks = rankdata(np.r_[positives, negatives])
    v10 = (ranks[:m] - rankdata(positives)) / n
    v01 = 1 - (ranks[m:] - rankdata(negatives)) / m
    return np.sqrt(v10.var(ddof=1) / m + v01.var(ddof=1) / n)


@pytest.mark.parametrize("ties", [None, 12])
def test_the_error_of_the_auc_is_delongs(ties):
    columns = results(1500, seed=5, ties=ties)
    expected = delong_error(np.array(columns["y"]), np.array(columns["s"]))
    assert overall(columns)["auc"]["error"] == pytest.approx(expected, rel=1e-12)


@given(COUNTS)
@settings(max_examples=300)
def test_every_interval_holds_its_value_and_its_range(counts):
    for name, estimate in confusion_metrics(counts).items():
        if estimate.value is None:
            assert estimate.reason
            continue
        if estimate.low is None:
            assert name == "mcc"
            assert estimate.reason
            continue
        floor = -1 if name == "mcc" else 0
        assert floor <= estimate.low <= estimate.value + 1e-12, name
        assert estimate.value - 1e-12 <= estimate.high <= 1, name


@given(COUNTS)
def test_complements_add_to_one(counts):
    found = confusion_metrics(counts)
    for a, b in (("tpr", "fnr"), ("tnr", "fpr"), ("ppv", "fdr"), ("npv", "for")):
        if found[a].value is not None:
            assert found[a].value + found[b].value == pytest.approx(1)
            assert found[a].low + found[b].high == pytest.approx(1)


def test_the_interval_of_mcc_covers_as_it_says():
    rng = np.random.default_rng(11)
    shares = np.array([0.5, 0.1, 0.1, 0.3])
    truth = confusion_metrics(Counts(*(int(x) for x in shares * 10**6)))["mcc"].value
    drawn = [confusion_metrics(Counts(*map(int, rng.multinomial(300, shares))))["mcc"] for _ in range(1000)]
    covered = sum(e.low <= truth <= e.high for e in drawn) / len(drawn)
    assert 0.93 <= covered <= 0.97


def test_one_class_only_gives_reasons_not_numbers():
    found = overall({"y": [1, 1, 1], "p": [1, 1, 0], "s": [0.9, 0.8, 0.4]})
    assert found["tpr"]["value"] == pytest.approx(2 / 3)
    for name in ("tnr", "fpr", "auc", "balanced_accuracy", "mcc"):
        assert found[name]["value"] is None, name
        assert found[name]["reason"], name


def test_no_positive_label_at_all_is_computed():
    found = overall({"y": [0, 0], "p": [0, 0], "s": [0.1, 0.2]})
    assert found["tpr"]["reason"] == "no positive case"
    assert found["accuracy"]["value"] == 1


def test_perfect_separation_has_an_honest_interval():
    found = overall({"y": [0] * 10 + [1] * 10, "p": [0] * 10 + [1] * 10, "s": [0.1] * 10 + [0.9] * 10})
    assert found["auc"]["value"] == 1
    assert found["auc"]["low"] == pytest.approx(0.7225, abs=1e-3)
    assert found["mcc"]["value"] == 1
    assert found["mcc"]["low"] is None


def test_a_threshold_makes_the_prediction():
    columns = results(500)
    by_threshold = performance.report(columns, "y", None, "s", threshold=0.5)
    columns["q"] = [int(score >= 0.5) for score in columns["s"]]
    by_column = performance.report(columns, "y", "q", "s")
    assert by_threshold["overall"] == by_column["overall"]
    assert by_threshold["cells_digest"] == by_column["cells_digest"]


def test_regression_values_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y = rng.normal(10, 3, 500)
    p = y + rng.normal(0.2, 1, 500)
    found = performance.report({"y": y, "p": p}, "y", "p", task="regression")["overall"]["metrics"]
    assert found["mae"]["value"] == pytest.approx(sk.mean_absolute_error(y, p))
    assert found["rmse"]["value"] == pytest.approx(sk.root_mean_squared_error(y, p))
    assert found["r2"]["value"] == pytest.approx(sk.r2_score(y, p))
    assert found["mean_error"]["value"] == pytest.approx((p - y).mean())
    assert all(e["low"] < e["value"] < e["high"] for e in found.values())


@pytest.mark.parametrize(
    ("columns", "more", "sentence"),
    [
        ({"y": [0, 1, None], "p": [0, 1, 1]}, {}, "label column “y” is empty in 1 of 3 rows"),
        ({"y": [0, 1, 2], "p": [0, 1, 1]}, {}, "not binary"),
        ({"y": [0, 1], "p": ["no", "yes"]}, {}, "do not use the same two values"),
        ({"y": ["a", "b"], "p": ["a", "b"]}, {}, "hold the positive value 1"),
        (
            {"y": [0, 1], "p": [0, 1], "s": [0.5, float("nan")]},
            {"score": "s"},
            "missing or not a number in 1 of 2",
        ),
        ({"y": [0, 1], "p": [0, 1], "s": [0.5, float("inf")]}, {"score": "s"}, "missing or not a number"),
        ({"y": [0, 1], "p": [0, 1], "s": ["0.5", "high"]}, {"score": "s"}, "missing or not a number"),
        ({"y": [0, 1], "p": [0, 1], "s": [0.5, 1.5]}, {"score": "s"}, "outside 0 to 1 in 1 rows"),
        ({"y": [], "p": []}, {}, "no rows"),
        ({"y": [0, 1]}, {"prediction": None}, "Name a prediction column"),
        ({"y": [0, 1], "p": [0, 1]}, {"task": "forecast"}, "binary or regression"),
        (
            {"y": ["x", "1"], "p": [0, 1]},
            {"task": "regression"},
            "label column “y” is missing or not a number",
        ),
    ],
)
def test_bad_input_is_one_sentence(columns, more, sentence):
    arguments = {"prediction": "p"} | more
    with pytest.raises(InputError, match=sentence):
        performance.report(columns, "y", **arguments)


def test_every_rate_has_a_name_in_words():
    assert all(words[0].isupper() for _, _, words, _ in RATES.values())
