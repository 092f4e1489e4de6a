"""Plans and runs about several classes and about a number, in every light and width."""

from __future__ import annotations

import pytest

from tests.factories.evidence import done_report, done_run, locked_plan
from tests.factories.tasks import OF_REALS, changed, tasked_world, trial_csv

pytestmark = pytest.mark.django_db(transaction=True)


def opened(someone) -> None:
    """Every fold of the page open, so that what is in it is judged too."""
    someone.page.evaluate(
        "() => document.querySelectorAll('main details').forEach(node => { node.open = true })"
    )


def test_several_classes_with_excluded_cases(world, person):
    data = changed(trial_csv(), "grade", lambda i, v: "" if i < 3 else v)
    evidence = tasked_world(
        world, "multiclass", kind="some_nan", test=data, exclusion="exclude", max_excluded="0.1"
    )
    report = done_report(world, evidence.run)
    tester = person("bias_tester")
    tester.goes_to(f"/plans/{evidence.plan.number}/")
    tester.sees("Class malignant: True positive rate (recall)")
    tester.looks("task-classes-plan")
    tester.goes_to(f"/runs/{evidence.run.number}/")
    tester.sees("Had every excluded case gone wrong")
    opened(tester)
    tester.looks("task-classes-run")
    tester.goes_to(f"/bias/{report.number}/")
    tester.looks("task-classes-bias")


def test_a_number_from_the_form_to_the_bias_report(world, person):
    limits = [
        {"id": "F1", "metric": "mean_error_difference", "column": "sex", "limit": "1", "rule": "near"},
        {"id": "F2", "metric": "mae_difference", "column": "site", "limit": "0.5", "rule": "near"},
    ]
    evidence = tasked_world(world, "regression", until="frozen")
    validator = person("validator", javascript=False)
    validator.goes_to(f"/versions/{evidence.version.pk}/plan/")
    validator.page.get_by_label("The model answers").select_option("multiclass")
    validator.clicks("Show the fields and metrics of this task")
    assert validator.page.locator("textarea[name='classes']").count() == 1
    validator.page.get_by_label("The model answers").select_option("regression")
    validator.clicks("Show the fields and metrics of this task")
    assert validator.page.locator("textarea[name='classes']").count() == 0
    validator.looks("task-number-form")
    plan = locked_plan(world, evidence.version, evidence.test, **(OF_REALS | {"bias_limits": limits}))
    run = done_run(world, plan)
    report = done_report(world, run)
    tester = person("bias_tester")
    tester.goes_to(f"/runs/{run.number}/")
    tester.sees("Mean observed against mean predicted value")
    opened(tester)
    tester.looks("task-number-run")
    tester.goes_to(f"/bias/{report.number}/")
    tester.looks("task-number-bias")
