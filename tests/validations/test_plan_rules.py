"""What a plan must say, without a database."""

from __future__ import annotations

import pytest

from apps.core.errors import BadInput
from apps.validations.catalogue import METRICS, TELLING
from apps.validations.rules import (
    PlanFacts,
    PlanInput,
    checked_plan,
    disparity_name,
    subgroup_values,
)
from apps.validations.states import Task

FACTS = PlanFacts(columns=frozenset({"outcome", "sex", "site", "age"}), tier="medium", affects_people=True)
CRITERION = {"metric": "sensitivity", "limit": "0.8", "direction": "min", "rule": "lower", "min_n": 50}
LIMIT = {"metric": "tpr", "kind": "difference", "column": "sex", "limit": 0.1, "rule": "far"}


def given(**changes) -> PlanInput:
    fields = {
        "label_column": "outcome",
        "positive_value": "1",
        "threshold": "0.5",
        "group_columns": ["sex"],
        "criteria": [CRITERION],
        "bias_limits": [LIMIT],
        "rationale": "Enough cases of either sex.",
        "no_predecessor": "Nothing was done before.",
    }
    return PlanInput(**(fields | changes))


def refused(facts: PlanFacts = FACTS, **changes) -> dict[str, list[str]]:
    with pytest.raises(BadInput) as error:
        checked_plan(given(**changes), facts)
    return error.value.fields


def test_a_plan_gets_canonical_names_ids_and_decimal_text():
    plan = checked_plan(given(), FACTS)
    assert plan["criteria"] == [
        {
            "id": "C1",
            "metric": "tpr",
            "subgroup": "all",
            "direction": "min",
            "limit": "0.8",
            "rule": "lower",
            "min_n": 50,
        }
    ]
    assert plan["bias_limits"] == [
        {
            "id": "F1",
            "metric": "equal_opportunity_difference",
            "kind": "difference",
            "column": "sex",
            "limit": "0.1",
            "rule": "far",
            "min_n": 30,
        }
    ]


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("label_column", {"label_column": "result"}),
        ("positive_value", {"positive_value": " "}),
        ("threshold", {"threshold": "half"}),
        ("threshold", {"threshold": "nan"}),
        ("group_columns", {"group_columns": ["sex", "race"]}),
        ("group_columns", {"group_columns": [], "bias_limits": [], "criteria": []}),
        ("group_columns", {"group_columns": ["sex", "sex"]}),
        ("group_columns", {"group_columns": ["sex", "outcome"]}),
        ("rationale", {"rationale": ""}),
        ("criteria", {"criteria": []}),
        ("criteria", {"criteria": [CRITERION | {"metric": "goodness"}]}),
        ("criteria", {"criteria": [CRITERION | {"limit": "high"}]}),
        ("criteria", {"criteria": [CRITERION | {"limit": "1.2"}]}),
        ("criteria", {"criteria": [CRITERION | {"limit": True}]}),
        ("criteria", {"criteria": [CRITERION | {"direction": "up"}]}),
        ("criteria", {"criteria": [CRITERION | {"rule": "middle"}]}),
        ("criteria", {"criteria": [CRITERION | {"min_n": 0}]}),
        ("criteria", {"criteria": [CRITERION | {"min_n": 1.5}]}),
        ("criteria", {"criteria": [CRITERION | {"subgroup": "female"}]}),
        ("criteria", {"criteria": [CRITERION | {"subgroup": "site=north"}]}),
        ("criteria", {"criteria": [CRITERION | {"id": "C9"}, CRITERION | {"id": "C9"}]}),
        ("bias_limits", {"bias_limits": []}),
        ("bias_limits", {"bias_limits": [LIMIT | {"metric": "log_loss"}]}),
        ("bias_limits", {"bias_limits": [LIMIT | {"limit": "2"}]}),
        ("bias_limits", {"bias_limits": [LIMIT | {"rule": "lower"}]}),
        ("bias_limits", {"bias_limits": [LIMIT | {"column": "site"}]}),
    ],
)
def test_each_fault_is_named_at_its_field(field, changes):
    fields = refused(**changes)
    assert field in fields
    assert set(fields) - {field} <= {name for name in changes if not changes[name]}


def test_all_faults_come_at_once():
    assert set(refused(label_column="x", threshold="", rationale="")) == {
        "label_column",
        "threshold",
        "rationale",
    }


@pytest.mark.parametrize(("tier", "allowed"), [("low", True), ("medium", False), ("high", False)])
@pytest.mark.parametrize(
    "metrics", [("accuracy",), ("accuracy", "base_rate"), ("selection_rate",), ("brier",)]
)
def test_bare_accuracy_is_enough_at_low_tier_only(tier, allowed, metrics):
    """Nor is it with a figure beside it that says nothing of errors."""
    facts = PlanFacts(FACTS.columns, tier, affects_people=False)
    criteria = [CRITERION | {"metric": metric} for metric in metrics]
    if allowed:
        assert checked_plan(given(criteria=criteria), facts)["criteria"]
    else:
        assert "Annex 22 draft 4.1" in refused(facts, criteria=criteria)["criteria"][0]
        both = [*criteria, CRITERION | {"metric": "specificity"}]
        assert len(checked_plan(given(criteria=both), facts)["criteria"]) == len(both)
        assert all(set(METRICS[task]) >= TELLING[task] for task in Task)


