"""The bias report against Fairlearn, and its verdicts."""

from __future__ import annotations

import json

import fairlearn.metrics as fl
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from sklearn import metrics as sk
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import confint_proportions_2indep, proportions_ztest

from apps.analysis import fairness
from apps.analysis.disparities import BREACHED, UNDECIDED, WITHIN, Limit, failing, judge_pair
from apps.analysis.errors import InputError
from apps.analysis.jsonform import to_json
from tests.analysis.tables import results

COLUMNS = results(6000, seed=8)
FRAME = pd.DataFrame(COLUMNS)
REPORT = fairness.report(COLUMNS, "y", "p", "s", ["race", "sex"], intersections=True)


def grouping(report, *attributes):
    return next(g for g in report["groupings"] if g["attributes"] == list(attributes))


def disparity(report, name, *attributes):
    return next(d for d in grouping(report, *attributes)["disparities"] if d["metric"] == name)


@pytest.mark.parametrize("attributes", [("race",), ("sex",), ("race", "sex")])
def test_rates_per_group_are_fairlearns(attributes):
    names = {
        "selection_rate": fl.selection_rate,
        "tpr": fl.true_positive_rate,
        "fpr": fl.false_positive_rate,
        "tnr": fl.true_negative_rate,
        "fnr": fl.false_negative_rate,
        "accuracy": sk.accuracy_score,
        "ppv": sk.precision_score,
    }
    expected = fl.MetricFrame(
        metrics=names, y_true=FRAME.y, y_pred=FRAME.p, sensitive_features=FRAME[list(attributes)]
    ).by_group
    groups = grouping(REPORT, *attributes)["groups"]
    assert len(groups) == len(expected)
    for group in groups:
        key = tuple(group["values"][a] for a in attributes)
        row = expected.loc[key if len(key) > 1 else key[0]]
        for name in names:
            assert group["metrics"][name]["value"] == pytest.approx(row[name], abs=1e-12)


@pytest.mark.parametrize("attributes", [("race",), ("sex",), ("race", "sex")])
def test_scores_per_group_are_scikit_learns(attributes):
    for group in grouping(REPORT, *attributes)["groups"]:
        chosen = FRAME[np.all([FRAME[a] == v for a, v in group["values"].items()], axis=0)]
        for name, metric in (
            ("auc", sk.roc_auc_score),
            ("brier", sk.brier_score_loss),
            ("log_loss", sk.log_loss),
        ):
            expected = metric(chosen.y, chosen.s)
            assert group["metrics"][name]["value"] == pytest.approx(expected, abs=1e-9), name


@pytest.mark.parametrize("attributes", [("race",), ("sex",), ("race", "sex")])
def test_disparities_are_fairlearns(attributes):
    expected = {
        "demographic_parity_difference": fl.demographic_parity_difference,
        "demographic_parity_ratio": fl.demographic_parity_ratio,
        "equalised_odds_difference": fl.equalized_odds_difference,
        "equalised_odds_ratio": fl.equalized_odds_ratio,
        "equal_opportunity_difference": fl.equal_opportunity_difference,
        "equal_opportunity_ratio": fl.equal_opportunity_ratio,
    }
    for name, metric in expected.items():
        value = metric(FRAME.y, FRAME.p, sensitive_features=FRAME[list(attributes)])
        found = disparity(REPORT, name, *attributes)
        assert found["value"] == pytest.approx(value, abs=1e-12), name
        assert found["low"] <= value <= found["high"], name


def share_of_false_negatives(y, p):
    """Treatment equality (Berk and others 2018): false negatives among all errors."""
    wrong = np.asarray(y) != np.asarray(p)
    return float((np.asarray(y)[wrong] == 1).mean())


