"""Explanations of several classes and of a number: scikit-learn's permutation importance, exact values, properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.inspection import permutation_importance as reference
from sklearn.metrics import balanced_accuracy_score, mean_absolute_error, r2_score
from sklearn.tree import DecisionTreeRegressor

from apps.analysis.errors import InputError
from apps.analysis.explain import (
    Settings,
    Tally,
    Target,
    explain,
    permutation_importance,
    shapley,
    surrogate_tree,
)
from apps.analysis.explain.permutation import achieved
from tests.analysis.test_explain import NAMES, columns_of, exact, scorer

CLASSES = Target(classes=("low", "middle", "high"))
NUMBER = Target(number=True, unit="mg/L")
SMALL = Settings(rows=300, cases=30, background=20, pairs=8, repeats=2, local_samples=60)
WEIGHTS = np.array([2.0, -1.0, 0.5, 0.0])


def probabilities(x):
    drive = x @ WEIGHTS
    raw = np.exp(np.column_stack([-drive, np.full(len(x), 0.3), drive]))
    return raw / raw.sum(axis=1, keepdims=True)


def answers(x):
    scores = probabilities(x)
    return np.column_stack([scores.argmax(axis=1), scores])


def number(x):
    return 20 + 3 * (x @ WEIGHTS)


of_classes = scorer(answers)
of_number = scorer(number)


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(4)
    x = rng.normal(size=(400, 4))
    classes = np.digitize(x @ WEIGHTS + rng.normal(0, 0.7, 400), [-0.6, 0.6])
    return x, classes, number(x) + rng.normal(0, 2, 400)


class Classifier(ClassifierMixin, BaseEstimator):
    def fit(self, x, y):
        self.classes_ = np.unique(y)
        return self

    def predict(self, x):
        return probabilities(x).argmax(axis=1)


class Regressor(RegressorMixin, BaseEstimator):
    def fit(self, x, y):
        self.fitted_ = True
        return self

    def predict(self, x):
        return number(x)


@pytest.mark.parametrize("task", ["classes", "number"])
def test_permutation_importance_is_scikit_learns_up_to_the_draw(sample, task):
    x, classes, truth = sample
    if task == "classes":
        y, score, target = classes, of_classes, CLASSES
        oracle = reference(
            Classifier().fit(x, y), x, y, scoring="balanced_accuracy", n_repeats=60, random_state=1
        )
    else:
        y, score, target = truth, of_number, NUMBER
        oracle = reference(
            Regressor().fit(x, y), x, y, scoring="neg_mean_absolute_error", n_repeats=60, random_state=1
        )
    found = permutation_importance(score, columns_of(x), y, repeats=60, seed=2, target=target)
    for j, each in enumerate(found):
        error = 5 * np.hypot(each.spread, oracle.importances_std[j]) / np.sqrt(60) + 1e-12
        assert each.value == pytest.approx(oracle.importances_mean[j], abs=error)
        assert each.low <= each.value <= each.high
        assert each.n == 400
    assert found[3].value == 0  # a column the model does not use


def test_one_shuffle_is_the_difference_of_scikit_learns_metrics(sample):
    x, classes, truth = sample
    rng = np.random.default_rng([0, 1])
    order = rng.permutation(400)
    shuffled = x.copy()
    shuffled[:, 0] = x[order, 0]
    one = permutation_importance(of_classes, columns_of(x), classes, repeats=1, seed=0, target=CLASSES)[0]
    drop = balanced_accuracy_score(classes, probabilities(x).argmax(axis=1)) - balanced_accuracy_score(
        classes, probabilities(shuffled).argmax(axis=1)
    )
    assert (one.measure, one.value) == ("balanced_accuracy_drop", pytest.approx(drop, abs=1e-12))
    other = permutation_importance(of_number, columns_of(x), truth, repeats=1, seed=0, target=NUMBER)[0]
    rise = mean_absolute_error(truth, number(shuffled)) - mean_absolute_error(truth, number(x))
    assert (other.measure, other.value) == ("mae_rise", pytest.approx(rise, abs=1e-12))


def test_without_a_second_class_it_is_the_share_that_changes_class(sample):
    x, classes, _ = sample
    alone = permutation_importance(of_classes, columns_of(x), classes * 0, repeats=3, seed=5, target=CLASSES)
    unlabelled = permutation_importance(of_classes, columns_of(x), None, repeats=3, seed=5, target=CLASSES)
    assert {each.measure for each in alone} == {"class_flips"}
    assert alone == unlabelled
    rng = np.random.default_rng([5, 1])
    given_ = probabilities(x).argmax(axis=1)
    shares = []
    for _ in range(3):
        shuffled = x.copy()
        shuffled[:, 0] = x[rng.permutation(400), 0]
        shares.append((probabilities(shuffled).argmax(axis=1) != given_).mean())
    assert alone[0].value == pytest.approx(np.mean(shares), abs=1e-12)


def test_what_is_achieved_is_scikit_learns(sample):
    x, classes, truth = sample
    told = achieved(answers(x), classes, CLASSES)
    assert told["value"] == pytest.approx(balanced_accuracy_score(classes, probabilities(x).argmax(axis=1)))
    assert told["low"] < told["value"] < told["high"] <= 1
    told = achieved(number(x), truth, NUMBER)
    assert (told["value"], told["n"]) == (pytest.approx(mean_absolute_error(truth, number(x))), 400)


def test_each_case_is_explained_by_the_score_of_its_own_class(sample):
    x, _, _ = sample
    cases, background = x[:6], x[100:103]
    of = probabilities(cases).argmax(axis=1)
    assert len(set(of)) > 1
    found = shapley(of_classes, columns_of(cases), columns_of(background), pairs=3000, seed=1, of=of)
    truth = np.array(
        [
            exact(lambda m, c=c: probabilities(m)[:, c], case, background)
            for case, c in zip(cases, of, strict=True)
        ]
    )
    assert np.abs(found.values - truth).max() < 0.02
    assert found.gap < 1e-9
    assert found.base == pytest.approx(probabilities(background)[:, of].mean(axis=0), abs=1e-12)
    whole = shapley(of_number, columns_of(cases), columns_of(background), pairs=30, seed=1)
    assert np.allclose(whole.values, 3 * WEIGHTS * (cases - background.mean(axis=0)))


numbers = st.floats(-3, 3, allow_nan=False, width=32)


@given(
    data=st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=4, max_size=8),
    of=st.lists(st.integers(0, 2), min_size=2, max_size=2),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_values_of_any_class_add_up_and_those_of_all_classes_cancel(data, of, seed):
    matrix = np.array(data)
    cases, background = columns_of(matrix[:2]), columns_of(matrix[2:])
    found = shapley(of_classes, cases, background, pairs=4, seed=seed, of=np.array(of))
    assert found.gap < 1e-9
    assert (found.values[:, 3] == 0).all()
    every = [
        shapley(of_classes, cases, background, pairs=4, seed=seed, of=np.full(2, place)).values
        for place in range(3)
    ]
    assert np.abs(np.sum(every, axis=0)).max() < 1e-9  # probabilities add to one wherever one goes


def test_the_surrogate_of_classes_is_one_tree_over_all_scores(sample):
    x, _, _ = sample
    tree = surrogate_tree(columns_of(x), answers(x), seed=3, target=CLASSES)
    order = np.random.default_rng([3, 5]).permutation(400)
    made, held = order[:200], order[200:]
    oracle = DecisionTreeRegressor(max_depth=3, min_samples_leaf=20, random_state=3)
    told = oracle.fit(x[made], probabilities(x)[made]).predict(x[held])
    truth = probabilities(x)[held]
    assert tree.fidelity == pytest.approx(
        r2_score(truth, told, multioutput=truth.var(axis=0) / truth.var(axis=0).sum()), abs=1e-12
    )
    assert tree.low < tree.fidelity < tree.high
    assert tree.agreement == pytest.approx((told.argmax(axis=1) == truth.argmax(axis=1)).mean())
    assert {line["class"] for line in tree.lines} <= set(CLASSES.classes)
    plain = surrogate_tree(columns_of(x), number(x), seed=3, target=NUMBER)
    assert plain.agreement is None
    flat = surrogate_tree(columns_of(x), np.ones((400, 4)), seed=3, target=CLASSES)
    assert flat.fidelity is None


@pytest.mark.parametrize("task", ["classes", "number"])
def test_a_whole_explanation_speaks_of_its_task(sample, task):
    x, classes, truth = sample
    score, labels, target = (
        (of_classes, classes, CLASSES) if task == "classes" else (of_number, truth, NUMBER)
    )
    made = explain(score, columns_of(x), labels, target=target, settings=SMALL)
    again = explain(score, columns_of(x), labels, target=target, settings=SMALL)
    assert made.result == again.result
    result = made.result
    assert result["features"][0]["feature"] == "a"
    assert result["auc"] is None
    assert "threshold" not in result["settings"]
    assert result["achieved"]["low"] < result["achieved"]["value"] < result["achieved"]["high"]
    said = " ".join(
        [each["sentence"] for each in (*result["features"], *result["examples"])]
        + [result["surrogate"]["sentence"]]
    )
    assert "threshold" not in said
    assert "AUC" not in said
    if task == "classes":
        assert result["measure_words"] == "drop in balanced accuracy when shuffled"
        assert {each["class"] for each in result["examples"]} <= set(CLASSES.classes)
        assert "gets “" in said
        assert "the same class" in said
    else:
        assert result["measure_words"] == "rise in mean absolute error when shuffled (mg/L)"
        assert "it moves the predicted number by " in said
        assert "mg/L on average" in said
        assert "alike" not in said
    assert made.attributions.gap < 1e-9


def test_a_score_of_another_shape_is_refused(sample):
    x, classes, _ = sample
    with pytest.raises(InputError, match="scores for"):
        explain(of_number, columns_of(x), classes, target=CLASSES, settings=SMALL)
    with pytest.raises(InputError, match="not finite"):
        Tally(lambda columns: np.full((len(columns["a"]), 4), np.nan), width=4)(columns_of(x, NAMES))


def test_one_class_is_explained_for_every_case_as_one_score_is(sample):
    """The same figures as an explanation of a model that gives this class's score alone."""
    x, classes, _ = sample
    of_one = scorer(lambda m: probabilities(m)[:, 2])
    made = explain(
        of_classes,
        columns_of(x),
        classes,
        target=Target(classes=CLASSES.classes, of="high"),
        settings=SMALL,
    )
    alone = explain(of_one, columns_of(x), (classes == 2).astype(int), settings=SMALL)
    for name in ("value", "low", "high", "moved", "moved_low", "measure", "feature"):
        assert [f[name] for f in made.result["features"]] == pytest.approx(
            [f[name] for f in alone.result["features"]], abs=1e-12
        )
    assert np.allclose(made.attributions.values, alone.attributions.values, atol=1e-12)
    assert made.result["auc"] == pytest.approx(alone.result["auc"])
    assert made.result["surrogate"]["fidelity"] == pytest.approx(alone.result["surrogate"]["fidelity"])
    assert made.result["surrogate"]["agreement"] is None  # a score of one class decides nothing
    assert "class" not in made.result["surrogate"]["lines"][0]
    said = " ".join(each["sentence"] for each in (*made.result["features"], *made.result["examples"]))
    assert "lowers the AUC" in said
    assert "its score of “high” lies" in said
    assert "threshold" not in said
    with pytest.raises(InputError, match="no class “worst”"):
        Target(classes=CLASSES.classes, of="worst")


