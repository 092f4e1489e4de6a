"""Tasks and excluded cases through the API, and in the pack that tells of them."""

from __future__ import annotations

import html
import re

import pytest
from django.urls import reverse

from apps.analysis.probes import VERSION
from apps.core.jobs import run_queued
from apps.packs.gather import records
from apps.packs.sections.blocks import Section
from apps.packs.sections.evidence import _plan, _run
from apps.packs.sections.measured import measured
from apps.validations.acts import start_run
from apps.validations.models import Plan, Run
from tests.factories.doors import browser, text_of, token_api
from tests.factories.evidence import plan_input
from tests.factories.probes import BOUNDS, OF_NUMBERS
from tests.factories.probes import plan_input as limits_input
from tests.factories.tasks import CLASSES, OF_CLASSES, OF_REALS, tasked_world

EXCLUDE = {"exclusion": "exclude", "max_excluded": "0.1"}


def printed(run: Run) -> str:
    """Section 14 of the pack for this run and its plan, as text."""
    charts: dict[str, str] = {}
    part = Section("s14", "14", "Validation", "now")
    plan = next(p for p in records.plans(run.plan.version) if p["ref"] == run.plan.ref)
    record = next(r for r in records.runs(run.plan.version, charts) if r["ref"] == run.ref)
    _plan(part, plan)
    _run(part, record)
    measured(part, record, charts)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", "".join(part.parts))))


@pytest.mark.parametrize(("task", "plan"), [("multiclass", OF_CLASSES), ("regression", OF_REALS)])
def test_a_plan_is_written_and_its_run_read(world, task, plan):
    evidence = tasked_world(world, task, until="frozen")
    api = token_api(world.validator)
    given = plan_input(evidence.test, **plan) | {"exclusion": "exclude", "max_excluded": "0.05"}
    answer = api.post(f"/api/v1/versions/{evidence.version.pk}/plans", given, format="json")
    assert answer.status_code == 201, answer.json()
    content = answer.json()["content"]
    assert (answer.json()["task"], content["task"]) == (task, task)
    assert content["exclusion"] == {"rule": "exclude", "max_share": "0.05"}
    assert content.get("classes", []) == plan.get("classes", [])
    assert [one.get("class") for one in content["criteria"]] == [one.get("class") for one in plan["criteria"]]


def test_a_wrong_combination_is_a_problem_of_its_field(world):
    evidence = tasked_world(world, "regression", until="frozen")
    given = plan_input(evidence.test, **(OF_REALS | {"threshold": "0.5", "classes": ["a", "b", "c"]}))
    answer = token_api(world.validator).post(
        f"/api/v1/versions/{evidence.version.pk}/plans", given, format="json"
    )
    assert answer.status_code == 422
    assert set(answer.json()["fields"]) == {"threshold", "classes"}
    assert not Plan.objects.exists()


def test_a_run_of_several_classes_and_the_pack(world):
    evidence = tasked_world(world, "multiclass", kind="some_nan", **EXCLUDE)
    told = token_api(world.validator).get(f"/api/v1/runs/{evidence.run.number}").json()
    assert told["measured"]["confusion"]["classes"] == list(CLASSES)
    assert sum(map(sum, told["measured"]["confusion"]["counts"])) == told["measured"]["coverage"]["scored"]
    assert told["measured"]["excluded"]["n"] == 400 - told["measured"]["coverage"]["scored"]
    assert {one["id"] for one in told["measured"]["worst_case"]} == {"C1", "C2", "C3", "C4"}
    assert {r["criterion"]: r["of_class"] for r in told["results"]}["C2"] == "malignant"
    text = printed(evidence.run)
    for words in (
        "grade, one of benign, atypical and malignant; bias limits are about malignant",
        "excluded with their reason, up to a share of 0.1",
        "Class malignant: True positive rate (recall), all",
        "score is missing or not finite 400",
        "had every excluded case gone as wrong as it can",
        "Predicted benign",
    ):
        assert words in text, words
    again = start_run(world.validator, evidence.plan.pk)
    run_queued()
    again = Run.objects.get(pk=again.pk)
    assert (again.results_digest, again.cases_digest) == (
        evidence.run.results_digest,
        evidence.run.cases_digest,
    )
    paired = (
        token_api(world.validator)
        .get(f"/api/v1/runs/{evidence.run.number}/paired?with={again.number}")
        .json()
    )
    assert set(paired["metrics"]) == {"accuracy", *(f"tpr:{name}" for name in CLASSES)}
    assert paired["metrics"]["accuracy"]["counts"]["first_only"] == 0
    assert {line["class"] for line in paired["groups"] if line["group"] == "sex = female"} == {"", *CLASSES}


def test_a_run_of_a_number_and_the_pack(world):
    evidence = tasked_world(world, "regression")
    told = token_api(world.validator).get(f"/api/v1/runs/{evidence.run.number}").json()
    assert sum(band["n"] for band in told["measured"]["observed"]["bands"]) == 400
    text = printed(evidence.run)
    for words in ("dose, a number in mg/L", "the run fails", "≤ 2 mg/L", "Mean predicted", "Olkin and Finn"):
        assert words in text, words
    again = start_run(world.validator, evidence.plan.pk)
    run_queued()
    url = f"/api/v1/runs/{evidence.run.number}/paired?with={again.number}"
    paired = token_api(world.validator).get(url).json()
    assert list(paired["metrics"]) == ["mae", "mse", "mean_error"]
    assert (paired["unit"], paired["metrics"]["mae"]["p"]) == ("mg/L", "1.0")
    assert {(line["group"], line["n"]) for line in paired["groups"]} == {
        *(("sex = female", 200), ("sex = male", 200)),
        *(("site = north", 200), ("site = south", 200)),
    }
    page = browser(world.validator).get(
        reverse("web:run_compare"), {"first": evidence.run.number, "second": again.number}
    )
    said = text_of(page)
    assert "Mean squared error, (mg/L)² 400" in said
    assert "Student's t on the paired differences" in said


def test_limits_of_a_number_are_written_and_its_explanation_read_over_the_api(world):
    evidence = tasked_world(world, "regression")
    api = token_api(world.validator)
    url = f"/api/v1/plans/{evidence.plan.number}/probe-plans"
    refused = api.post(url, limits_input(), content_type="application/json")
    assert refused.status_code == 422
    assert "A predicted number counts as moved beyond: enter a number" in refused.content.decode()
    given = limits_input(bounds=BOUNDS | OF_NUMBERS)
    answer = api.post(url, given, content_type="application/json")
    assert answer.status_code == 201, answer.content
    told = answer.json()
    assert (told["bounds"]["tolerance"], told["bounds"]["error"], told["catalogue"]) == ("0.5", "3", VERSION)
    assert told["content"]["schema"] == "robustness.plan/2"
    assert told["no_answer"] == told["content"]["no_answer"] == given["no_answer"]
    asked = api.post(f"/api/v1/runs/{evidence.run.number}/explanations", {}, content_type="application/json")
    assert asked.status_code == 202, asked.content
    run_queued()
    found = api.get(f"/api/v1/explanations/{asked.json()['number']}").json()["explanation"]
    assert (found["task"], found["unit"], found["measure"]) == ("regression", "mg/L", "mae_rise")
