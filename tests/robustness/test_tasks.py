"""Limits and reports of probes of several classes and of a number: what a plan states, what is computed and kept."""

from __future__ import annotations

import csv
import io
import json

import pytest

from apps.analysis.probes import VERSION
from apps.core import blobs
from apps.core.errors import BadInput
from apps.core.outcomes import CheckState
from apps.packs.gather import probes as gathered
from apps.packs.sections import robustness as section
from apps.packs.sections.blocks import Section
from apps.registry.models import Version
from apps.robustness import queries
from apps.robustness.acts import write_plan
from apps.robustness.checks import privacy, robustness
from apps.robustness.export import as_csv
from tests.factories.probes import (
    BOUNDS,
    LIMITS,
    OF_NUMBERS,
    done_probes,
    handed_in,
    locked_probes,
    plan_input,
)
from tests.factories.tasks import CLASSES, tasked_world

TIGHT = {
    "multiclass": {"noise_5": "0.1", "adversarial": "0.3", "far_rows": "0.5", "membership": "0.6"},
    "regression": {"noise_5": "0.2", "adversarial": "0.3", "far_rows": "0.2", "membership": "0.6"},
}


def limits_of(task):
    return [one | {"limit": TIGHT[task].get(one["probe"], one["limit"])} for one in map(dict, LIMITS)]


def fresh(version: Version) -> Version:
    return Version.objects.select_related("model", "intended_use").get(pk=version.pk)


@pytest.fixture(params=["multiclass", "regression"])
def made(world, request):
    return request.param, tasked_world(world, request.param, until="locked")


def test_real_limits_are_kept_judged_and_told_in_the_words_of_the_task(world, made):
    task, locked = made
    handed_in(world, locked.version)
    report = done_probes(world, locked_probes(world, locked.plan, limits=limits_of(task)))
    assert (report.state, report.failure) == ("done", "")
    lines = {line["probe"]: line for line in report.summary}
    assert {p: line["sentence"] for p, line in lines.items() if line["verdict"] != "within"} == {}
    for check in (robustness, privacy):
        assert check(fresh(locked.version)).state is CheckState.MET
    for line in lines.values():
        assert line["n"] > 0
        assert float(line["low"]) <= float(line["value"]) <= float(line["high"])
    results = queries.results_of(report)
    assert (results["schema"], results["catalogue"], results["task"]) == (
        "robustness.results/3",
        VERSION,
        task,
    )
    if task == "multiclass":
        assert results["classes"] == list(CLASSES)
        assert "got another class" in lines["noise_5"]["sentence"]
        assert lines["noise_5"]["measure"].startswith("share of cases with another class")
    else:
        assert results["target_unit"] == "mg/L"
        assert "moved by more than 0.5 mg/L" in lines["noise_5"]["sentence"]
        assert "mg/L on average" in lines["noise_5"]["sentence"]
        assert "their mean absolute error is" in lines["far_rows"]["sentence"]
        assert lines["far_rows"]["measure"] == "share predicted more than 3 mg/L off among the farthest cases"
        assert "The share predicted within 3 mg/L" in lines["group_shift"]["sentence"]
        assert "The error tells a training row" in lines["membership"]["sentence"]
    again = done_probes(world, report.plan)
    assert (again.results_digest, again.chart_digest) == (report.results_digest, report.chart_digest)
    rows = list(csv.DictReader(io.StringIO(as_csv(report))))
    assert {row["probe"] for row in rows} == set(lines)


def test_nothing_kept_or_printed_holds_a_row_of_the_test_data(world, made):
    _task, locked = made
    handed_in(world, locked.version)
    report = done_probes(world, locked_probes(world, locked.plan))
    test = blobs.read(locked.test.file_digest, area="vault").decode().splitlines()[1:]
    charts: dict[str, str] = {}
    told = {
        "gate": {"now": {"rows": []}},
        "signatures": [],
        "probe_plans": gathered.plans(locked.version),
        "probe_reports": gathered.reports(locked.version, charts),
        "probe_evidence": gathered.evidence(locked.version),
    }
    part = Section("s15", "15", "Robustness", "now")
    section.robustness(part, told, charts)
    printed = str(part.chapter().html)
    assert f"version {VERSION} of the probe catalogue" in printed
    assert "The interface takes no case with an empty field." in printed
    kept = blobs.read(report.results_digest, area="results").decode() + json.dumps(report.summary) + printed
    assert not [line for line in test if line.split(",")[0] in kept]


def test_a_regression_states_what_counts_as_moved_and_as_wrong_and_no_other_plan_does(world, made):
    task, locked = made

    def refused(**given):
        with pytest.raises(BadInput) as error:
            write_plan(world.validator, locked.plan.pk, **given)
        return error.value.fields

    given = plan_input()
    if task == "multiclass":
        said = refused(**(given | {"bounds": given["bounds"] | OF_NUMBERS}))["bounds"]
        assert said == [
            "A predicted number counts as wrong beyond an error of: leave it empty, the model predicts no number."
        ]
        blank = write_plan(
            world.validator, locked.plan.pk, **(given | {"bounds": given["bounds"] | {"tolerance": ""}})
        )
        assert "tolerance" not in blank.bounds
        return
    said = refused(**given)["bounds"]
    assert [each.partition(":")[0] for each in said] == [
        "A predicted number counts as moved beyond",
        "A predicted number counts as wrong beyond an error of",
    ]
    assert all("mg/L" in each for each in said)
    assert "bounds" in refused(**(given | {"bounds": given["bounds"] | OF_NUMBERS | {"tolerance": "-1"}}))
    plan = write_plan(world.validator, locked.plan.pk, **(given | {"bounds": given["bounds"] | OF_NUMBERS}))
    assert (plan.bounds["tolerance"], plan.bounds["error"]) == ("0.5", "3")


def test_a_tolerance_or_error_that_lets_everything_pass_leaves_the_limits_open(world):
    """Whoever writes the plan cannot make a predicted number robust by what counts as moved or as wrong."""
    locked = tasked_world(world, "regression", until="locked")
    handed_in(world, locked.version)
    wide = {"bounds": BOUNDS | {"tolerance": "1000000", "error": "1000000"}}
    report = done_probes(world, locked_probes(world, locked.plan, limits=limits_of("regression"), **wide))
    lines = {line["probe"]: line for line in report.summary}
    for name in ("noise_5", "missing_each", "units", "adversarial", "far_rows", "group_shift"):
        assert lines[name]["verdict"] == "undecided", name
        assert "Nothing could breach this limit: the " in lines[name]["sentence"]
        assert "range of the true numbers" in lines[name]["sentence"]
    assert lines["repeatability"]["verdict"] == "within"
    assert robustness(fresh(locked.version)).state is CheckState.NOT_MET
