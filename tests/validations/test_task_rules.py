"""What a plan about several classes or a number must say, and which cases count, without a database."""

from __future__ import annotations

import pytest

from apps.core.errors import BadInput
from apps.validations import exclusions
from apps.validations.catalogue import suggested, why_not
from apps.validations.plan_task import canonical
from apps.validations.rules import PlanFacts, PlanInput, checked_plan
from apps.validations.states import Task

LABEL = {"name": "label", "type": "text", "shape": [None]}


def scores(width: int | None, name: str = "scores") -> dict:
    return {"name": name, "type": "number", "shape": [None, width]}


OF_THREE = {"outputs": [LABEL, scores(3)], "classes": []}
OF_ONE = {"outputs": [scores(1, "value")], "classes": []}
FACTS = PlanFacts(frozenset({"grade", "dose", "sex"}), "medium", affects_people=False, interface=OF_THREE)
SEVERAL = {
    "task": "multiclass",
    "classes": ["a", "b", "c"],
    "label_column": "grade",
    "positive_value": "a",
    "threshold": "",
    "group_columns": ["sex"],
    "criteria": [{"metric": "f1_macro", "limit": "0.5"}],
    "bias_limits": [],
    "rationale": "Enough.",
    "no_predecessor": "None.",
}
NUMBER = SEVERAL | {
    "task": "regression",
    "classes": [],
    "label_column": "dose",
    "positive_value": "",
    "target_unit": "mg/L",
    "criteria": [{"metric": "mae", "limit": "2", "direction": "max"}],
}


def refused(plan: dict, facts: PlanFacts = FACTS, **changes) -> dict:
    with pytest.raises(BadInput) as caught:
        checked_plan(PlanInput(**(plan | changes)), facts)
    return dict(caught.value.fields)


def of_number() -> PlanFacts:
    return PlanFacts(FACTS.columns, "medium", affects_people=False, interface=OF_ONE)


def test_both_stand_as_they_are():
    kept = checked_plan(PlanInput(**SEVERAL), FACTS)
    assert (kept["task"], kept["classes"], kept["threshold"]) == ("multiclass", ["a", "b", "c"], "")
    assert (kept["exclusion"], kept["max_excluded"]) == ("fail", "")
    kept = checked_plan(PlanInput(**NUMBER), of_number())
    assert (kept["task"], kept["target_unit"]) == ("regression", "mg/L")


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"task": "ranking"}, "task", "Choose one of"),
        ({"classes": ["a", "b"]}, "classes", "Name 3 to 60 classes"),
        ({"classes": ["a", "b", "b"]}, "classes", "named twice"),
        ({"classes": ["01", "b", "c"]}, "classes", "Write the class “01” as 1"),
        (
            {"classes": ["a", "b", "c", "d"]},
            "task",
            "gives 3 scores a case (“scores”); the plan names 4 classes",
        ),
        ({"positive_value": "z"}, "positive_value", "none of the classes"),
        ({"threshold": "0.5"}, "threshold", "leave it empty"),
        ({"target_unit": "mg"}, "target_unit", "Only a regression"),
        ({"undecided_from": "0.4", "undecided_to": "0.6"}, "undecided_from", "leave both empty"),
        ({"criteria": [{"metric": "auc", "limit": "0.8"}]}, "criteria", "“auc” is no metric of this task"),
        ({"criteria": [{"metric": "tpr", "limit": "0.8"}]}, "criteria", "name one of a, b, c"),
        ({"criteria": [{"metric": "tpr", "limit": "0.8", "class": "z"}]}, "criteria", "name one of a, b, c"),
        (
            {"criteria": [{"metric": "mcc", "limit": "0.8", "class": "a"}]},
            "criteria",
            "leave the class empty",
        ),
        ({"criteria": [{"metric": "accuracy", "limit": "0.8"}]}, "criteria", "log loss alone is not enough"),
        ({"positive_value": " "}, "positive_value", "Name the class that groups are compared on"),
        ({"exclusion": "exclude"}, "max_excluded", "greatest share"),
        ({"exclusion": "exclude", "max_excluded": "1"}, "max_excluded", "below 1"),
        ({"max_excluded": "0.1"}, "max_excluded", "leave it empty"),
        ({"exclusion": "sometimes"}, "exclusion", "Choose one of"),
        (
            {"criteria": [{"id": "excluded_rate", "metric": "mcc", "limit": "0.1"}]},
            "criteria",
            "the portal's own identifier",
        ),
    ],
)
def test_what_cannot_stand_of_several_classes(changes, field, words):
    assert words in refused(SEVERAL, **changes)[field][0]