@pytest.mark.parametrize("attributes", [("race",), ("sex",), ("race", "sex")])
def test_every_other_disparity_is_the_spread_of_a_metric_frame(attributes):
    """What Fairlearn has no function of its own for is the difference or ratio between groups of its metric frame."""
    of_answers = {
        "predictive_equality": fl.false_positive_rate,
        "predictive_parity": sk.precision_score,
        "negative_predictive_parity": lambda y, p: sk.precision_score(y, p, pos_label=0),
        "accuracy": sk.accuracy_score,
        "treatment_equality": share_of_false_negatives,
    }
    of_scores = {
        "auc": sk.roc_auc_score,
        "brier": sk.brier_score_loss,
        "calibration_gap": lambda y, s: float(np.mean(s) - np.mean(y)),
        "calibration_slope": lambda y, s: calibration_line(y, s)[0],
        "calibration_intercept": lambda y, s: calibration_line(y, s)[1],
    }
    told = {d["metric"] for d in grouping(REPORT, *attributes)["disparities"]}
    for metrics, answers in ((of_answers, FRAME.p), (of_scores, FRAME.s)):
        frame = fl.MetricFrame(
            metrics=metrics, y_true=FRAME.y, y_pred=answers, sensitive_features=FRAME[list(attributes)]
        )
        for name, value in frame.difference(method="between_groups").items():
            found = disparity(REPORT, f"{name}_difference", *attributes)
            assert found["value"] == pytest.approx(value, abs=1e-9), name
            assert found["low"] <= value <= found["high"], name
            told.discard(f"{name}_difference")
        for name, value in frame.ratio(method="between_groups").items():
            if f"{name}_ratio" in told:
                found = disparity(REPORT, f"{name}_ratio", *attributes)
                assert found["value"] == pytest.approx(value, abs=1e-12), name
                told.discard(f"{name}_ratio")
    assert {name.rsplit("_", 1)[0] for name in told} == {  # held against Fairlearn's own functions above
        "demographic_parity",
        "equal_opportunity",
        "equalised_odds",
    }


def calibration_line(y, s):
    """(slope, intercept in the large) by statsmodels."""
    x = np.log(s / (1 - s))
    family = sm.families.Binomial()
    slope = sm.GLM(y, sm.add_constant(x), family=family).fit(tol=1e-12).params[1]
    return float(slope), float(sm.GLM(y, np.ones(len(y)), offset=x, family=family).fit(tol=1e-12).params[0])


@pytest.mark.parametrize("attributes", [("race",), ("race", "sex")])
def test_the_p_values_of_all_pairs_are_statsmodels_with_holm(attributes):
    group = grouping(REPORT, *attributes)
    lines = next(c for c in group["comparisons"] if c["metric"] == "selection_rate")
    chosen = {g["name"]: g["counts"] for g in group["groups"]}
    tests = []
    for pair in lines["pairs"]:
        hits, sizes = zip(
            *((c["fp"] + c["tp"], sum(c.values())) for c in (chosen[pair["a"]], chosen[pair["b"]])),
            strict=True,
        )
        tests.append(proportions_ztest(hits, sizes)[1])
        low, high = confint_proportions_2indep(
            hits[0], sizes[0], hits[1], sizes[1], method="newcomb", compare="diff", alpha=1 - lines["level"]
        )
        assert (pair["difference"]["low"], pair["difference"]["high"]) == pytest.approx((low, high), abs=1e-9)
    assert [pair["p"] for pair in lines["pairs"]] == pytest.approx(tests, rel=1e-9)
    assert [pair["p_holm"] for pair in lines["pairs"]] == pytest.approx(
        multipletests(tests, method="holm")[1], rel=1e-9
    )


def test_the_parts_of_the_report_fit_together():
    assert sum(g["n"] for g in grouping(REPORT, "race")["groups"]) == REPORT["n"] == 6000
    for group in grouping(REPORT, "race", "sex")["groups"]:
        assert sum(group["counts"].values()) == group["n"]
        assert sum(b["n"] for b in group["calibration"]) == group["n"]
    pairs = next(c for c in grouping(REPORT, "race")["comparisons"] if c["metric"] == "tpr")
    assert len(pairs["pairs"]) == 6
    assert pairs["level"] == pytest.approx(1 - 0.05 / 6)
    assert all(pair["p_holm"] >= pair["p"] for pair in pairs["pairs"])


