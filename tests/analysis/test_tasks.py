"""Multi-class, regression and ranking against scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from apps.analysis import performance
from apps.analysis.classes import Classes, averages, metrics
from apps.analysis.errors import InputError
from tests.analysis.tables import results, shuffled

NAMES = ["low", "mid", "high"]


def three(n=700, seed=1):
    rng = np.random.default_rng(seed)
    y = rng.choice(3, n, p=[0.6, 0.3, 0.1])
    scores = rng.dirichlet([1, 1, 1], n) * 0.6
    scores[np.arange(n), y] += 0.4
    p = np.where(rng.random(n) < 0.7, y, rng.choice(3, n))
    columns = {
        "y": [NAMES[i] for i in y],
        "p": [NAMES[i] for i in p],
        "g": rng.choice(["a", "b"], n).tolist(),
    }
    return columns | {name: scores[:, i].tolist() for i, name in enumerate(NAMES)}


def multiclass(columns, **more):
    return performance.report(
        columns, "y", "p", task="multiclass", scores={name: name for name in NAMES}, **more
    )


def test_multiclass_values_are_scikit_learns_overall_and_per_group():
    columns = three()
    report = multiclass(columns, groups=["g"])
    groups = {"all": np.ones(700, bool)} | {f"g = {v}": np.array(columns["g"]) == v for v in "ab"}
    shown = {g["name"]: g for g in [report["overall"], *report["groupings"][0]["groups"]]}
    assert report["classes"] == sorted(NAMES)
    for name, rows in groups.items():
        y, p = np.array(columns["y"])[rows], np.array(columns["p"])[rows]
        found = shown[name]["metrics"]
        expected = {"accuracy": sk.accuracy_score(y, p), "mcc": sk.matthews_corrcoef(y, p)}
        expected["balanced_accuracy"] = sk.balanced_accuracy_score(y, p)
        for average in ("macro", "micro", "weighted"):
            scores = sk.precision_recall_fscore_support(y, p, average=average, zero_division=0)
            for metric, value in zip(("precision", "recall", "f1"), scores, strict=False):
                expected[f"{metric}_{average}"] = value
        matrix = np.column_stack([columns[c] for c in sorted(NAMES)])[rows]
        expected["log_loss"] = sk.log_loss(y, matrix, labels=sorted(NAMES))
        for metric, value in expected.items():
            assert found[metric]["value"] == pytest.approx(value, abs=1e-9), metric
            assert found[metric]["low"] < value < found[metric]["high"], metric
        assert shown[name]["confusion"] == sk.confusion_matrix(y, p, labels=sorted(NAMES)).tolist()
        for each in shown[name]["classes"]:
            score = np.array(columns[each["class"]])[rows]
            auc = sk.roc_auc_score(y == each["class"], score)
            assert each["metrics"]["auc"]["value"] == pytest.approx(auc, abs=1e-12)
            recall = sk.recall_score(y == each["class"], p == each["class"])
            assert each["metrics"]["tpr"]["value"] == pytest.approx(recall, abs=1e-12)


def test_the_jackknife_of_an_average_covers():
    rng = np.random.default_rng(5)
    shares = np.array([[0.4, 0.1, 0.02], [0.05, 0.2, 0.05], [0.03, 0.05, 0.1]])
    truth = averages(shares)["f1_macro"]
    held = 0
    for _ in range(150):
        cells = rng.multinomial(250, shares.ravel()).reshape(3, 3)
        y, p = (np.repeat(np.indices((3, 3))[i].ravel(), cells.ravel()) for i in (0, 1))
        estimate = metrics(Classes(["a", "b", "c"], y, p, None), np.arange(250), None, 0.95)["f1_macro"]
        held += estimate.low <= truth <= estimate.high
    assert 0.9 <= held / 150 <= 0.99


def test_multiclass_copies_of_an_entity_are_a_weight():
    columns = three(200)
    doubled = {name: values * 2 for name, values in columns.items()} | {"id": list(range(200)) * 2}
    one = multiclass(columns | {"w": [2.0] * 200, "id": list(range(200))}, weight="w", entity="id")
    two = multiclass(doubled, entity="id")
    for name, estimate in one["overall"]["metrics"].items():
        assert estimate["value"] == pytest.approx(two["overall"]["metrics"][name]["value"], abs=1e-12), name


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"low": [2.0] * 700}, "outside 0 to 1 in 700 rows"),
        ({"low": [0.9] * 700}, "do not add to 1 in 7"),
        ({"y": [None] + ["low"] * 699}, "label column “y” is empty in 1 of 700 rows"),
        ({"y": [f"c{i}" for i in range(700)]}, "703 classes; at most 60"),
    ],
)
def test_bad_classes_are_one_sentence(change, sentence):
    with pytest.raises(InputError, match=sentence):
        multiclass(three() | change)


def numbers(n=400):
    rng = np.random.default_rng(0)
    y = rng.normal(10, 3, n)
    return {"y": y, "p": y + rng.normal(0.2, 1, n), "g": ["a", "b"] * (n // 2), "who": np.arange(n) // 4}


def test_regression_per_group_with_entities():
    columns = numbers()
    report = performance.report(columns, "y", "p", task="regression", groups=["g"], entity="who")
    for group in report["groupings"][0]["groups"]:
        rows = np.array(columns["g"]) == group["values"]["g"]
        y, p = columns["y"][rows], columns["p"][rows]
        assert group["metrics"]["mae"]["value"] == pytest.approx(sk.mean_absolute_error(y, p), abs=1e-12)
        assert group["metrics"]["r2"]["value"] == pytest.approx(sk.r2_score(y, p), abs=1e-12)
        assert group["metrics"]["mae"]["df"] == 99
        assert (
            group["metrics"]["r2"]["low"] < group["metrics"]["r2"]["value"] < group["metrics"]["r2"]["high"]
        )


def test_a_regression_does_not_depend_on_the_order_of_rows():
    columns = {name: list(values) for name, values in numbers().items()}
    for more in ({}, {"entity": "who"}):
        one = performance.report(columns, "y", "p", task="regression", groups=["g"], **more)
        assert one == performance.report(shuffled(columns), "y", "p", task="regression", groups=["g"], **more)


@pytest.mark.parametrize("ties", [None, 8])
def test_ranking_values_are_scikit_learns(ties):
    columns = results(300, ties=ties)
    y, s = np.array(columns["y"]), np.array(columns["s"])
    found = performance.report(columns, "y", score="s", task="ranking", k=10)["overall"]["metrics"]
    expected = {
        "ndcg": sk.ndcg_score([y], [s]),
        "ndcg_at_k": sk.ndcg_score([y], [s], k=10),
        "auc": sk.roc_auc_score(y, s),
        "average_precision": sk.average_precision_score(y, s),
    }
    for name, value in expected.items():
        assert found[name]["value"] == pytest.approx(value, abs=1e-12), name
        assert found[name]["low"] <= found[name]["high"]
    if ties is None:
        top = y[np.argsort(-s)[:10]].mean()
        assert found["precision_at_k"]["value"] == pytest.approx(top)
        assert found["precision_at_k"]["n"] == 10


def test_ranking_of_many_lists_is_their_mean():
    rng = np.random.default_rng(1)
    grades, scores = rng.integers(0, 4, (25, 12)), rng.random((25, 12))
    columns = {"y": grades.ravel(), "s": scores.ravel(), "q": np.repeat(np.arange(25), 12)}
    found = performance.report(columns, "y", score="s", task="ranking", entity="q", k=5)["overall"]["metrics"]
    each = [sk.ndcg_score([g], [s], k=5) for g, s in zip(grades, scores, strict=True)]
    assert found["ndcg_at_k"]["value"] == pytest.approx(np.mean(each), abs=1e-12)
    assert found["ndcg_at_k"]["error"] == pytest.approx(np.std(each, ddof=1) / 5)
    assert (found["ndcg_at_k"]["n"], found["ndcg_at_k"]["df"]) == (25, 24)
    assert "auc" not in found


def test_average_precision_of_a_classifier_and_its_coverage():
    columns = results(800, ties=9)
    found = performance.report(columns, "y", "p", "s")["overall"]["metrics"]["average_precision"]
    value = sk.average_precision_score(columns["y"], columns["s"])
    assert found["value"] == pytest.approx(value, abs=1e-12)
    assert found["low"] < value < found["high"]
