"""Acceptance criteria on estimates."""

from __future__ import annotations

import pytest

from apps.analysis import fairness, performance
from apps.analysis.errors import InputError
from apps.analysis.metrics import Estimate
from apps.analysis.verdicts import MET, NOT_MET, UNDECIDED, Criterion, find, judge, judge_report
from tests.analysis.tables import results

FOUND = Estimate(0.85, 0.81, 0.88, 400, "wilson")


@pytest.mark.parametrize(
    ("direction", "rule", "limit", "verdict"),
    [
        ("min", "point", 0.85, MET),
        ("min", "point", 0.86, NOT_MET),
        ("min", "lower", 0.81, MET),
        ("min", "lower", 0.82, NOT_MET),
        ("min", "upper", 0.88, MET),
        ("max", "point", 0.85, MET),
        ("max", "point", 0.84, NOT_MET),
        ("max", "upper", 0.88, MET),
        ("max", "upper", 0.87, NOT_MET),
    ],
)
def test_the_rule_says_what_is_held_against_the_limit(direction, rule, limit, verdict):
    judgement = judge(Criterion("accuracy", limit, direction, rule), FOUND)
    assert judgement.verdict == verdict
    assert judgement.compared == {"point": 0.85, "lower": 0.81, "upper": 0.88}[rule]


def test_the_sentence_says_criterion_value_interval_and_n():
    judgement = judge(Criterion("recall", 0.9, "min", "lower", subgroup={"sex": "F"}), FOUND)
    assert judgement.sentence == (
        "Not met: True positive rate (recall) where sex = F (lower end of its interval) at least 0.9; "
        "found 0.850 (0.810 to 0.880), n = 400."
    )


def test_a_sentence_has_no_minus_before_a_zero():
    estimate = Estimate(-0.0002, -0.0003, -0.0001, 500, "normal")
    said = judge(Criterion("mean_error", 0.1, "max", "upper"), estimate).sentence
    assert "0.000 (0.000 to 0.000)" in said
    assert "-0.000" not in said


def test_too_few_cases_and_no_value_and_no_interval_are_undecided():
    few = judge(Criterion("accuracy", 0.5, min_n=401), FOUND)
    assert (few.verdict, few.compared) == (UNDECIDED, None)
    assert "400 cases, at least 401" in few.sentence
    no_value = judge(Criterion("auc", 0.5), Estimate(None, None, None, 9, "none", "only one class"))
    assert no_value.verdict == UNDECIDED
    assert "only one class" in no_value.sentence
    no_interval = Estimate(1.0, None, None, 9, "none", "no interval")
    assert judge(Criterion("mcc", 0.5, rule="lower"), no_interval).verdict == UNDECIDED
    assert judge(Criterion("mcc", 0.5), no_interval).verdict == MET


@pytest.mark.parametrize(
    "wrong", [{"metric": "beauty"}, {"direction": "about"}, {"rule": "middle"}, {"min_n": 0}]
)
def test_a_criterion_that_means_nothing_is_refused(wrong):
    with pytest.raises(InputError):
        Criterion(**({"metric": "accuracy", "limit": 0.5} | wrong))


def test_criteria_are_judged_on_reports():
    columns = results(3000)
    overall = performance.report(columns, "y", "p", "s")
    groups = fairness.report(columns, "y", "p", "s", ["race", "sex"], intersections=True)
    assert judge_report(Criterion("roc_auc", 0.7, rule="lower"), overall).verdict == MET
    assert find(overall, "recall") == find(groups, "tpr")
    women = find(groups, "tpr", {"sex": "F"})
    assert women.n < find(groups, "tpr").n
    both = find(groups, "tpr", {"sex": "F", "race": "A"})
    assert both.n < women.n
    with pytest.raises(InputError, match="no group sex = X"):
        find(groups, "tpr", {"sex": "X"})
    with pytest.raises(InputError, match="no group sex = F"):
        find(overall, "tpr", {"sex": "F"})
    with pytest.raises(InputError, match="no Area under"):
        find(performance.report(columns, "y", "p"), "auc")