def test_the_same_input_gives_the_same_bytes():
    again = fairness.report(COLUMNS, "y", "p", "s", ["race", "sex"], intersections=True)
    assert to_json(again) == to_json(REPORT)
    assert json.loads(to_json(REPORT)) == REPORT


@pytest.mark.parametrize(
    ("rule", "value", "low", "high", "verdict"),
    [
        ("point", 0.05, -0.2, 0.3, WITHIN),
        ("point", 0.15, -0.2, 0.5, BREACHED),
        ("near", 0.05, -0.2, 0.3, WITHIN),
        ("near", 0.15, 0.05, 0.25, UNDECIDED),
        ("near", 0.15, 0.12, 0.18, BREACHED),
        ("far", 0.05, 0.02, 0.08, WITHIN),
        ("far", 0.05, -0.2, 0.08, UNDECIDED),
        ("far", 0.15, 0.05, 0.25, UNDECIDED),
        ("far", 0.15, 0.12, 0.18, BREACHED),
        ("near", 0.05, None, None, UNDECIDED),
    ],
)
def test_the_rule_says_which_end_counts_for_a_difference(rule, value, low, high, verdict):
    limit = Limit("demographic_parity_difference", 0.1, rule)
    assert judge_pair(limit, {"value": value, "low": low, "high": high}) == verdict


@pytest.mark.parametrize(
    ("rule", "value", "low", "high", "verdict"),
    [
        ("point", 0.79, 0.5, 1.2, BREACHED),
        ("point", 0.81, 0.5, 1.2, WITHIN),
        ("near", 0.7, 0.6, 0.9, UNDECIDED),
        ("near", 0.7, 0.6, 0.79, BREACHED),
        ("near", 0.85, 0.7, 1.1, WITHIN),
        ("far", 0.9, 0.85, 0.95, WITHIN),
        ("far", 0.9, 0.75, 1.1, UNDECIDED),
        ("far", 0.95, 0.85, 1.4, UNDECIDED),
        ("far", 0.7, 0.6, 0.79, BREACHED),
    ],
)
def test_the_rule_says_which_end_counts_for_a_ratio(rule, value, low, high, verdict):
    limit = Limit("demographic_parity_ratio", 0.8, rule)
    assert judge_pair(limit, {"value": value, "low": low, "high": high}) == verdict


def cases(sizes):
    """Columns of two or more groups: {name: (n, selected)}; every label equals its prediction."""
    g, p = [], []
    for name, (n, selected) in sizes.items():
        g += [name] * n
        p += [1] * selected + [0] * (n - selected)
    return {"g": g, "y": p, "p": p}


def judged(sizes, **limit):
    limit = {"metric": "disparate_impact", "limit": 0.8} | limit
    report = fairness.report(cases(sizes), "y", "p", groups=["g"], limits=[limit])
    (outcome,) = report["groupings"][0]["limits"]
    assert report["verdict"] == outcome["verdict"]
    return outcome


def test_a_shown_disparity_breaches_and_names_the_pair():
    outcome = judged({"a": (1000, 500), "b": (1000, 300)})
    assert outcome["verdict"] == BREACHED
    assert outcome["pairs"] == [["selection_rate", "g = a", "g = b"]]
    assert failing([outcome], "selection_rate") == ["g = b"]
    assert failing([outcome], "tpr") == []
    assert outcome["sentence"].startswith(
        "Limit breached: the ratio of the selection rate between g = a and g = b is 0.600 ("
    )


def test_equal_groups_are_within():
    assert judged({"a": (1000, 500), "b": (1000, 500)}, rule="far")["verdict"] == WITHIN


def test_a_disparity_that_chance_explains_is_too_little_data():
    assert judged({"a": (40, 20), "b": (40, 14)})["verdict"] == UNDECIDED


