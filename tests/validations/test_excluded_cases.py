"""Cases that cannot be judged: they fail the run, or are excluded, counted, judged and kept. Models that mislead."""

from __future__ import annotations

import pytest

from apps.core.errors import BadInput
from apps.core.jobs import run_queued
from apps.fairness.acts import request_report
from apps.fairness.computing import without_the_excluded
from apps.fairness.models import Report
from apps.quality.models import Deviation
from apps.validations import cases as per_case
from apps.validations import exclusions
from apps.validations.figures import bounded
from apps.validations.stored import read_results
from tests.factories.data import vault_csv
from tests.factories.evidence import validated_world
from tests.factories.tasks import CLASSES, changed, tasked_world, trial_csv
from tests.validations.test_task_runs import rows_of

EXCLUDE = {"exclusion": "exclude", "max_excluded": "0.1"}
OLD = sum(int(row["age"]) > 75 for row in rows_of(trial_csv()))


@pytest.mark.parametrize(
    ("task", "kind", "test", "words"),
    [
        (
            "multiclass",
            "some_nan",
            None,
            f"score is missing or not finite in {OLD}. The plan excludes no case",
        ),
        ("multiclass", "twice", None, "score lies outside 0 to 1 in"),
        ("multiclass", "numbers", None, "prediction is none of the classes in 400"),
        (
            "multiclass",
            "usual",
            changed(trial_csv(), "grade", lambda i, v: "Benign" if i < 7 else v),
            "holds none of the plan's classes in 7 of 400 rows",
        ),
        (
            "multiclass",
            "usual",
            changed(trial_csv(), "grade", lambda i, v: "" if i < 2 else v),
            "is empty in 2 of 400 rows",
        ),
        (
            "regression",
            "some_nan",
            None,
            f"score is missing or not finite in {OLD}. The plan excludes no case",
        ),
        (
            "regression",
            "usual",
            changed(trial_csv(), "dose", lambda i, v: "about 12" if i < 4 else v),
            "holds no finite number in 4 of 400 rows",
        ),
    ],
)
def test_without_the_rule_one_such_case_fails_the_run(world, task, kind, test, words):
    run = tasked_world(world, task, kind=kind, test=test).run
    assert (run.state, run.verdict, run.results_digest) == ("failed", "", "")
    assert words in run.failure
    assert Deviation.objects.get(source_kind="validations.run").description == run.failure


def test_a_column_too_many_is_refused_when_the_plan_is_written_and_when_it_runs(world):
    with pytest.raises(BadInput) as caught:
        tasked_world(world, "multiclass", kind="four", until="drafted")
    assert (
        "gives 4 scores a case (“probabilities”); the plan names 3 classes" in caught.value.fields["task"][0]
    )


def test_two_numbers_a_case_are_no_regression(world):
    with pytest.raises(BadInput) as caught:
        tasked_world(world, "regression", kind="two", until="drafted")
    assert "gives 2 numbers a case (“value”)" in caught.value.fields["task"][0]


def test_scores_without_names_are_taken_in_the_order_of_the_plan(world):
    run = tasked_world(world, "multiclass", kind="scores").run
    assert (run.state, run.verdict) == ("done", "met")
    assert any("gives no label" in w for w in read_results(run.results_digest)["warnings"])


def test_numbers_written_as_text_are_the_same_classes(world):
    """Labels 0, 1, 2 in the data, whole numbers from the model, texts in the plan."""
    data = changed(trial_csv(), "grade", lambda i, v: str(CLASSES.index(v)))
    run = tasked_world(
        world,
        "multiclass",
        kind="numbers",
        test=data,
        classes=["0", "1", "2"],
        positive_value="2",
        criteria=[{"id": "C1", "metric": "f1_macro", "limit": "0.5"}],
    ).run
    assert (run.state, run.verdict) == ("done", "met")


def test_excluded_cases_of_several_classes_are_counted_judged_and_bounded(world):
    data = changed(trial_csv(), "grade", lambda i, v: {0: "", 1: "Benign"}.get(i, v))
    evidence = tasked_world(world, "multiclass", kind="some_nan", test=data, **EXCLUDE)
    run = evidence.run
    assert (run.state, run.failure) == ("done", "")
    rows = rows_of(data)
    bad = {0, 1} | {i for i, row in enumerate(rows) if int(row["age"]) > 75}
    results = read_results(run.results_digest)
    told = {one["reason"]: one["n"] for one in results["excluded"]["reasons"]}
    assert told[exclusions.NO_LABEL] == told[exclusions.STRANGE_LABEL] == 1
    assert sum(told.values()) == len(bad) == results["excluded"]["n"]
    assert results["coverage"]["scored"] == 400 - len(bad) == results["report"]["n"]
    cases = per_case.read_cases_table(run.cases_digest)
    assert len(cases) == 400
    assert {i for i, why in enumerate(cases[per_case.EXCLUDED].to_pylist()) if why} == bad
    share = run.results.get(criterion="excluded_rate")
    assert (float(share.value), share.n) == (pytest.approx(len(bad) / 400), 400)
    assert share.verdict == ("met" if len(bad) <= 40 else "not_met")
    assert f"{len(bad)} of 400 cases" in share.sentence
    worst = {one["id"]: one for one in results["worst_case"]}
    accuracy = next(
        g for g in results["report"]["groupings"][0]["groups"] if g["values"] == [["sex", "female"]]
    )
    right = float(accuracy["metrics"]["accuracy"]["value"]) * accuracy["n"]
    women = sum(rows[i]["sex"] == "female" for i in bad)
    assert worst["C3"]["excluded"] == women
    assert float(worst["C3"]["value"]) == pytest.approx(right / (accuracy["n"] + women), abs=1e-9)
    assert worst["C4"]["kept"] is None


