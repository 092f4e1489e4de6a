"""The Shapley sampler beside `shap`, which is not in the lock file: `.ci/engines` fetches it and selects the mark."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from apps.analysis.explain import shapley

pytestmark = [pytest.mark.spark, pytest.mark.filterwarnings("ignore")]  # of shap itself
NAMES = ("a", "b", "c", "d", "e")
BACKGROUND = 16
PAIRS = 40 * BACKGROUND  # a multiple: each background case is lent equally often, as shap lends them
WEIGHTS = np.array([1.5, -1.0, 0.6, 0.3, 0.0])
ROUNDING = 1e-9
APART = 0.05  # of the scores' standard deviation: the most that so many pairs may lie beside the exact value


def crooked(x):
    """A score with interactions of two and of three columns; it does not use the last."""
    return 1 / (1 + np.exp(-(x @ WEIGHTS + 1.2 * x[:, 0] * x[:, 1] * (x[:, 2] > 0))))


def in_pairs(x):
    """Interactions of two columns alone: an order and its reverse share each of them evenly."""
    return x @ WEIGHTS + x[:, 0] * x[:, 3] - 2 * x[:, 1] * x[:, 2]


def probabilities(x):
    drive = x @ WEIGHTS
    raw = np.exp(np.column_stack([-drive, np.full(len(x), 0.3), drive * x[:, 1]]))
    return raw / raw.sum(axis=1, keepdims=True)


def columns_of(x):
    return {name: x[:, j] for j, name in enumerate(NAMES)}


def asked(model):
    return lambda columns: model(np.column_stack([columns[name] for name in NAMES]))


@pytest.fixture(scope="module")
def shap():
    return importlib.import_module("shap")


@pytest.fixture(scope="module")
def sample():
    rng = np.random.default_rng(20261122)
    return rng.normal(size=(12, 5)), rng.normal(size=(BACKGROUND, 5))


def explainers(shap, model, background):
    masker = shap.maskers.Independent(background, max_samples=len(background))
    return shap.explainers.ExactExplainer(model, masker), shap.explainers.PermutationExplainer(
        model, masker, seed=1
    )


def test_attributions_are_those_of_shaps_exact_explainer_within_their_errors(shap, sample):
    cases, background = sample
    exact, permutation = explainers(shap, crooked, background)
    truth = exact(cases, silent=True)
    drawn = permutation(cases, max_evals=40 * (2 * len(NAMES) + 1), silent=True)
    found = shapley(asked(crooked), columns_of(cases), columns_of(background), pairs=PAIRS, seed=3)
    spread = crooked(cases).std()
    assert found.base == pytest.approx(float(truth.base_values[0]), abs=ROUNDING)
    off = np.abs(found.values - truth.values)
    assert (off <= 5 * found.errors + ROUNDING).all()
    assert off.max() < APART * spread
    assert np.abs(found.values - drawn.values).max() < 2 * APART * spread  # both are drawn
    assert np.abs(found.values[:, 4]).max() == 0  # a column the model does not use


def test_where_columns_meet_in_pairs_all_three_agree_to_rounding(shap, sample):
    cases, background = sample
    exact, permutation = explainers(shap, in_pairs, background)
    found = shapley(asked(in_pairs), columns_of(cases), columns_of(background), pairs=BACKGROUND, seed=3)
    assert np.abs(found.values - exact(cases, silent=True).values).max() < ROUNDING
    assert np.abs(found.values - permutation(cases, silent=True).values).max() < ROUNDING


def test_the_score_of_one_class_of_several_is_explained_as_shap_explains_it(shap, sample):
    cases, background = sample
    truth = explainers(shap, probabilities, background)[0](cases, silent=True).values
    given = probabilities(cases).argmax(axis=1)
    assert len(set(given)) > 1

    def answers(columns):
        scores = asked(probabilities)(columns)
        return np.column_stack([scores.argmax(axis=1), scores])

    for of in (given, np.full(len(cases), 2)):  # the class each case gets; one class of every case
        found = shapley(answers, columns_of(cases), columns_of(background), pairs=PAIRS, seed=5, of=of)
        off = np.abs(found.values - truth[np.arange(len(cases)), :, of])
        assert (off <= 5 * found.errors + ROUNDING).all()
        assert off.max() < APART * probabilities(cases).std()