def test_a_group_of_three_rows_is_shown_but_not_judged_and_leaves_the_verdict_open():
    outcome = judged({"a": (1000, 500), "b": (1000, 500), "c": (3, 0)})
    assert outcome["verdict"] == UNDECIDED
    assert outcome["too_few"] == ["g = c"]
    assert "fewer than 30 cases" in outcome["sentence"]


def test_a_small_group_does_not_hide_a_breach_between_large_ones():
    assert judged({"a": (1000, 500), "b": (1000, 300), "c": (3, 0)})["verdict"] == BREACHED


def test_a_single_group_cannot_be_judged():
    outcome = judged({"a": (1000, 500)})
    assert outcome["verdict"] == UNDECIDED
    assert "no two groups" in outcome["sentence"]


def test_nobody_selected_anywhere_is_equal():
    outcome = judged(
        {"a": (100, 0), "b": (100, 0)}, metric="demographic_parity_difference", limit=0.1, rule="point"
    )
    assert outcome["verdict"] == WITHIN
    assert judged({"a": (100, 0), "b": (100, 0)}, rule="point")["verdict"] == WITHIN


def test_a_fair_model_is_seldom_accused():
    """Six groups, all selected at the same rate: a simultaneous 95 % verdict may err in about 5 of 100 tables."""
    rng = np.random.default_rng(5)
    sizes = [1500, 900, 300, 150, 100, 50]
    accused = 0
    for _ in range(200):
        counts = {str(i): (n, int(rng.binomial(n, 0.3))) for i, n in enumerate(sizes)}
        outcome = judged(counts, metric="demographic_parity_difference", limit=0.0)
        accused += outcome["verdict"] == BREACHED
    assert accused <= 18


def test_missing_group_values_are_a_group_of_their_own():
    columns = {"g": ["a", None, "", "a"], "y": [0, 1, 0, 1], "p": [0, 1, 1, 1]}
    names = [
        (g["name"], g["n"])
        for g in fairness.report(columns, "y", "p", groups=["g"])["groupings"][0]["groups"]
    ]
    assert names == [("g = (missing)", 2), ("g = a", 2)]


def test_another_positive_value_swaps_the_roles():
    columns = cases({"a": (10, 3), "b": (10, 4)})
    columns["y"] = columns["p"] = ["yes" if v else "no" for v in columns["p"]]
    report = fairness.report(columns, "y", "p", groups=["g"], positive="no")
    assert report["inputs"]["negative"] == "yes"
    assert report["overall"]["metrics"]["selection_rate"]["value"] == pytest.approx(13 / 20)


def test_booleans_have_true_as_positive():
    columns = {"g": ["a", "b"], "y": [True, False], "p": [True, True]}
    assert fairness.report(columns, "y", "p", groups=["g"])["inputs"]["positive"] == "true"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"groups": []}, "at least one group column"),
        ({"groups": ["sex", "sex"]}, "named twice"),
        ({"groups": ["age"]}, "no column “age”"),
        ({"groups": ["s"]}, "at most 60 groups"),
        ({"groups": ["sex"], "min_n": 0}, "minimum n"),
        ({"groups": ["sex"], "limits": [{"metric": "x", "limit": 1}]}, "no disparity “x”"),
        ({"groups": ["sex"], "limits": [{"metric": "disparate_impact"}]}, "a metric and a number"),
        ({"groups": ["sex"], "limits": [{"metric": "disparate_impact", "limit": 2}]}, "between 0 and 1"),
        (
            {"groups": ["sex"], "limits": [{"metric": "disparate_impact", "limit": 0.8, "rule": "best"}]},
            "point, near or far",
        ),
        ({"groups": ["sex"], "limits": [{"metric": "auc_difference", "limit": 0.1}]}, "needs a score column"),
    ],
)
def test_bad_questions_are_one_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence):
        fairness.report(COLUMNS, "y", "p", **arguments)
