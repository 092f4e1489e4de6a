"""Explanations against what is known: exact Shapley values, a linear model, scikit-learn's permutation importance."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.inspection import permutation_importance as reference
from sklearn.metrics import roc_auc_score

from apps.analysis.disclosure import LEAST
from apps.analysis.errors import InputError
from apps.analysis.explain import (
    Settings,
    Tally,
    compare,
    explain,
    local_fit,
    permutation_importance,
    shapley,
    surrogate_tree,
)
from apps.analysis.explain.permutation import AUC, Importance, auc
from apps.analysis.explain.sentences import of_feature
from apps.analysis.explain.shapley import merged
from apps.analysis.explain.stability import overlap, spearman

NAMES = ("a", "b", "c", "d")
SMALL = Settings(rows=300, cases=30, background=20, pairs=8, repeats=2, local_samples=60)


def columns_of(matrix, names=NAMES):
    return {name: matrix[:, j] for j, name in enumerate(names)}


def scorer(function, names=NAMES):
    return lambda columns: function(np.column_stack([columns[name] for name in names]).astype(float))


def crooked(x):
    return np.tanh(x[:, 0] * x[:, 1]) + np.maximum(x[:, 2], 0) * x[:, 0] + 0.1 * x[:, 3]


def exact(function, case, background):
    """Shapley values by walking every order with every background case."""
    p = len(case)
    total, orders = np.zeros(p), list(permutations(range(p)))
    for order in orders:
        for lender in background:
            mixed = lender.copy()
            before = function(mixed[None])[0]
            for j in order:
                mixed[j] = case[j]
                after = function(mixed[None])[0]
                total[j] += after - before
                before = after
    return total / (len(orders) * len(background))


@pytest.fixture(scope="module")
def sample():
    return np.random.default_rng(4).normal(size=(400, 4))


def test_sampled_values_come_to_the_exact_ones_within_their_error(sample):
    cases, background = sample[:5], sample[100:103]
    found = shapley(scorer(crooked), columns_of(cases), columns_of(background), pairs=3000, seed=1)
    truth = np.array([exact(crooked, case, background) for case in cases])
    assert np.abs(found.values - truth).max() < 0.02
    assert (np.abs(found.values - truth) <= 5 * found.errors + 1e-12).all()
    assert found.base == pytest.approx(crooked(background).mean(), abs=1e-12)


def test_a_linear_model_has_its_closed_form(sample):
    weights = np.array([2.0, -1.0, 0.5, 0.0])
    cases, background = sample[:20], sample[50:80]
    score = scorer(lambda x: x @ weights)
    found = shapley(score, columns_of(cases), columns_of(background), pairs=30, seed=3)
    assert np.allclose(found.values, weights * (cases - background.mean(axis=0)), atol=1e-12)
    again = shapley(score, columns_of(cases), columns_of(background), pairs=30, seed=4)
    same = compare([found, again])
    assert (same.ranking, same.by_case, same.top) == pytest.approx((1.0, 1.0, 1.0))


numbers = st.floats(-3, 3, allow_nan=False, width=32)


@given(
    data=st.lists(st.tuples(numbers, numbers, numbers, numbers), min_size=4, max_size=8),
    pairs=st.integers(2, 9),
    seed=st.integers(0, 99),
)
@settings(max_examples=40, deadline=None)
def test_values_add_up_and_a_column_the_model_ignores_gets_nothing(data, pairs, seed):
    matrix = np.array(data)
    function = lambda x: np.sin(x[:, 0]) * x[:, 1] + x[:, 2] ** 2  # noqa: E731
    found = shapley(scorer(function), columns_of(matrix[:2]), columns_of(matrix[2:]), pairs=pairs, seed=seed)
    assert found.gap < 1e-9
    assert np.allclose(found.values.sum(axis=1), found.scores - found.base, atol=1e-9)
    assert (found.values[:, 3] == 0).all()


@given(value=numbers, lent=st.lists(numbers, min_size=2, max_size=5), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_two_columns_that_do_the_same_get_the_same(value, lent, seed):
    cases = np.full((1, 4), value)
    background = np.repeat(np.array(lent)[:, None], 4, axis=1)
    found = shapley(
        scorer(lambda x: np.tanh(x).sum(axis=1)),
        columns_of(cases),
        columns_of(background),
        pairs=4,
        seed=seed,
    )
    assert np.allclose(found.values, found.values[0, 0], atol=1e-12)


def test_one_feature_carries_the_whole_difference():
    found = shapley(lambda c: c["a"] ** 2, {"a": np.array([3.0])}, {"a": np.array([1.0, 2.0])}, pairs=4)
    assert found.values[0, 0] == pytest.approx(9 - 2.5)
    assert compare([found, found]).ranking is None


class Fixed(ClassifierMixin, BaseEstimator):
    classes_ = np.array([0, 1])

    def fit(self, x, y):
        return self

    def predict_proba(self, x):
        p = 1 / (1 + np.exp(-crooked(x)))
        return np.column_stack([1 - p, p])

    def __sklearn_is_fitted__(self):
        return True


def test_permutation_importance_is_scikit_learns(sample):
    labels = (crooked(sample) + np.random.default_rng(9).normal(size=400) > 0).astype(np.int8)
    score = scorer(lambda x: Fixed().predict_proba(x)[:, 1])
    ours = permutation_importance(score, columns_of(sample), labels, repeats=40, seed=2)
    theirs = reference(Fixed(), sample, labels, scoring="roc_auc", n_repeats=40, random_state=5)
    assert auc(score(columns_of(sample)), labels == 1) == pytest.approx(
        roc_auc_score(labels, Fixed().predict_proba(sample)[:, 1]), abs=1e-12
    )
    for found, mean, spread in zip(ours, theirs.importances_mean, theirs.importances_std, strict=True):
        assert abs(found.value - mean) < 4 * np.hypot(found.spread, spread) / np.sqrt(40) + 1e-12
        assert found.low <= found.value <= found.high
        assert (found.n, found.repeats, found.measure) == (400, 40, "auc_drop")


def test_without_two_classes_the_change_of_the_score_is_measured(sample):
    for labels in (None, np.ones(400, dtype=np.int8)):
        found = permutation_importance(scorer(crooked), columns_of(sample), labels, repeats=2)
        assert {each.measure for each in found} == {"score_change"}
        assert found[0].value > found[3].value > 0


def mixed_columns(n=300):
    rng = np.random.default_rng(7)
    age = rng.integers(18, 80, n).astype(float)
    age[::9] = np.nan
    colour = rng.choice(
        np.array(["scarlet", "blue", "", "rarest"], dtype=object), n, p=[0.5, 0.4, 0.09, 0.01]
    )
    dose = rng.choice([10, 20, 40], n)
    return {"age": age, "colour": colour, "dose": dose.astype(np.int64)}


def kinds(columns):
    known = np.where(np.isnan(columns["age"]), 50.0, columns["age"])
    return 1 / (
        1 + np.exp(-(0.05 * (known - 50) + 1.5 * (columns["colour"] == "scarlet") - 0.01 * columns["dose"]))
    )


def coarse(examples):
    """No floats, and no whole numbers beside place, rank and sample size; no figures in the sentence."""
    whole = set()

    def kinds_of(value, key=""):
        if isinstance(value, dict):
            return all(kinds_of(item, name) for name, item in value.items())
        if isinstance(value, list):
            return all(kinds_of(item) for item in value)
        if isinstance(value, int):
            whole.add(key)
        return isinstance(value, str | int)

    sentences = (each["sentence"].split(" ", 2)[2] for each in examples)
    return (
        kinds_of(examples)
        and whole == {"example", "rank", "samples"}
        and not any(letter.isdigit() for sentence in sentences for letter in sentence)
    )


def test_texts_empty_cells_and_whole_numbers_are_explained_and_told_without_their_values():
    columns = mixed_columns()
    labels = (kinds(columns) > np.random.default_rng(1).random(300)).astype(np.int8)
    asked = []
    made = explain(
        kinds,
        columns,
        labels,
        settings=SMALL,
        progress=lambda done, total, stage: asked.append((done, total, stage)),
    )
    result = made.result
    assert {each["feature"] for each in result["features"]} == {"age", "colour", "dose"}
    assert [each["rank"] for each in result["features"]] == [1, 2, 3]
    assert result["n"]["evaluations"] <= asked[-1][1]
    assert asked[-1][0] == asked[-1][1]
    assert {stage for _, _, stage in asked} >= {
        "Shuffling each feature",
        "Attributing single scores, seed 11",
    }
    told = " ".join(each["sentence"] for each in result["examples"])
    assert "scarlet" not in told
    assert "shared by" in told
    assert len(result["examples"]) == 6
    for each in result["examples"]:
        assert len(each["features"]) <= 3
    assert coarse(result["examples"]), "no digits of a score, no row number"
    assert {f["place"] for e in result["examples"] for f in e["features"] if f["feature"] == "age"} <= {
        "lowest fifth", "second lowest fifth", "middle fifth", "second highest fifth", "highest fifth", "empty",
    }  # fmt: skip
    again = explain(kinds, columns, labels, settings=SMALL)
    assert again.result == result
    assert (made.rows >= 1).all()
    assert len(made.rows) == len(made.attributions.values)


@pytest.mark.parametrize(
    ("score", "rows", "said"),
    [
        (lambda c: np.full(len(c["a"]), np.nan), 60, "60 of 60 scores are not finite numbers"),
        (lambda c: np.where(c["a"] > 0, np.inf, 0.0), 60, "are not finite numbers"),
        (lambda c: np.zeros(3), 60, "The model gave 3 scores for 60 cases"),
        (lambda c: c["a"], 39, "at least 40 cases; there are 39"),
    ],
)
def test_what_cannot_be_explained_is_said(score, rows, said):
    with pytest.raises(InputError, match=said):
        explain(score, {"a": np.linspace(-1, 1, rows)}, None)


def test_sizes_that_make_no_sense_are_said(sample):
    columns = columns_of(sample)
    for bad, said in (
        (lambda: explain(scorer(crooked), {}, None), "no columns"),
        (lambda: explain(scorer(crooked), columns, None, settings=Settings(seeds=(1,))), "two seeds"),
        (lambda: shapley(scorer(crooked), columns, columns, pairs=1), "two pairs"),
        (lambda: shapley(scorer(crooked), columns, columns_of(sample[:0])), "one background case"),
        (
            lambda: local_fit(scorer(crooked), columns_of(sample[:1]), columns, samples=5),
            "at least 10 samples",
        ),
        (lambda: local_fit(scorer(crooked), columns, columns), "one case"),
        (
            lambda: explain(scorer(crooked), {"a": np.zeros(50), "b": np.zeros(49)}, None),
            "different numbers of rows",
        ),
        (lambda: permutation_importance(scorer(crooked), columns_of(sample[:1]), None), "two cases"),
    ):
        with pytest.raises(InputError, match=said):
            bad()


def test_a_model_that_says_the_same_of_everybody_is_told_as_such(sample):
    labels = (sample[:, 0] > 0).astype(np.int8)
    result = explain(lambda c: np.full(len(c["a"]), 0.3), columns_of(sample), labels, settings=SMALL).result
    assert all(each["value"] == 0 for each in result["features"])
    assert result["features"][0]["sentence"].startswith("a: no effect on the AUC is shown")
    assert "no feature moves it" in result["examples"][0]["sentence"]
    assert "the same score" in result["surrogate"]["sentence"]
    assert result["stability"]["ranking"] == 1.0


def test_no_rule_of_the_surrogate_tells_the_mean_score_of_few_cases():
    """A group of 26 of 200 cases, of which about 13 make the tree, scores apart from all others."""
    site = np.array(["island"] * 26 + ["main"] * 174, dtype=object)
    noise = np.random.default_rng(2).random(200)
    found = surrogate_tree({"site": site, "x": noise}, np.where(site == "island", 0.9, 0.1))
    assert min(line["n"] for line in found.lines) >= LEAST
    both = np.array(["island"] * 60 + ["main"] * 140, dtype=object)
    found = surrogate_tree({"site": both, "x": noise}, np.where(both == "island", 0.9, 0.1))
    assert {round(line["mean"], 9) for line in found.lines if line["leaf"]} == {0.9, 0.1}


def test_the_surrogate_finds_a_step_and_says_how_well_it_imitates(sample):
    scores = np.where(sample[:, 2] > 0.25, 0.9, 0.1)
    found = surrogate_tree(columns_of(sample), scores)
    assert found.fidelity > 0.95
    assert found.splits == ("c",)
    assert found.lines[0]["n"] == found.made_from == 200
    assert found.agreement > 0.98
    assert found.low <= found.fidelity <= found.high
    noise = surrogate_tree(columns_of(sample), np.random.default_rng(1).random(400))
    assert noise.fidelity < 0.2


def test_the_local_fit_of_a_linear_model_is_its_distance_from_the_background(sample):
    weights = np.array([2.0, -1.0, 0.5, 0.0])
    case, background = sample[:1], sample[50:250]
    fit = local_fit(scorer(lambda x: x @ weights), columns_of(case), columns_of(background), samples=6000)
    assert np.allclose(fit.effects, (weights * (case - background.mean(axis=0)))[0], atol=0.2)
    assert 0 < fit.fit < 1


def test_agreement_of_rankings():
    up, down = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    assert (spearman(up, up), spearman(up, down)) == (1.0, -1.0)
    assert (spearman(np.zeros(3), np.zeros(3)), spearman(up, np.zeros(3))) == (1.0, 0.0)
    assert overlap(up, down, 1) == 0.0
    assert overlap(up, down, 3) == 1.0


def test_seeds_are_put_together_and_large_tables_asked_in_pieces(sample):
    parts = [
        shapley(scorer(crooked), columns_of(sample[:4]), columns_of(sample[9:29]), pairs=5, seed=s)
        for s in (1, 2)
    ]
    both = merged(parts)
    assert both.pairs == 10
    assert both.gap < 1e-9
    assert (both.errors <= np.maximum(*(part.errors for part in parts))).all()
    sizes = []

    def counted(columns):
        sizes.append(len(columns["a"]))
        return columns["a"]

    tally = Tally(counted)
    assert len(tally({"a": np.arange(70_000.0)})) == tally.evaluations == 70_000
    assert sizes == [65_536, 70_000 - 65_536]


@pytest.mark.parametrize(
    ("value", "low", "high", "said"),
    [
        (0.21, 0.1, 0.3, "a matters most: shuffling it lowers the AUC by 0.210"),
        (0.01, -0.001, 0.02, "a: no effect on the AUC is shown: shuffling it lowers the AUC by 0.010"),
        (-0.03, -0.05, -0.01, "a does not help here: shuffling it lowers the AUC by -0.030"),
    ],
)
def test_the_sentence_says_a_drop_as_a_drop(value, low, high, said):
    """One word for one figure: what stands in the column of the drop is told as one, with its sign."""
    found = Importance("a", value, low, high, 0.01, 400, 5, AUC)
    assert of_feature(found, 0.1, 1).startswith(said)