def test_more_excluded_cases_than_allowed_open_a_deviation(world):
    evidence = tasked_world(world, "regression", kind="some_nan", exclusion="exclude", max_excluded="0.001")
    assert evidence.run.verdict == "not_met"
    assert Deviation.objects.get(criterion="excluded_rate").description.startswith(
        "Not met: Share of excluded cases"
    )


def test_of_two_classes_a_case_without_a_label_or_weight_is_excluded(world):
    """And where the plan judges probabilities nothing else changes for cases that can be judged."""
    data = changed(vault_csv(), "outcome", lambda i, v: "" if i < 6 else v)
    data = changed(data, "dose", lambda i, v: "0" if i in (5, 6) else v)
    run = validated_world(world, until="run", test=data, weight_column="dose", **EXCLUDE).run
    assert (run.state, run.failure) == ("done", "")
    results = read_results(run.results_digest)
    assert {one["reason"]: one["n"] for one in results["excluded"]["reasons"]} == {
        exclusions.NO_LABEL: 6,
        exclusions.BAD_WEIGHT: 1,
    }
    assert results["report"]["n"] == 393
    assert {one["reason"] for one in results["worst_case"]} == {"rows are weighted: no bound is computed"}
    judged = run.results.exclude(criterion="excluded_rate")
    assert {one.verdict for one in judged} == {"undecided"}
    assert all("7 of its cases were excluded" in one.sentence or one.subgroup != "all" for one in judged)
    report = request_report(world.bias_tester, run.pk)
    run_queued()
    report = Report.objects.get(pk=report.pk)
    assert (report.state, report.failure) == ("done", "")
    assert read_results(report.results_digest)["report"]["n"] == 393


def test_three_values_of_a_label_of_two_still_fail_the_run(world):
    data = changed(vault_csv(), "outcome", lambda i, v: "2" if i < 5 else v)
    run = validated_world(world, until="run", test=data, **EXCLUDE).run
    assert (run.state, run.failure) == ("failed", "The label column “outcome” has more than two values.")


def test_nothing_left_to_judge_fails_the_run(world):
    data = changed(trial_csv(), "dose", lambda i, v: "")
    run = tasked_world(world, "regression", test=data, **EXCLUDE).run
    assert (run.state, run.failure) == ("failed", "All 400 cases are excluded: none can be judged.")


def line(verdict="met", **more):
    return {"criterion": "C1", "verdict": verdict, "sentence": "Met."} | more


@pytest.mark.parametrize(
    ("bound", "verdict"),
    [
        ({"excluded": 3, "kept": True, "value": "0.71", "reason": ""}, "met"),
        ({"excluded": 3, "kept": False, "value": "0.69", "reason": ""}, "undecided"),
        ({"excluded": 3, "kept": None, "value": "", "reason": "rows are weighted"}, "undecided"),
        ({"excluded": 0, "kept": None, "value": "", "reason": "rows are weighted"}, "met"),
    ],
)
def test_leaving_cases_out_is_never_what_meets_a_criterion(bound, verdict):
    assert bounded([line()], [bound])[0]["verdict"] == verdict
    assert bounded([line("not_met")], [bound])[0]["verdict"] == "not_met"
    assert bounded([line()], []) == [line()]


def test_a_class_without_a_counted_case_has_no_bound():
    part = {"confusion": [[9, 1], [0, 0]], "metrics": {"balanced_accuracy": {"value": 0.9, "n": 10}}}
    value, why = exclusions.worst("balanced_accuracy", part, 5)
    assert value is None
    assert "without a bound" in why


@pytest.mark.parametrize(
    ("rows", "n", "verdict"),
    [
        (12, 12, "undecided"),  # the group is gone
        (40, 12, "undecided"),  # fell below the least n
        (400, 41, "undecided"),  # lost more than the plan lets the whole set lose
        (400, 12, "within"),
        (400, 0, "within"),
    ],
)
def test_a_limit_is_not_kept_by_leaving_a_group_out(rows, n, verdict):
    kept = {"verdict": "within", "sentence": "Within limit."}
    groups = [
        {"column": "sex", "value": "female", "rows": rows, "n": n},
        {"column": "site", "value": "north", "rows": 10, "n": 10},
    ]
    found = without_the_excluded(kept, {"column": "sex", "min_n": 30}, {"max_share": "0.1", "groups": groups})
    assert found["verdict"] == verdict
    assert ("where sex = female" in found["sentence"]) == (verdict == "undecided")
    assert without_the_excluded(kept, {"column": "sex", "min_n": 30}, {}) == kept
