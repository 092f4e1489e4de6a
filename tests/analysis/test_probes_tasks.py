"""Probes of several classes and of a predicted number, held against scikit-learn and against what must be true."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, roc_auc_score

from apps.analysis.errors import InputError
from apps.analysis.intervals import newcombe, wilson
from apps.analysis.probes import PROBES, VERSION, Answers, Cases, Deciding, Frame, Settings, run_probes, worst
from apps.analysis.probes.adversarial import search
from apps.analysis.probes.catalogue import CHANGES, changes_since
from apps.analysis.probes.deciding import confidence
from apps.analysis.probes.frames import ranges_of
from apps.analysis.probes.shifted import FAR_PART, distances

KINDS = {"age": "whole", "marker": "number", "smoker": "whole", "site": "text"}
CLASSES = Deciding(classes=("low", "middle", "high"))
NUMBER = Deciding(tolerance=0.5, error=2.0, unit="mg/L")
WANTED = [name for name in PROBES if name not in ("parity", "epsilon")]


def frame_of(n, seed):
    rng = np.random.default_rng(seed)
    site = np.array(["north", "south"], dtype=object)[rng.integers(0, 2, n)]
    columns = {
        "age": rng.integers(18, 80, n).astype(float),
        "marker": rng.normal(0, 1, n),
        "smoker": rng.integers(0, 2, n).astype(float),
        "site": site,
    }
    return Frame(columns, KINDS), rng


def drive(frame):
    age, marker, smoker = (frame.columns[name] for name in ("age", "marker", "smoker"))
    return 2 * marker + 0.02 * (age - 50) + 0.6 * smoker


def of_classes(frame):
    """Softmax of three classes along one drive."""
    x = drive(frame)
    raw = np.column_stack([-1.5 * x, np.full(len(x), 0.4), 1.5 * x])
    raw = np.exp(raw - np.nan_to_num(raw.max(axis=1))[:, None])
    scores = raw / raw.sum(axis=1, keepdims=True)
    usable = np.isfinite(scores).all(axis=1)
    return Answers(np.nan_to_num(scores, nan=-1.0).argmax(axis=1), scores, usable, CLASSES)


def of_number(frame):
    values = 12 + 3 * drive(frame)
    return Answers(np.zeros(len(values), np.int8), values, np.isfinite(values), NUMBER)


def cases(kind, n=400, seed=5):
    frame, rng = frame_of(n, seed)
    if kind == "number":
        labels = 12 + 3 * drive(frame) + rng.normal(0, 1.5, n)
    else:
        labels = np.digitize(drive(frame) + rng.normal(0, 0.5, n), [-0.4, 0.6])
    groups = {"sex": np.where(frame.columns["age"] > 45, "old", "young").astype(object)}
    return Cases(frame, labels, groups)


MODELS = {"classes": of_classes, "number": of_number}


@pytest.fixture(scope="module", params=list(MODELS))
def probed(request):
    kind = request.param
    made = run_probes(MODELS[kind], cases(kind), cases(kind, 300, 9), Settings(flips=1), WANTED)
    return kind, made


def of(findings, probe, where=None):
    return next(f for f in findings if f.probe == probe and where in (None, f.where))


def test_every_probe_gives_a_figure_with_n_and_interval(probed):
    kind, found = probed
    assert {f.probe for f in found} == set(WANTED)
    for each in found:
        if each.value is None:
            assert each.reason
            continue
        assert each.low <= each.value <= each.high, each
        assert each.n > 0
        assert "decision" not in each.sentence
        if kind == "number" and each.probe.startswith("noise"):
            assert "mg/L on average" in each.sentence
    flips = of(found, "adversarial")
    assert flips.more["flags"] == ["smoker"]


def test_noise_counts_other_classes_and_numbers_beyond_the_tolerance(probed):
    kind, found = probed
    test, rng = cases(kind), None
    for probe, part in (("noise_5", 0.05), ("noise_10", 0.10)):
        import zlib

        rng = np.random.default_rng([1, zlib.crc32(probe.encode())])
        ranges = ranges_of(test.frame)
        noisy = test.frame.having(
            {
                n: test.frame.columns[n] + rng.normal(0, part * ranges[n].sd, test.n)
                for n in test.frame.numbers
            }
        )
        before, after = MODELS[kind](test.frame), MODELS[kind](noisy)
        if kind == "classes":
            count = int((before.scores.argmax(axis=1) != after.scores.argmax(axis=1)).sum())
        else:
            count = int((np.abs(before.scores - after.scores) > 0.5).sum())
            moves = of(found, probe).more
            assert moves["move"] == pytest.approx(mean_absolute_error(before.scores, after.scores), abs=1e-12)
            assert moves["move_low"] < moves["move"] < moves["move_high"]
        finding = of(found, probe)
        assert (finding.count, finding.n) == (count, test.n)
        assert (finding.low, finding.high) == wilson(count, test.n)


def test_far_rows_and_another_mix_count_wrong_answers(probed):
    kind, found = probed
    test, train = cases(kind), cases(kind, 300, 9)
    answers = MODELS[kind](test.frame)
    wrong = (
        answers.scores.argmax(axis=1) != test.labels
        if kind == "classes"
        else np.abs(answers.scores - test.labels) > 2
    )
    far = np.argsort(-distances(train.frame, test.frame), kind="stable")[: round(FAR_PART * test.n)]
    assert of(found, "far_rows").count == int(wrong[far].sum())
    if kind == "number":
        more = of(found, "far_rows").more
        assert more["error"] == pytest.approx(mean_absolute_error(test.labels[far], answers.scores[far]))
        assert more["error_n"] + more["rest_error_n"] == test.n
    inside = test.groups["sex"] == "young"
    fall = of(found, "group_shift", "sex = young")
    ends = newcombe(
        (~wrong)[~inside].sum(), (~inside).sum(), (~wrong)[inside].sum(), inside.sum(), fall.level
    )
    scale = 0.5 * (1 - inside.mean())
    assert (fall.low, fall.high) == pytest.approx((scale * ends[0], scale * ends[1]))


def test_membership_is_the_area_of_the_loss_threshold(probed):
    kind, found = probed
    sure = []
    for part in (cases(kind, 300, 9), cases(kind)):
        answers = MODELS[kind](part.frame)
        if kind == "classes":
            sure.append(answers.scores[np.arange(part.n), part.labels])
        else:
            sure.append(-np.abs(answers.scores - part.labels))
    truth = np.r_[np.ones(300), np.zeros(400)]
    finding = of(found, "membership")
    assert finding.value == pytest.approx(roc_auc_score(truth, np.concatenate(sure)), abs=1e-12)
    assert finding.high < 0.6  # nothing leaks


@pytest.mark.parametrize("kind", list(MODELS))
def test_a_model_that_remembers_is_told(kind):
    test, train = cases(kind), cases(kind, 300, 9)
    known = {
        tuple(row): y
        for row, y in zip(zip(*train.frame.columns.values(), strict=True), train.labels, strict=True)
    }

    def remembers(frame):
        answers = MODELS[kind](frame)
        scores = answers.scores.copy()
        for i, row in enumerate(zip(*frame.columns.values(), strict=True)):
            if row in known:
                scores[i] = np.eye(3)[known[row]] if kind == "classes" else known[row]
        decided = scores.argmax(axis=1) if kind == "classes" else answers.decided
        return Answers(decided, scores, answers.usable, answers.by)

    leaking = run_probes(remembers, test, train, Settings(), ["membership", "inversion"])
    assert of(leaking, "membership").low > 0.6
    honest = run_probes(MODELS[kind], test, train, Settings(), ["inversion"])
    assert of(leaking, "inversion", "smoker").low > 0.1  # only the true value brings the remembered answer
    assert of(honest, "inversion", "smoker").low < 0 < of(honest, "inversion", "smoker").high


def test_labels_without_scores_are_judged_as_decisions():
    def bare(frame):
        answers = of_classes(frame)
        return Answers(answers.decided, None, np.ones(frame.n, bool), CLASSES)

    test, train = cases("classes"), cases("classes", 300, 9)
    found = run_probes(bare, test, train, Settings(), WANTED)
    scored = run_probes(of_classes, test, train, Settings(), ["noise_10"])
    assert of(found, "noise_10").count == of(scored, "noise_10").count
    assert (
        confidence(bare(test.frame), test.labels, bounded=True) == (bare(test.frame).decided == test.labels)
    ).all()
    assert worst(found, "repeatability").value == 0


def test_scores_with_other_bits_are_told_of_any_class():
    calls = iter(range(1000))

    def drifting(frame):
        answers = of_classes(frame)
        scores = answers.scores.copy()
        scores[:, 1] += 1e-16 * next(calls)
        return Answers(answers.decided, scores, answers.usable, CLASSES)

    test = cases("classes")
    assert worst(run_probes(drifting, test, None, Settings(), ["repeatability"]), "repeatability").value > 0
    assert (
        worst(run_probes(of_classes, test, None, Settings(), ["repeatability"]), "repeatability").value == 0
    )


@settings(max_examples=30, deadline=None)
@given(
    kind=st.sampled_from(list(MODELS)),
    epsilon=st.floats(0.01, 3),
    budget=st.integers(1, 30),
    flips=st.integers(0, 2),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_search_keeps_its_bounds_its_budget_and_its_flips(kind, epsilon, budget, flips, seed):
    some, ask = cases(kind, 40), MODELS[kind]
    ranges, before = ranges_of(some.frame), ask(some.frame)
    assert ranges["smoker"].flag
    attack = search(
        ask, some.frame, before, ranges, epsilon=epsilon, budget=budget, flips=flips,
        rng=np.random.default_rng(seed),
    )  # fmt: skip
    assert attack.asked.max() <= budget
    turned = attack.frame.columns["smoker"] != some.frame.columns["smoker"]
    assert set(np.unique(attack.frame.columns["smoker"])) <= {0.0, 1.0}
    if not flips:
        assert not turned.any()
    for name in ("age", "marker"):
        away = np.abs(attack.frame.columns[name] - some.frame.columns[name])
        assert (away <= epsilon * ranges[name].sd * (1 + 1e-9)).all()
    after = ask(attack.frame)
    assert before.by.other(before, after)[attack.flipped].all()
    assert np.allclose(attack.after.scores[attack.flipped], after.scores[attack.flipped])


def test_a_flip_finds_what_hangs_on_a_column_of_0_and_1():
    """Nothing but the flag decides: no number's move helps, and one flip does."""

    def by_flag(frame):
        scores = 0.2 + 0.6 * frame.columns["smoker"]
        return Answers((scores >= 0.5).astype(np.int8), scores, np.ones(frame.n, bool))

    test = cases("classes", 60)
    none = run_probes(by_flag, test, None, Settings(), ["adversarial"])[0]
    assert none.value == 0
    one = run_probes(by_flag, test, None, Settings(flips=1), ["adversarial"])[0]
    assert one.value == 1
    assert all("smoker flipped" in told for told in one.more["examples"])
    assert "flipping at most 1 of its 0/1 columns" in one.sentence


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.tuples(st.floats(-50, 50), st.floats(-50, 50)), min_size=1, max_size=20),
    st.floats(0, 10),
    st.floats(0, 10),
)
def test_a_wider_tolerance_never_counts_more(pairs, first, second):
    old, new = (np.array(each) for each in zip(*pairs, strict=True))
    usable = np.ones(len(old), bool)
    zeros = np.zeros(len(old), np.int8)

    def counted(tolerance):
        by = Deciding(tolerance=tolerance, error=tolerance)
        before, after = Answers(zeros, old, usable, by), Answers(zeros, new, usable, by)
        assert (by.wrong(before, new) == by.other(before, after)).all()
        assert (by.gap(before, after) < 0).tolist() == by.other(before, after).tolist()
        return int(by.other(before, after).sum())

    narrow, wide = sorted((first, second))
    assert counted(wide) <= counted(narrow)


def test_what_a_tolerance_cannot_be_is_refused():
    for wrong in (
        {"tolerance": -1.0},
        {"tolerance": 1.0, "error": -1.0},
        {"tolerance": 1.0, "classes": ("a", "b")},
    ):
        with pytest.raises(InputError, match="tolerance"):
            Deciding(**wrong)
    with pytest.raises(InputError, match="predicts no number"):
        confidence(Answers(np.zeros(2), None, np.ones(2, bool), NUMBER), np.zeros(2), bounded=True)


def test_every_version_of_the_catalogue_says_what_it_changed():
    assert sorted(CHANGES) == list(range(2, VERSION + 1))
    assert changes_since(VERSION) == ""
    assert changes_since(1).startswith(CHANGES[2])
