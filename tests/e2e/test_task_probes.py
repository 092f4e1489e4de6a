"""Probes and explanations of several classes and of a number: limits from the form, reports, and the gate."""

from __future__ import annotations

import pytest

from apps.analysis.probes import VERSION
from apps.approvals.acts import open_gate
from apps.core.jobs import run_queued
from apps.robustness.models import ProbePlan
from tests.factories.evidence import done_report, signed_report
from tests.factories.explanations import reviewed
from tests.factories.probes import BOUNDS, LIMITS, done_probes, handed_in, locked_probes
from tests.factories.reviews import trail_reviewed
from tests.factories.tasks import tasked_world
from tests.factories.verification import verified

pytestmark = pytest.mark.django_db(transaction=True)


def opened(someone) -> None:
    """Every fold of the page open, so that what is in it is judged too."""
    someone.page.evaluate(
        "() => document.querySelectorAll('main details').forEach(node => { node.open = true })"
    )


def test_limits_of_a_number_are_written_in_the_form(world, person):
    made = tasked_world(world, "regression", until="locked")
    validator = person("validator", javascript=False)
    validator.goes_to(f"/probe-plans/for/{made.plan.pk}/")
    validator.sees("A predicted number counts as moved beyond (mg/L)")
    validator.looks("task-probes-form")
    page = validator.page
    for name, value in (BOUNDS | {"flips": "0", "tolerance": "0.5", "error": "3"}).items():
        page.locator(f"[name='{name}']").fill(value)
    for one in LIMITS:
        page.locator(f"[name='{one['probe']}-limit']").fill(
            "0.2" if one["probe"] == "noise_5" else one["limit"]
        )
        page.locator(f"[name='{one['probe']}-min_n']").fill(str(one["min_n"]))
    page.locator("[name='private_training'][value='not_used']").check()
    page.locator("[name='rationale']").fill("A dose is given in steps of one half.")
    validator.clicks("Write limits")
    validator.sees("or say why a case may go without an answer")
    page.locator("[name='no_answer']").fill("The interface takes no empty field.")
    validator.clicks("Write limits")
    validator.sees("Cases without an answer where a value is missing: The interface takes no empty field.")
    validator.sees(f"Probe catalogue: version {VERSION}")
    validator.looks("task-probes-plan")
    assert ProbePlan.objects.get().bounds["error"] == "3"


@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_the_gate_counts_probes_and_explanation_of_the_task(world, person, task):
    made = tasked_world(world, task)
    signed_report(world, done_report(world, made.run))
    verified(world, made.version)
    handed_in(world, made.version)
    limits = [one | ({"limit": "0.2"} if one["probe"] == "noise_5" else {}) for one in map(dict, LIMITS)]
    bounds = BOUNDS | ({"tolerance": "0.5", "error": "3"} if task == "regression" else {})
    report = done_probes(world, locked_probes(world, made.plan, limits=limits, bounds=bounds))
    explained = reviewed(world, made.run)
    trail_reviewed(world, made.version)
    open_gate(world.owner, made.version.pk)
    run_queued()
    validator = person("validator")
    validator.goes_to(f"/probes/{report.number}/")
    validator.sees("Within limits")
    opened(validator)
    validator.looks(f"task-{task}-probes")
    validator.goes_to(f"/explanations/{explained.number}/")
    what = "lowers the balanced accuracy by" if task == "multiclass" else "raises the mean absolute error by"
    validator.sees(f"marker matters most: shuffling it {what}")
    opened(validator)
    validator.looks(f"task-{task}-explanation")
    approver = person("approver")
    approver.goes_to(f"/models/{made.version.model.slug}/{made.version.label}/")
    assert report.ref in approver.page.content()
    approver.looks(f"task-{task}-gate")
    approver.goes_to(f"/models/{made.version.model.slug}/{made.version.label}/explainability/")
    approver.looks(f"task-{task}-explainability")