def test_a_class_that_never_occurs_is_explained_by_how_far_its_score_moves(sample):
    x, classes, _ = sample
    found = explain(
        of_classes,
        columns_of(x),
        np.minimum(classes, 1),
        target=Target(classes=CLASSES.classes, of="high"),
        settings=SMALL,
    ).result
    assert (found["measure"], found["auc"]) == ("score_change", None)
    assert "it moves the score of “high” by " in found["features"][0]["sentence"]


def test_an_interval_has_a_width_where_every_case_is_right_or_a_class_has_one_case(sample):
    """Otherwise twenty right answers are told as certainty."""
    labels = np.repeat([0, 1, 2], [10, 9, 1])
    answered = np.column_stack([labels, np.eye(3)[labels]])
    told = achieved(answered, labels, CLASSES)
    assert (told["value"], told["high"]) == (1.0, 1.0)
    assert told["low"] < 0.75  # of the class of one case alone Wilson's interval begins at 0.21
    x = sample[0][:20]
    few = {"a": labels.astype(float), "b": x[:, 1]}
    found = permutation_importance(
        lambda columns: np.column_stack([columns["a"], np.eye(3)[columns["a"].astype(int)]]),
        few,
        labels,
        repeats=5,
        target=CLASSES,
    )
    assert (
        found[0].high - found[0].low > 2 * 1.95 / 3
    )  # the class of one case: anything from -1 to 1 may be so
    assert found[1].value == 0


@pytest.mark.parametrize("shares", [(0.9, 0.7, 0.5), (0.98, 0.95, 0.6)])
def test_the_interval_of_balanced_accuracy_covers_its_share(shares):
    rng, sizes, held = np.random.default_rng(8), (60, 25, 12), 0
    labels = np.repeat([0, 1, 2], sizes)
    for _ in range(600):
        right = rng.random(len(labels)) < np.array(shares)[labels]
        given_ = np.where(right, labels, (labels + 1) % 3)
        told = achieved(np.column_stack([given_, np.eye(3)[given_]]), labels, CLASSES)
        held += told["low"] <= np.mean(shares) <= told["high"]
    assert held / 600 >= 0.93
