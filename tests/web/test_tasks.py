"""Pages of plans and runs about several classes and about a number, and of runs that exclude cases."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.validations.models import Plan
from tests.factories.doors import browser, text_of
from tests.factories.tasks import CLASSES, OF_CLASSES, OF_REALS, changed, tasked_world, trial_csv


def page(person, name, *args):
    response = browser(person).get(reverse(f"web:{name}", args=args))
    assert response.status_code == 200
    return response, text_of(response)


def entered(evidence, plan: dict) -> dict[str, str]:
    """The plan as the form sends it."""
    given = {
        "test_data_id": str(evidence.test.pk),
        "task": plan["task"],
        "label_column": plan["label_column"],
        "group_columns": "sex, site",
        "exclusion": "fail",
        "no_predecessor": "Nobody did this before.",
        "rationale": "400 patients.",
        "idempotency_key": "once",
        "baselines-count": "1",
        "bias_limits-count": "1",
        "criteria-count": str(len(plan["criteria"])),
    }
    if plan["task"] == "multiclass":
        given |= {"classes": "\n".join(plan["classes"]), "positive_value": plan["positive_value"]}
    else:
        given["target_unit"] = plan["target_unit"]
    for i, one in enumerate(plan["criteria"]):
        given |= {f"criteria-{i}-{'of_class' if k == 'class' else k}": str(v) for k, v in one.items()}
    return given


def test_the_form_begins_with_the_task_the_model_answers(world):
    evidence = tasked_world(world, "regression", until="frozen")
    response, text = page(world.validator, "plan_new", evidence.version.pk)
    assert '<option value="regression" selected>' in response.content.decode()
    assert "Unit of the number" in text
    assert "Mean absolute error" in text
    for other in ("Threshold", "Average precision", "Macro F1 score"):
        assert other not in text


def test_asked_for_another_task_the_form_offers_its_metrics_alone(world):
    evidence = tasked_world(world, "multiclass", until="frozen")
    given = entered(evidence, OF_CLASSES) | {"task": "regression", "add": "task"}
    response = browser(world.validator).post(reverse("web:plan_new", args=[evidence.version.pk]), given)
    text = text_of(response)
    assert "Root mean squared error" in text
    assert "Macro F1 score" not in text
    assert "400 patients." in text
    assert not Plan.objects.exists()


@pytest.mark.parametrize(("task", "plan"), [("multiclass", OF_CLASSES), ("regression", OF_REALS)])
def test_a_plan_is_written_in_the_browser(world, task, plan):
    evidence = tasked_world(world, task, until="frozen")
    response = browser(world.validator).post(
        reverse("web:plan_new", args=[evidence.version.pk]), entered(evidence, plan)
    )
    assert response.status_code == 302, text_of(response)
    made = Plan.objects.get()
    assert [one["metric"] for one in made.criteria] == [one["metric"] for one in plan["criteria"]]
    assert made.classes == plan.get("classes", [])
    _, text = page(world.validator, "plan", made.number)
    if task == "multiclass":
        assert "Class malignant: True positive rate (recall)" in text
        assert "benign, atypical, malignant" in text
    else:
        assert "≤ 2 mg/L" in text


def test_a_metric_of_another_task_is_refused_beside_its_row(world):
    evidence = tasked_world(world, "regression", until="frozen")
    given = entered(evidence, OF_REALS) | {"criteria-1-metric": "auc"}
    response = browser(world.validator).post(reverse("web:plan_new", args=[evidence.version.pk]), given)
    assert response.status_code == 422
    assert (
        "Criterion 2: “auc” is no metric of this task. Choose one of mae, mean_error, r2, rmse."
        in text_of(response)
    )


def test_a_run_of_several_classes_is_told(world):
    run = tasked_world(world, "multiclass").run
    response, text = page(world.validator, "run", run.number)
    assert "Predicted benign Predicted atypical Predicted malignant" in text
    assert response.content.decode().count("<svg") >= 1
    assert "Class malignant: Positive predictive value" in text
    assert "Better in training by" in text
    lines = (
        browser(world.validator).get(reverse("web:run_csv", args=[run.number, "confusion"])).content.decode()
    )
    assert len(lines.splitlines()) == 1 + len(CLASSES) ** 2
    figures = (
        browser(world.validator).get(reverse("web:run_csv", args=[run.number, "figures"])).content.decode()
    )
    assert figures.splitlines()[0] == "grouping,group,class,metric,value,low,high,n,method,note"


def test_a_run_of_a_number_is_told_without_a_single_case(world):
    run = tasked_world(world, "regression").run
    _, text = page(world.validator, "run", run.number)
    assert "Mean observed against mean predicted value" in text
    assert "Training minus test" in text
    assert "no single case can be read from them" in text
    assert "Confusion matrix" not in text
    for table, lines in (("observed", 11), ("figures", 2)):
        got = browser(world.validator).get(reverse("web:run_csv", args=[run.number, table])).content.decode()
        assert len(got.splitlines()) >= lines


def test_excluded_cases_are_told_with_reasons_and_the_worst_case(world):
    data = changed(trial_csv(), "dose", lambda i, v: "" if i < 3 else v)
    run = tasked_world(
        world, "regression", kind="some_nan", test=data, exclusion="exclude", max_excluded="0.2"
    ).run
    _, text = page(world.validator, "run", run.number)
    assert "label is missing 3" in text
    assert "score is missing or not finite" in text
    assert "no bound: one case can move this metric without a bound" in text
    assert "excluded_rate" in text
    _, plan = page(world.validator, "plan", run.plan.number)
    assert "is excluded with its reason, up to a share of 0.2" in plan
