"""Probes held against SciPy, statsmodels and scikit-learn, and against what must be true of any model."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import mahalanobis
from scipy.stats import mannwhitneyu
from sklearn.metrics import roc_auc_score
from statsmodels.stats.proportion import proportion_confint

from apps.analysis.errors import InputError
from apps.analysis.intervals import newcombe
from apps.analysis.probes import (
    PROBES,
    Answers,
    Cases,
    Finding,
    Frame,
    Settings,
    decisive,
    judge,
    run_probes,
    worst,
)
from apps.analysis.probes.adversarial import search
from apps.analysis.probes.frames import ranges_of
from apps.analysis.probes.privacy import attribute_of
from apps.analysis.probes.shifted import distances

KINDS = {"age": "whole", "marker": "number", "site": "text"}


def cases(n=400, seed=5):
    rng = np.random.default_rng(seed)
    age, marker = rng.integers(18, 80, n).astype(float), rng.normal(0, 1, n)
    site = np.array(["north", "south"], dtype=object)[rng.integers(0, 2, n)]
    labels = (2 * marker + 0.02 * (age - 50) + rng.normal(0, 0.5, n) > 0).astype(np.int8)
    frame = Frame({"age": age, "marker": marker, "site": site}, KINDS)
    return Cases(frame, labels, {"site": site, "sex": np.where(age > 45, "old", "young").astype(object)})


def logistic(frame):
    """A model that knows age, marker and two sites; an unseen site or a missing marker gives no number."""
    age, marker, site = (frame.columns[name] for name in ("age", "marker", "site"))
    known = np.array([value in ("north", "south") for value in site])
    with np.errstate(over="ignore"):
        scores = 1 / (1 + np.exp(-(2 * marker + 0.02 * (age - 50))))
    scores = np.where(known, scores, np.nan)
    return Answers((np.nan_to_num(scores) >= 0.5).astype(np.int8), scores, np.isfinite(scores))


@pytest.fixture(scope="module")
def found():
    return run_probes(logistic, cases(), cases(300, seed=9), Settings(), list(PROBES))


def of(findings, probe, where=None):
    return next(f for f in findings if f.probe == probe and where in (None, f.where))


def test_every_probe_gives_a_finding_with_a_sentence(found):
    assert {f.probe for f in found} == set(PROBES)
    for each in found:
        assert each.sentence.endswith(".")
        assert (each.value is None) == bool(each.reason)
        if each.low is not None:
            assert each.low <= each.value <= each.high
    assert of(found, "parity").value is None
    assert of(found, "epsilon").value is None


def test_noise_changes_more_the_stronger_it_is_and_its_interval_is_wilsons(found):
    values = [of(found, f"noise_{part}") for part in (1, 5, 10)]
    assert values[0].value < values[2].value < 0.2
    low, high = proportion_confint(values[2].count, values[2].n, method="wilson")
    assert (values[2].low, values[2].high) == pytest.approx((low, high), abs=1e-12)


def test_missing_unseen_and_out_of_range_tell_what_gave_no_answer(found):
    emptied = of(found, "missing_each", "marker")
    assert (emptied.value, emptied.more) == (0.0, {"changed": 0, "unanswered": 400})
    assert emptied.sentence.endswith("when marker was missing; 400 got no usable answer.")
    silent = of(found, "missing_unanswered", "marker")
    assert (silent.value, silent.more) == (1.0, emptied.more)
    assert silent.sentence.endswith("got no usable answer when marker was missing; 0 got another decision.")
    strange = of(found, "unseen_category", "site")
    assert strange.sentence.endswith(": 0 another decision, 400 no usable answer.")
    assert "whole numbers" in of(found, "missing_each", "age").reason
    assert of(found, "unseen_category", "site").value == 1.0
    assert worst(found, "out_of_range").value == 0.0


def test_wrong_units_count_only_what_a_check_of_ranges_lets_pass(found):
    times = of(found, "units", "age times 1,000")
    assert (times.count, times.more["noticed"]) == (0, 400)
    smaller = of(found, "units", "marker divided by 1,000")
    assert smaller.more["noticed"] == 0
    assert smaller.count == smaller.more["changed"] > 0
    assert worst(found, "units").value == max(f.value for f in found if f.probe == "units")


def test_distance_is_scipys(found):
    train, rows = cases(300, seed=9).frame, cases().frame
    known = np.column_stack([train.columns[name] for name in ("age", "marker")])
    inverse = np.linalg.inv(np.cov(known, rowvar=False))
    ours = distances(train, rows)
    for row in (0, 17, 399):
        point = np.array([rows.columns[name][row] for name in ("age", "marker")])
        assert np.sqrt(ours[row]) == pytest.approx(mahalanobis(point, known.mean(axis=0), inverse), rel=1e-9)
    strange = rows.having({"site": np.full(400, "west", dtype=object)})
    assert np.isinf(distances(train, strange)).all()
    far = of(found, "far_rows")
    assert (far.n, far.more["rest_n"]) == (40, 360)
    assert 0 <= far.more["beyond"] <= 20


def test_another_mix_of_groups_is_the_reweighted_accuracy(found):
    test = cases()
    right = logistic(test.frame).decided == test.labels
    inside = test.groups["sex"] == "young"
    weights = np.full(400, 0.5 / 400) + np.where(inside, 0.5 / inside.sum(), 0.0)
    fall = of(found, "group_shift", "sex = young")
    assert fall.value == pytest.approx(right.mean() - (weights * right).sum(), abs=1e-12)
    ends = newcombe(right[~inside].sum(), (~inside).sum(), right[inside].sum(), inside.sum(), fall.level)
    scale = 0.5 * (1 - inside.mean())
    assert (fall.low, fall.high) == pytest.approx((scale * ends[0], scale * ends[1]))
    assert fall.level > 0.95


def test_repeatability_notices_other_bits():
    calls = iter(range(1000))

    def drifting(frame):
        answers = logistic(frame)
        return Answers(answers.decided, answers.scores + 1e-16 * next(calls) * answers.scores, answers.usable)

    settled = run_probes(logistic, cases(), None, Settings(), ["repeatability"])
    assert [f.value for f in settled] == [0.0, 0.0]
    moved = run_probes(drifting, cases(), None, Settings(), ["repeatability"])
    assert worst(moved, "repeatability").value > 0


def test_membership_is_scikit_learns_area_and_finds_a_model_that_remembers():
    test, train = cases(), cases(300, seed=9)
    seen = {tuple(row) for row in zip(*train.frame.columns.values(), strict=True)}
    labels = {
        tuple(row): y
        for row, y in zip(zip(*train.frame.columns.values(), strict=True), train.labels, strict=True)
    }

    def remembers(frame):
        rows = list(zip(*frame.columns.values(), strict=True))
        base = logistic(frame).scores
        scores = np.array(
            [0.98 if labels[r] else 0.02 if r in seen else s for r, s in zip(rows, base, strict=True)]
            if all(r in seen for r in rows)
            else base
        )
        return Answers((scores >= 0.5).astype(np.int8), scores, np.isfinite(scores))

    honest = run_probes(logistic, test, train, Settings(), ["membership"])[0]
    sure = [
        np.where(c.labels == 1, s, 1 - s)
        for c, s in ((train, logistic(train.frame).scores), (test, logistic(test.frame).scores))
    ]
    truth = np.r_[np.ones(300), np.zeros(400)]
    assert honest.value == pytest.approx(roc_auc_score(truth, np.concatenate(sure)), abs=1e-12)
    u = mannwhitneyu(sure[0], sure[1]).statistic / (300 * 400)
    assert honest.value == pytest.approx(u, abs=1e-12)
    assert honest.low < 0.5 < honest.high
    assert (honest.more["members"], honest.more["others"]) == (300, 400)
    leaking = run_probes(remembers, test, train, Settings(), ["membership"])[0]
    assert leaking.low > 0.55


def test_inversion_guesses_an_attribute_that_only_training_rows_show():
    test, train = cases(), cases(300, seed=9)
    assert attribute_of(train.frame, "site").values == ["north", "south"]
    halves = attribute_of(train.frame, "marker")
    assert (len(halves.values), halves.places(train.frame).mean()) == (2, pytest.approx(0.5))
    found = {f.where: f for f in run_probes(logistic, test, train, Settings(), ["inversion"])}
    assert set(found) == {"age", "marker", "site"}
    assert found["site"].low < 0 < found["site"].high
    assert found["marker"].more["members"] == 300


def test_a_search_flips_what_lies_near_and_tells_no_row(found):
    flips = of(found, "adversarial")
    assert 0 < flips.value < 0.3
    assert flips.more["queries_max"] <= 50
    assert flips.more["queries"] <= 50 * flips.n
    told = " ".join(flips.more["examples"])
    assert "standard deviations" in told
    assert all(word not in told for word in ("row", "north", "patient"))


@settings(max_examples=25, deadline=None)
@given(
    epsilon=st.floats(0.01, 3),
    budget=st.integers(1, 30),
    seed=st.integers(0, 2**32 - 1),
    scored=st.booleans(),
)
def test_a_search_keeps_its_bounds_and_its_budget(epsilon, budget, seed, scored):
    some = cases(40)
    asked = []

    def ask(frame):
        asked.append(frame.n)
        answers = logistic(frame)
        return answers if scored else Answers(answers.decided, None, answers.usable)

    ranges = ranges_of(some.frame)
    before = ask(some.frame)
    attack = search(
        ask, some.frame, before, ranges, epsilon=epsilon, budget=budget,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    assert attack.asked.max() <= budget
    assert attack.asked.sum() == sum(asked[1:])
    for name, known in ranges.items():
        away = np.abs(attack.frame.columns[name] - some.frame.columns[name])
        assert (away <= epsilon * known.sd * (1 + 1e-9)).all()
    assert (attack.frame.columns["age"] == np.rint(attack.frame.columns["age"])).all()
    after = logistic(attack.frame)
    assert (after.decided[attack.flipped] != before.decided[attack.flipped]).all()


def test_the_same_seed_gives_the_same_findings_whatever_else_is_asked(found):
    again = run_probes(logistic, cases(), cases(300, seed=9), Settings(), ["adversarial", "noise_5"])
    assert of(again, "adversarial") == of(found, "adversarial")
    assert of(again, "noise_5") == of(found, "noise_5")
    other = run_probes(logistic, cases(), cases(300, seed=9), Settings(seed=2), ["noise_10"])
    assert of(other, "noise_10") != of(found, "noise_10")


@settings(max_examples=40, deadline=None)
@given(
    ends=st.tuples(*[st.floats(0, 1)] * 3).map(sorted),
    limit=st.floats(0, 1),
    n=st.integers(0, 100),
    min_n=st.integers(1, 100),
)
def test_a_verdict_never_tightens_from_far_to_point(ends, limit, n, min_n):
    low, value, high = ends
    finding = Finding("noise_5", "", value, low, high, n, "Sentence.")
    verdict = {rule: judge(finding, limit, rule, min_n)[0] for rule in ("point", "near", "far")}
    if n < min_n:
        assert set(verdict.values()) == {"undecided"}
        return
    assert verdict["point"] == ("within" if value <= limit else "breached")
    assert verdict["far"] == ("breached" if low > limit else "within" if high <= limit else "undecided")
    if verdict["far"] in ("within", "breached"):
        assert verdict["near"] == verdict["point"] == verdict["far"]


def test_what_cannot_be_probed_says_why():
    silent = run_probes(
        logistic, cases(), None, Settings(), ["far_rows", "membership", "inversion", "noise_1"]
    )
    assert [f.value for f in silent if f.probe != "noise_1"] == [None] * 3
    assert judge(silent[0], 0.1, "near", 1)[0] == "within"
    assert judge(of(silent, "membership"), 0.6, "near", 1)[0] == "undecided"
    assert judge(None, 0.6, "near", 1)[0] == "undecided"

    def nothing(frame):
        return Answers(np.zeros(frame.n, np.int8), np.full(frame.n, np.nan), np.zeros(frame.n, bool))

    with pytest.raises(InputError, match="no usable answer"):
        run_probes(nothing, cases(), None, Settings(), ["noise_1"])
    with pytest.raises(InputError, match="no probe"):
        run_probes(logistic, cases(), None, Settings(), ["magic"])
    with pytest.raises(InputError, match="at least 1"):
        Settings(budget=0)
    with pytest.raises(InputError, match="no column"):
        Frame({}, {})
    with pytest.raises(InputError, match="point, near or far"):
        judge(of(silent, "noise_1"), 0.1, "middle", 1)


def test_a_group_of_few_cases_is_not_told_nor_what_others_leave_of_it():
    from collections import Counter

    from apps.analysis.probes.shifted import _told

    assert _told(Counter({"a": 100, "b": 195, "c": 5})) == ["b"]
    assert _told(Counter({"a": 295, "b": 5})) == []
    assert _told(Counter({"a": 100, "b": 100, "c": 12, "d": 12})) == ["a", "b"]
    whole = cases()
    odd = np.array(["one"] + ["two", "three"] * 200, dtype=object)[: whole.n]
    test = Cases(whole.frame, whole.labels, {"site": odd})
    found = run_probes(logistic, test, None, Settings(), ["group_shift"])
    assert "one" not in {f.where.rpartition(" ")[2] for f in found}
    few = of(found, "group_shift", "site")
    assert (few.n, few.value, dict(few.more)) == (0, None, {})
    assert "not computed for one (n = 1), three (n = " in few.sentence


def test_the_scale_is_that_of_the_test_rows_whatever_was_trained_on():
    names = ["noise_5", "out_of_range", "units", "adversarial"]
    wide = cases(300, seed=9)
    wide.frame.columns["marker"][:] *= 1000
    narrow = cases(300, seed=9)
    narrow.frame.columns["marker"][:] /= 1000
    told = [
        [f.as_dict() for f in run_probes(logistic, cases(), train, Settings(), names)]
        for train in (None, wide, narrow)
    ]
    assert told[0] == told[1] == told[2]


def group(where, count, n):
    low, high = proportion_confint(count, n, method="wilson")
    return Finding("group_shift", where, count / n, low, high, n, "Told.", count)


@pytest.mark.parametrize(
    ("rule", "groups", "verdict", "where"),
    [
        # The greatest value keeps the limit with its upper end; a smaller group is not shown to.
        ("far", [group("a", 500, 10_000), group("b", 1, 25)], "undecided", "b"),
        ("far", [group("a", 500, 10_000), group("b", 480, 10_000)], "within", "a"),
        # The greatest value leaves open what a larger group shows.
        ("near", [group("a", 6, 30), group("b", 950, 5_000)], "breached", "b"),
        # A group below the smallest n leaves the verdict open, as in a bias report, and hides no breach.
        ("point", [group("a", 1, 19), group("b", 500, 10_000)], "undecided", "a"),
        ("point", [group("a", 1, 19), group("b", 2_000, 10_000)], "breached", "b"),
    ],
)
def test_a_limit_is_held_against_what_decides_it_not_what_is_greatest(rule, groups, verdict, where):
    found = decisive(groups, "group_shift", 0.1, rule, 20)
    assert (found.where, judge(found, 0.1, rule, 20)[0]) == (where, verdict)


def test_whole_numbers_that_cannot_be_empty_get_no_answer():
    """Such a case is refused before the model is asked: a use where every case must get an answer is not served."""
    found = run_probes(logistic, cases(), None, Settings(), ["missing_each", "missing_unanswered"])
    age = of(found, "missing_unanswered", "age")
    assert (age.value, age.count, age.n) == (1.0, 400, 400)
    assert judge(decisive(found, "missing_unanswered", 0.9, "near", 30), 0.9, "near", 30)[0] == "breached"
    assert of(found, "missing_each", "age").value is None  # nothing is decided otherwise


def test_no_answer_when_asked_again_is_another_answer():
    calls = []

    def tires(frame):
        """Labels alone, mostly negative; from the second time on none at all, as where the process fails."""
        calls.append(frame.n)
        answered = len(calls) == 1
        decided = (frame.columns["marker"] > 2).astype(np.int64) * answered
        return Answers(decided, None, np.full(frame.n, answered))

    found = run_probes(tires, cases(), None, Settings(), ["repeatability"])
    assert [each.value for each in found] == [1.0, 1.0]


def test_scores_of_members_and_others_are_read_alike():
    """Margins that happen to lie within 0 and 1 among the test rows are margins all the same."""

    def margin(frame):
        scores = frame.columns["marker"]
        return Answers((scores >= 0).astype(np.int8), scores, np.isfinite(scores))

    def some(values, labels):
        frame = Frame({"marker": np.array(values)}, {"marker": "number"})
        return Cases(frame, np.array(labels, dtype=np.int8), {})

    test = some([0.1, 0.2, 0.3, 0.4] * 10, [0, 0, 1, 1] * 10)
    train = some([-3.0, 0.15, 0.35, 5.0] * 10, [0, 0, 1, 1] * 10)
    sure = lambda c: np.where(c.labels == 1, 1, -1) * c.frame.columns["marker"]  # noqa: E731
    truth = roc_auc_score([1] * 40 + [0] * 40, np.r_[sure(train), sure(test)])
    found = run_probes(margin, test, train, Settings(), ["membership"])[0]
    assert found.value == pytest.approx(truth, abs=1e-12)
