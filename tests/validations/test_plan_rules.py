"""What a plan must say, without a database."""

from __future__ import annotations

import pytest

from apps.core.errors import BadInput
from apps.validations.rules import PlanFacts, PlanInput, checked_plan, disparity_name, subgroup_values

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
def test_bare_accuracy_is_enough_at_low_tier_only(tier, allowed):
    facts = PlanFacts(FACTS.columns, tier, affects_people=False)
    criteria = [CRITERION | {"metric": "accuracy"}]
    if allowed:
        assert checked_plan(given(criteria=criteria), facts)["criteria"]
    else:
        assert "Annex 22 draft 4.1" in refused(facts, criteria=criteria)["criteria"][0]
        both = [*criteria, CRITERION | {"metric": "specificity"}]
        assert len(checked_plan(given(criteria=both), facts)["criteria"]) == 2


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