@pytest.mark.parametrize(
    ("changes", "field", "words"),
    [
        ({"target_unit": ""}, "target_unit", "Say the unit"),
        ({"positive_value": "1"}, "positive_value", "no positive value"),
        ({"classes": ["a", "b", "c"]}, "classes", "leave them empty"),
        (
            {"criteria": [{"metric": "mae", "limit": "-1", "direction": "max"}]},
            "criteria",
            "between 0 and inf",
        ),
        ({"criteria": [{"metric": "mean_error", "limit": "1"}]}, "criteria", "a bias alone is not enough"),
        (
            {"bias_limits": [{"metric": "tpr", "kind": "difference", "column": "sex", "limit": "0.1"}]},
            "bias_limits",
            "this task has no disparity",
        ),
    ],
)
def test_what_cannot_stand_of_a_number(changes, field, words):
    assert words in refused(NUMBER, of_number(), **changes)[field][0]


@pytest.mark.parametrize(
    ("task", "interface", "words"),
    [
        (Task.REGRESSION, OF_THREE, "gives a label (“label”)"),
        (Task.REGRESSION, {"outputs": [scores(2)]}, "gives 2 numbers a case"),
        (Task.REGRESSION, {"outputs": [], "classes": ["a", "b"]}, "tells the classes a, b apart"),
        (Task.MULTICLASS, OF_ONE, "one number a case (“value”), and no class"),
        (Task.MULTICLASS, {"outputs": [LABEL], "classes": ["a", "b", "z"]}, "not the classes of the plan"),
        (Task.BINARY, OF_THREE, "3 classes apart"),
        (Task.BINARY, OF_ONE, ""),
        (Task.MULTICLASS, {"outputs": [LABEL]}, ""),
        (Task.MULTICLASS, {"outputs": [scores(None)]}, ""),
        (Task.REGRESSION, OF_ONE, ""),
    ],
)
def test_a_task_is_held_against_the_outputs_of_the_model(task, interface, words):
    said = why_not(task, ["a", "b", "c"], interface)
    assert words in said
    assert bool(words) == bool(said)


def test_the_outputs_suggest_a_task():
    assert suggested(OF_THREE) == (Task.MULTICLASS, [])
    assert suggested({"outputs": [], "classes": ["x", "y", "z"]}) == (Task.MULTICLASS, ["x", "y", "z"])
    assert suggested(OF_ONE) == (Task.REGRESSION, [])
    assert suggested({"outputs": [LABEL, scores(2)]}) == (Task.BINARY, [])


@pytest.mark.parametrize(
    ("text", "read"),
    [("01", "1"), ("1.0", "1"), ("1.50", "1.5"), ("TRUE", "true"), ("1e3", "1e3"), ("a1", "a1")],
)
def test_classes_are_read_as_data_files_are(text, read):
    assert canonical(text) == read


def group(**counts) -> dict:
    n = sum(counts.values())
    right = counts["tp"] + counts["tn"]
    return {
        "counts": counts,
        "metrics": {
            "accuracy": {"value": right / n, "n": n},
            "fpr": {"value": counts["fp"] / (counts["fp"] + counts["tn"]), "n": counts["fp"] + counts["tn"]},
            "f1": {"value": 0.5, "n": n},
            "balanced_accuracy": {"value": 0.5, "n": n},
            "auc": {"value": 0.9, "n": n},
            "brier": {"value": 0.1, "n": n},
            "log_loss": {"value": 0.1, "n": n},
            "ppv": {"value": None, "n": 0},
        },
    }


def test_the_worst_case_of_excluded_cases():
    found = group(tp=40, fn=10, fp=5, tn=45)
    assert exclusions.worst("accuracy", found, 10) == (85 / 110, "")
    assert exclusions.worst("fpr", found, 10) == (15 / 60, "")
    assert exclusions.worst("f1", found, 10) == (80 / (80 + 5 + 10 + 10), "")
    assert exclusions.worst("brier", found, 10)[0] == pytest.approx((10 + 10) / 110)
    assert exclusions.worst("auc", found, 10)[0] == pytest.approx(0.9 * 50 * 50 / (55 * 55))
    # Every way of giving the ten cases to the two classes, all of them wrong: the bound is the least of them.
    ways = [(40 / (50 + m) + 45 / (60 - m)) / 2 for m in range(11)]
    assert exclusions.worst("balanced_accuracy", found, 10)[0] == pytest.approx(min(ways), abs=1e-15)
    assert exclusions.worst("log_loss", found, 10)[0] is None
    assert "without a bound" in exclusions.worst("log_loss", found, 10)[1]
    assert exclusions.worst("ppv", found, 10) == (None, "the metric has no value")
    assert exclusions.worst("log_loss", found, 0) == (0.1, "")


def test_the_worst_area_is_the_least_over_every_way_the_excluded_labels_may_be():
    found = group(tp=4, fn=1, fp=2, tn=8)
    least = min(0.9 * 50 / ((5 + m) * (10 + 7 - m)) for m in range(8))
    assert exclusions.worst("auc", found, 7)[0] == pytest.approx(least, abs=1e-15)
