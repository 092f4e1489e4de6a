"""Every report meets the JSON Schema that is shipped, and the schema refuses what is not one."""

from __future__ import annotations

import io
import json

import jsonschema
import pytest
from django.core.management import call_command

from apps.analysis import schemas
from tests.analysis.tables import results, write

CHECK = jsonschema.Draft202012Validator(schemas.load())


@pytest.fixture
def file(tmp_path):
    columns = results(400) | {"w": [1 + i % 3 for i in range(400)], "who": [i // 2 for i in range(400)]}
    columns["p2"] = [int(s > 0.4) for s in columns["s"]]
    columns["s2"] = [s / 2 for s in columns["s"]]
    return write(columns, tmp_path / "cases.csv")


def printed(*arguments):
    out = io.StringIO()
    call_command("analyse", *map(str, arguments), stdout=out)
    return out.getvalue()


RESULTS = ("--label", "y", "--prediction", "p", "--score", "s")
DESIGN = ("--entity", "who", "--weight", "w")
COMMANDS = [
    ("fairness", *RESULTS, "--groups", "race,sex", "--intersections", "--limit", "disparate_impact=0.8"),
    ("fairness", *RESULTS, "--groups", "race,sex", "--intersections", *DESIGN),
    ("performance", *RESULTS),
    ("performance", *RESULTS, "--groups", "sex", *DESIGN),
    ("performance", "--label", "race", "--prediction", "race", "--task", "multiclass", "--groups", "sex"),
    ("performance", "--label", "s", "--prediction", "s2", "--task", "regression", "--groups", "sex", *DESIGN),
    ("performance", "--label", "y", "--score", "s", "--task", "ranking", "--k", "5"),
    ("thresholds", "--label", "y", "--score", "s", "--locked", "0.4"),
    ("thresholds", "--label", "y", "--score", "s", "--at", "0.2,0.4", *DESIGN),
    (
        "compare",
        "--label",
        "y",
        "--first",
        "p",
        "--second",
        "p2",
        "--first-score",
        "s",
        "--second-score",
        "s2",
    ),
    ("compare", "--label", "y", "--first", "p", "--second", "p2", *DESIGN),
    ("compare", "--label", "y", "--first", "p", "--second", "p2", "--groups", "sex,race"),
    (
        "compare",
        "--label",
        "s",
        "--first",
        "s2",
        "--second",
        "w",
        "--task",
        "regression",
        "--groups",
        "sex",
        *DESIGN,
    ),
    (
        "compare",
        "--label",
        "race",
        "--first",
        "race",
        "--second",
        "sex",
        "--task",
        "multiclass",
        "--groups",
        "sex",
    ),
    ("profile",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: "-".join(c)[:60])
def test_reports_meet_the_schema_and_speak_to_people(command, file):
    kind, *rest = command
    found = json.loads(printed(kind, file, *rest, "--json"))
    CHECK.validate(found)
    if kind != "profile":
        assert found["engine"].keys() == {"analysis", "duckdb", "narwhals", "numpy", "scipy"}
    text = printed(kind, file, *rest)
    assert "400" in text
    assert "{" not in text
    assert "None" not in text


def test_drift_meets_the_schema(file):
    found = json.loads(printed("drift", file, file, "--categorical", "w", "--json"))
    CHECK.validate(found)
    assert found["verdict"] == "stable"
    text = printed("drift", file, file)
    assert "baseline 400 rows, current 400 rows" in text


def test_a_report_with_a_figure_lost_or_added_is_refused(file):
    found = json.loads(printed(*COMMANDS[0][:1], file, *COMMANDS[0][1:], "--json"))
    for group in (found["overall"], found["groupings"][0]["groups"][0]):
        assert {"tn", "fp", "fn", "tp"} == group["counts"].keys()
    del found["overall"]["metrics"]["tpr"]["low"]
    assert not CHECK.is_valid(found)
    found["overall"]["metrics"]["tpr"] |= {"low": 0.1, "certainty": 1}
    assert not CHECK.is_valid(found)


def test_the_schema_is_printed_and_is_a_schema():
    found = json.loads(printed("schema"))
    assert found == schemas.load()
    assert found["$id"] == "urn:countersign:analysis:1"
    jsonschema.Draft202012Validator.check_schema(found)
