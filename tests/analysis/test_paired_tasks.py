"""Two versions of a number or of several classes on the same cases: SciPy, statsmodels, properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.contingency_tables import mcnemar

from apps.analysis import paired, pairedclasses, pairedtasks, pairedvalues, performance, survey
from apps.analysis.errors import InputError

LOSS = {"mae": np.abs, "mse": np.square, "mean_error": lambda error: error}


def numbers(n=300, seed=5):
    rng = np.random.default_rng(seed)
    y = rng.normal(50, 10, n)
    return {
        "y": y.tolist(),
        "p": (y + rng.normal(0, 4, n)).tolist(),
        "q": (y + rng.normal(0.5, 3, n)).tolist(),
        "who": [i // 3 for i in range(n)],
        "w": rng.uniform(0.5, 2, n).tolist(),
        "sex": ["F" if i % 5 else "" for i in range(n)],
    }


def losses(columns, name):
    y, p, q = (np.array(columns[c]) for c in "ypq")
    return LOSS[name](p - y), LOSS[name](q - y)


def test_the_differences_are_scipys_paired_t_and_diebold_and_marianos():
    columns = numbers()
    found = pairedtasks.report(columns, "y", "p", "q", task="regression")["metrics"]
    assert list(found) == ["mae", "mse", "mean_error"]
    for name, line in found.items():
        one, two = losses(columns, name)
        oracle = stats.ttest_rel(two, one)
        ends = oracle.confidence_interval(0.95)
        assert line["difference"]["value"] == pytest.approx(two.mean() - one.mean(), abs=1e-12), name
        assert (line["difference"]["low"], line["difference"]["high"]) == pytest.approx(
            tuple(ends), abs=1e-10
        )
        assert line["p"] == pytest.approx(oracle.pvalue, rel=1e-9)
        # Diebold and Mariano at horizon one, corrected as Harvey, Leybourne and Newbold write it.
        change, n = two - one, len(one)
        plain = change.mean() / np.sqrt(np.mean((change - change.mean()) ** 2) / n)
        corrected = plain * np.sqrt((n - 1) / n)
        assert 2 * stats.t.sf(abs(corrected), n - 1) == pytest.approx(line["p"], rel=1e-9)
    assert found["mae"]["p_holm"] >= found["mae"]["p"]


def test_each_side_is_the_performance_report():
    columns = numbers()
    found = pairedtasks.report(columns, "y", "p", "q", task="regression")["metrics"]
    for side, name in (("first", "p"), ("second", "q")):
        alone = performance.report(columns, "y", name, task="regression")["overall"]["metrics"]
        for metric in ("mae", "mean_error"):
            for key in ("value", "low", "high", "error"):
                assert found[metric][side][key] == pytest.approx(alone[metric][key], abs=1e-12)
        assert found["mse"][side]["value"] == pytest.approx(alone["rmse"]["value"] ** 2)


@pytest.mark.parametrize("weighted", [False, True])
def test_by_entity_it_is_statsmodels_cluster_error(weighted):
    columns = numbers()
    more = {"weight": "w"} if weighted else {}
    found = pairedtasks.report(columns, "y", "p", "q", task="regression", entity="who", **more)["metrics"]
    weights = np.array(columns["w"]) if weighted else np.ones(300)
    for name, line in found.items():
        one, two = losses(columns, name)
        change = two - one
        root = np.sqrt(weights)
        fitted = OLS(change * root, root).fit(
            cov_type="cluster",
            cov_kwds={"groups": np.array(columns["who"]), "use_correction": False, "df_correction": False},
        )
        m = len(set(columns["who"]))
        assert line["difference"]["value"] == pytest.approx(float(fitted.params[0]), abs=1e-12)
        assert line["difference"]["error"] == pytest.approx(
            float(fitted.bse[0]) * np.sqrt(m / (m - 1)), rel=1e-9
        )
        assert (line["difference"]["df"], line["test"]) == (m - 1, "t, linearised by entity")


finite = st.floats(-1e6, 1e6, allow_nan=False, width=32)


@settings(deadline=None)
@given(st.lists(st.tuples(finite, finite, finite), min_size=2, max_size=40))
def test_exchange_turns_the_sign_and_a_shift_of_all_changes_nothing(rows):
    y, p, q = (np.array(part, dtype=np.float64) for part in zip(*rows, strict=True))
    ahead, back = pairedvalues.paired_metrics(y, p, q), pairedvalues.paired_metrics(y, q, p)
    for name, line in ahead.items():
        other = back[name]
        assert line["difference"]["value"] == -other["difference"]["value"]
        assert (line["difference"]["low"], line["p"]) == (-other["difference"]["high"], other["p"])
        assert line["first"] == other["second"]
        assert line["difference"]["low"] <= line["difference"]["value"] <= line["difference"]["high"]
        assert 0 <= line["p"] <= 1
    same = pairedvalues.paired_metrics(y, p, p)
    assert all((line["difference"]["value"], line["p"]) == (0, 1) for line in same.values())


@settings(deadline=None)
@given(st.lists(st.tuples(finite, finite, finite), min_size=3, max_size=30))
def test_every_case_twice_by_entity_says_no_more_than_once(rows):
    y, p, q = (np.array(part, dtype=np.float64) for part in zip(*rows, strict=True))
    n = len(y)
    once = pairedvalues.paired_metrics(y, p, q)
    design = survey.Design(np.ones(2 * n), np.tile(np.arange(n), 2))
    twice = pairedvalues.paired_metrics(*(np.tile(part, 2) for part in (y, p, q)), design)
    for name, line in once.items():
        other = twice[name]["difference"]
        scale = max(1.0, abs(line["difference"]["value"]), line["difference"]["error"])
        assert other["value"] == pytest.approx(line["difference"]["value"], abs=1e-9 * scale)
        assert other["error"] == pytest.approx(line["difference"]["error"], rel=1e-6, abs=1e-9 * scale)


def test_no_difference_is_rarely_called_one_and_the_interval_covers():
    rng = np.random.default_rng(8)
    accused = covered = 0
    for _ in range(1000):
        y = rng.normal(0, 1, 60)
        p, q = y + rng.standard_t(5, 60), y + rng.standard_t(5, 60)
        line = pairedvalues.paired_mean("mae", y, p, q, None, 0.95)
        accused += line["p"] < 0.05
        covered += line["difference"]["low"] <= 0 <= line["difference"]["high"]
    assert covered == 1000 - accused
    assert 30 <= accused <= 72


def test_a_single_case_and_none_have_no_interval():
    one = pairedvalues.paired_mean("mae", *(np.array([v]) for v in (1.0, 2.0, 4.0)), None, 0.95)
    assert (one["difference"]["value"], one["difference"]["low"], one["p"]) == (2.0, None, None)
    none = pairedvalues.paired_mean("mae", *[np.array([])] * 3, None, 0.95)
    assert (none["difference"]["value"], none["difference"]["reason"], none["first"]) == (
        None,
        "no cases",
        None,
    )


def test_within_groups_each_line_is_of_its_cases_alone():
    columns = numbers()
    found = pairedtasks.report(columns, "y", "p", "q", task="regression", groups=["sex"])
    assert {line["group"] for line in found["groups"]} == {"sex = F", "sex = (missing)"}
    for line in found["groups"]:
        chosen = [(v or "(missing)") == line["group"].removeprefix("sex = ") for v in columns["sex"]]
        part = {
            name: [v for v, c in zip(values, chosen, strict=True) if c] for name, values in columns.items()
        }
        alone = pairedtasks.report(part, "y", "p", "q", task="regression")["metrics"][line["metric"]]
        assert line["n"] == sum(chosen)
        assert line["difference"] == pytest.approx(alone["difference"])
        assert line["p_holm"] is None


def graded(n=400, seed=4):
    rng = np.random.default_rng(seed)
    y = rng.choice(["a", "b", "c"], n, p=[0.6, 0.3, 0.1])

    def said(right):
        return np.where(rng.random(n) < right, y, rng.choice(["a", "b", "c"], n))

    return {
        "y": y.tolist(),
        "p": said(0.6).tolist(),
        "q": said(0.75).tolist(),
        "site": rng.choice(["n", "s"], n).tolist(),
    }


def test_several_classes_within_groups_are_statsmodels():
    columns = graded()
    found = pairedtasks.report(columns, "y", "p", "q", task="multiclass", groups=["site"])
    y, p, q, site = (np.array(columns[c]) for c in ("y", "p", "q", "site"))
    assert list(found["metrics"]) == ["accuracy", "tpr:a", "tpr:b", "tpr:c"]
    assert len(found["groups"]) == 8
    for line in found["groups"]:
        chosen = site == line["group"].removeprefix("site = ")
        of = chosen & (y == line["class"]) if line["class"] else chosen
        one, two = (p == y)[of], (q == y)[of]
        table = [[(one & two).sum(), (one & ~two).sum()], [(~one & two).sum(), (~one & ~two).sum()]]
        assert line["p_exact"] == pytest.approx(mcnemar(table, exact=True).pvalue, abs=1e-9)
        assert (line["n"], line["difference"]["n"]) == (chosen.sum(), of.sum())
        assert line["difference"]["value"] == pytest.approx(two.mean() - one.mean(), abs=1e-12)
    direct = pairedclasses.paired_metrics(columns["y"], columns["p"], columns["q"], ["a", "b", "c"])
    assert found["metrics"] == direct


def test_two_classes_within_groups_are_the_report_of_each_group():
    rng = np.random.default_rng(3)
    columns = {name: rng.integers(0, 2, 200).tolist() for name in ("y", "p", "q")}
    columns["sex"] = ["F", "M"] * 100
    found = paired.report(columns, "y", "p", "q", groups=["sex"])
    for line in found["groups"]:
        half = slice(0 if line["group"] == "sex = F" else 1, None, 2)
        alone = paired.report({n: v[half] for n, v in columns.items()}, "y", "p", "q")["metrics"]
        assert line["difference"] == alone[line["metric"]]["difference"]
    assert len(found["groups"]) == 8


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"p": ["x"] * 300}, "first prediction column “p” is missing or not a number in 300"),
        ({"q": [None] + [1.0] * 299}, "second prediction column “q” is missing or not a number in 1"),
    ],
)
def test_what_is_no_number_is_told(changes, words):
    with pytest.raises(InputError, match=words):
        pairedtasks.report(numbers() | changes, "y", "p", "q", task="regression")
    with pytest.raises(InputError, match="not “ranking”"):
        pairedtasks.report(numbers(), "y", "p", "q", task="ranking")