def test_no_limit_is_needed_where_nobody_is_affected():
    facts = PlanFacts(FACTS.columns, "low", affects_people=False)
    assert checked_plan(given(bias_limits=[]), facts)["bias_limits"] == []


def test_scales_of_metrics_differ():
    plan = checked_plan(
        given(
            criteria=[
                CRITERION | {"metric": "mcc", "limit": "-0.1"},
                CRITERION | {"id": "L", "metric": "log_loss", "limit": "1.7", "direction": "max"},
            ]
        ),
        FACTS,
    )
    assert [c["limit"] for c in plan["criteria"]] == ["-0.1", "1.7"]


def test_a_limit_is_found_by_its_name_its_alias_or_its_metric():
    assert disparity_name("disparate_impact") == "demographic_parity_ratio"
    assert disparity_name("selection_rate", "ratio") == "demographic_parity_ratio"
    assert disparity_name("recall") == "equal_opportunity_difference"
    assert disparity_name("log_loss", "ratio") is None


def test_a_subgroup_reads_as_column_and_value():
    assert subgroup_values("all") == {}
    assert subgroup_values("band=a=b") == {"band": "a=b"}


BASELINE = {"metric": "recall", "value": "0.7", "n": 200, "source": "Report Q-17"}
UNDECIDED = {"metric": "undecided_rate", "limit": "0.2", "direction": "max", "rule": "upper"}
BAND = {"undecided_from": "0.4", "undecided_to": "0.6", "criteria": [CRITERION, UNDECIDED]}


def test_the_replaced_process_is_named_by_value_source_and_n_or_said_to_be_none():
    plan = checked_plan(given(baselines=[BASELINE, BASELINE | {"metric": "fpr"}], no_predecessor=""), FACTS)
    first, second = plan["baselines"]
    assert (first["id"], first["metric"], first["direction"], first["n"]) == ("P1", "tpr", "min", 200)
    assert (second["direction"], second["rule"]) == ("max", "point")
    low = PlanFacts(columns=FACTS.columns, tier="low", affects_people=False)
    assert checked_plan(given(no_predecessor=""), low)["baselines"] == []


@pytest.mark.parametrize(
    ("changes", "field", "said"),
    [
        ({"no_predecessor": ""}, "baselines", "or why there is none"),
        ({"baselines": [BASELINE]}, "no_predecessor", "name no baseline"),
        ({"baselines": [BASELINE | {"source": " "}]}, "baselines", "where the value comes from"),
        ({"baselines": [BASELINE | {"value": "NaN"}]}, "baselines", "must be a number"),
        ({"baselines": [BASELINE | {"value": "1.4"}]}, "baselines", "outside"),
        ({"baselines": [BASELINE | {"n": "-3"}]}, "baselines", "its n is the whole number"),
        ({"baselines": [BASELINE | {"metric": "selection_rate"}]}, "baselines", "is not better"),
        ({"baselines": [BASELINE | {"metric": "undecided_rate"}]}, "baselines", "count as undecided"),
        ({"baselines": [BASELINE | {"subgroup": "age=5"}]}, "baselines", "not among the group columns"),
        ({"baselines": [BASELINE | {"id": "C1"}], "no_predecessor": ""}, "baselines", "of a criterion"),
        ({"criteria": [CRITERION, UNDECIDED]}, "undecided_from", "needs the scores"),
        ({"undecided_from": "0.4", "undecided_to": "0.6"}, "criteria", "limits the undecided rate"),
        (BAND | {"undecided_to": ""}, "undecided_to", "Both ends"),
        (BAND | {"undecided_to": "1.5"}, "undecided_to", "Both ends"),
        (BAND | {"undecided_to": "0.4"}, "undecided_to", "ends above"),
        (BAND | {"undecided_from": "0.55"}, "undecided_from", "around the threshold"),
        ({"unit_column": "patient"}, "unit_column", "no column “patient”"),
        ({"weight_column": "sex"}, "weight_column", "makes groups already"),
        ({"unit_column": "age", "weight_column": "age"}, "weight_column", "not both"),
        (
            BAND | {"criteria": [CRITERION | {"metric": "accuracy"}, UNDECIDED]},
            "criteria",
            "or a figure of the data, is not enough",
        ),
    ],
)
def test_what_cannot_stand_of_the_newer_parts(changes, field, said):
    assert any(said in message for message in refused(**changes)[field])


def test_a_band_units_and_weights_are_kept_as_they_were_entered():
    plan = checked_plan(given(**BAND, unit_column="age", weight_column=""), FACTS)
    assert (plan["undecided_from"], plan["undecided_to"], plan["unit_column"]) == ("0.4", "0.6", "age")
    assert plan["criteria"][1]["metric"] == "undecided_rate"
