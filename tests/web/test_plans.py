"""Validation plans in the browser: the form without JavaScript, the plan, its acts, the register."""

from __future__ import annotations

import json

import pytest
from django.urls import reverse

from apps.access.signing import content_digest
from apps.analysis.disparities import DISPARITIES
from apps.registry.acts import add_author
from apps.trail.models import Entry
from apps.validations.acts import write_plan
from apps.validations.catalogue import METRICS
from apps.validations.models import Plan, Run
from apps.validations.states import Task
from apps.web.criteria import METRIC_WORDS, disparity_words
from tests.cast import give
from tests.factories.doors import browser, refs, text_of
from tests.factories.evidence import plan_input, validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("frozen")]
QUERIES = 5


@pytest.fixture
def frozen(world):
    return validated_world(world, until="frozen")


@pytest.fixture
def drafted(world):
    return validated_world(world, until="drafted")


def typed(evidence, **changes) -> dict[str, str]:
    """A filled form: two criteria with a blank row between them, one limit."""
    return {
        "test_data_id": str(evidence.test.pk),
        "label_column": "outcome",
        "positive_value": "1",
        "threshold": "0.5",
        "task": "binary",
        "exclusion": "fail",
        "group_columns": "sex, site",
        "rationale": "400 patients suffice.",
        "no_predecessor": "Nothing was done before.",
        "idempotency_key": "k1",
        "criteria-count": "3",
        "criteria-0-metric": "auc",
        "criteria-0-subgroup": "all",
        "criteria-0-direction": "min",
        "criteria-0-limit": "0.8",
        "criteria-0-rule": "lower",
        "criteria-0-min_n": "100",
        "criteria-1-subgroup": "all",
        "criteria-1-direction": "min",
        "criteria-1-min_n": "30",
        "criteria-2-metric": "fpr",
        "criteria-2-subgroup": "sex=female",
        "criteria-2-direction": "max",
        "criteria-2-limit": "0.2",
        "criteria-2-rule": "point",
        "criteria-2-min_n": "30",
        "criteria-2-id": "FP",
        "bias_limits-count": "1",
        "bias_limits-0-metric": "equal_opportunity_difference",
        "bias_limits-0-column": "sex",
        "bias_limits-0-limit": "0.1",
        "bias_limits-0-rule": "near",
        "bias_limits-0-min_n": "30",
        **changes,
    }


def form_url(evidence) -> str:
    return reverse("web:plan_new", args=[evidence.version.pk])


def test_a_plan_is_written_through_the_form_once(world, frozen):
    client = browser(world.validator)
    answers = [client.post(form_url(frozen), typed(frozen)) for _ in range(2)]
    plan = Plan.objects.get()
    assert {a.headers["Location"] for a in answers} == {f"/plans/{plan.number}/"}
    first, second = plan.criteria
    assert (first["id"], first["metric"], first["subgroup"], first["limit"]) == ("C1", "auc", "all", "0.8")
    assert (first["direction"], first["rule"], first["min_n"]) == ("min", "lower", 100)
    assert (second["id"], second["metric"], second["subgroup"], second["limit"]) == (
        "FP",
        "fpr",
        "sex=female",
        "0.2",
    )
    assert (second["direction"], second["rule"], second["min_n"]) == ("max", "point", 30)
    assert plan.group_columns == ["sex", "site"]
    assert [limit["id"] for limit in plan.bias_limits] == ["F1"]
    assert plan.written_by == world.validator


def test_rows_are_added_and_removed_without_javascript_and_nothing_is_lost(world, frozen):
    client = browser(world.validator)
    more = client.post(form_url(frozen), typed(frozen, add="criteria", rationale=""))
    page = more.content.decode()
    assert more.status_code == 200
    assert "There is a problem" not in page  # nothing is judged while the form only changes its shape
    assert 'name="criteria-3-metric"' in page
    assert 'name="criteria-4-metric"' not in page
    assert 'value="sex, site"' in page
    assert '<option value="fpr" selected>' in page
    fewer = client.post(form_url(frozen), typed(frozen, remove="criteria-1")).content.decode()
    assert 'name="criteria-1-id" value="FP"' in fewer
    assert 'name="criteria-2-metric"' not in fewer
    assert not Plan.objects.exists()


def test_what_is_wrong_stands_beside_its_row_and_field(world, frozen):
    wrong = {"criteria-2-limit": "1.2", "label_column": "ending", "bias_limits-0-column": "moon"}
    answer = browser(world.validator).post(form_url(frozen), typed(frozen, **wrong))
    page, said = answer.content.decode(), text_of(answer)
    assert answer.status_code == 422
    assert "<title>Error: " in page
    assert "Error: The test data have no column “ending”. They have" in said
    # The blank row does not count: what the act calls criterion 2 is row 3 of the page.
    assert (
        '<a href="#criteria-2">Criterion 3: The limit of False positive rate lies between 0 and 1.</a>'
        in page
    )
    assert '<a href="#bias_limits-0">Limit 1: Its column “moon” is not among the group columns.</a>' in page
    assert 'value="1.2"' in page
    assert not Plan.objects.exists()


def test_a_plan_without_criteria_is_refused_on_top_of_the_page(world, frozen):
    given = {k: v for k, v in typed(frozen).items() if not k.startswith("criteria")}
    answer = browser(world.validator).post(form_url(frozen), given)
    assert answer.status_code == 422
    assert "A plan needs at least one acceptance criterion." in text_of(answer)


def test_the_form_begins_with_the_earlier_draft(world, drafted):
    page = browser(world.validator).get(form_url(drafted)).content.decode()
    assert "Filled from VP-1 (draft)" in page
    assert 'name="criteria-2-subgroup" value="sex=female"' in page
    assert 'name="bias_limits-1-limit" value="0.5"' in page
    assert f'<option value="{drafted.test.pk}" selected>' in page


def test_every_metric_and_comparison_is_explained(world, frozen):
    said = text_of(browser(world.validator).get(form_url(frozen)))
    assert set(METRIC_WORDS) == {*METRICS[Task.BINARY], "excluded_rate"}
    assert all(METRIC_WORDS[name] in said for name in METRICS[Task.BINARY])
    assert all(disparity_words(name) in said for name in DISPARITIES)


def test_who_may_not_write_a_plan_hears_why_and_the_attempt_is_entered(world, frozen):
    assert browser(world.stranger).get(form_url(frozen)).status_code == 404
    client = browser(world.author)
    for answer in (client.get(form_url(frozen)), client.post(form_url(frozen), typed(frozen))):
        assert answer.status_code == 403
        assert "Who may: Validator Person." in text_of(answer)
    entry = Entry.objects.filter(kind="refusal").latest("id")
    assert (entry.act, entry.actor_name) == ("validations.write_plan", "Author Person")
    assert not Plan.objects.exists()


def test_who_developed_the_version_may_not_write_its_plan(world, frozen):
    give(world, "stranger", "validator", world.model)
    add_author(world.owner, frozen.version.pk, person_id=world.stranger.pk, reason="Wrote the features")
    answer = browser(world.stranger).post(form_url(frozen), typed(frozen))
    assert answer.status_code == 409
    assert "Rule DY1:" in text_of(answer)


def test_a_locked_plan_takes_no_other(world):
    evidence = validated_world(world, until="locked")
    answer = browser(world.validator).post(form_url(evidence), typed(evidence))
    assert answer.status_code == 409
    assert "VP-1 was locked by two signatures" in text_of(answer)
    assert Plan.objects.count() == 1


def test_a_locked_plan_is_replaced_after_old_and_new_were_read(world):
    evidence = validated_world(world, until="locked")
    address, client = reverse("web:plan_replace", args=[evidence.plan.number]), browser(world.validator)
    why = {"reason": "The ward changed its device", "reason_code": "use", "threshold": "0.4"}
    uncoded = client.post(address, typed(evidence, **(why | {"reason_code": ""})))
    assert uncoded.status_code == 422
    assert "Choose “Kind of reason”." in text_of(uncoded)
    shown = client.post(address, typed(evidence, **why))
    told = {each.field: (each.before, each.after) for each in shown.context["entry"].preview.changes}
    assert shown.status_code == 200
    assert told["threshold"] == ("0.5", "0.4")
    assert "Confirm: Replace VP-1" in text_of(shown)
    assert Plan.objects.count() == 1
    digest = shown.context["entry"].preview.digest
    other = client.post(address, typed(evidence, **(why | {"threshold": "0.6"}), confirmed=digest))
    assert other.status_code == 422
    assert "something else than was shown" in text_of(other)
    assert Plan.objects.count() == 1
    made = client.post(address, typed(evidence, **why, confirmed=digest))
    plan = Plan.objects.latest("number")
    assert made["Location"] == reverse("web:plan", args=[plan.number])
    assert (plan.threshold, plan.replaces) == ("0.4", evidence.plan)
    entry = json.loads(Entry.objects.filter(act="validations.replace_plan", kind="act").latest("id").body)
    assert entry["reason"] == "The use or its circumstances changed: The ward changed its device"
    assert entry["facts"]["reason_code"]["code"] == "use"
    assert plan.history.latest("history_id").history_change_reason == entry["reason"]


def test_the_page_of_a_draft_shows_what_is_to_be_signed_and_by_whom(world, drafted):
    plan = drafted.plan
    page = browser(world.validator).get(reverse("web:plan", args=[plan.number]))
    said = text_of(page)
    assert "Area under the ROC curve all cases ≥ 0.8 the lower end of its 95 % interval 100" in said
    assert "True negative rate (specificity) sex = female ≥ 0.6 the value itself 30" in said
    assert "Equal opportunity, difference between groups of sex ≤ 0.25" in said
    assert "trial/v1 Training 300 400 0 0 None shared" in said
    assert content_digest(plan) in page.content.decode()
    assert f'href="/sign/validations.sign_plan_author/{plan.pk}/"' in page.content.decode()
    other = browser(world.approver).get(reverse("web:plan", args=[plan.number]))
    assert f'href="/sign/validations.sign_plan_approval/{plan.pk}/"' not in other.content.decode()
    assert "an approver, after its author has signed the draft" in text_of(other)
    assert browser(world.stranger).get(reverse("web:plan", args=[plan.number])).status_code == 404


def test_signatures_stand_on_the_page_of_a_locked_plan(world):
    plan = validated_world(world, until="locked").plan
    said = text_of(browser(world.inspector).get(reverse("web:plan", args=[plan.number])))
    assert "VALID Validator Person @validator" in said
    assert "VALID Approver Person @approver" in said
    assert "I have reviewed this record and approve it for its intended use." in said


def test_a_run_is_started_once_from_the_page(world):
    plan = validated_world(world, until="locked").plan
    client, url = browser(world.validator), reverse("web:run_start", args=[plan.number])
    assert url in client.get(reverse("web:plan", args=[plan.number])).content.decode()
    answers = [client.post(url, {"idempotency_key": "k9"}) for _ in range(2)]
    assert {a.headers["Location"] for a in answers} == {"/runs/1/"}
    assert Run.objects.get().requested_by == world.validator
    busy = client.post(url, {"idempotency_key": "k10"})
    assert busy.status_code == 409
    assert "R-1 is queued or running." in text_of(busy)
    assert browser(world.author).post(url).status_code == 403
    assert browser(world.stranger).post(url).status_code == 404
    opened = client.get(url)
    assert (opened.status_code, opened["Allow"]) == (405, "POST")
    assert "There is nothing to show at this address." in text_of(opened)


def test_the_comparison_asks_again_until_it_has_ended(world, frozen):
    plan = write_plan(world.validator, frozen.version.pk, **plan_input(frozen.test))
    client, url = browser(world.validator), reverse("web:plan", args=[plan.number])
    assert 'hx-trigger="every 2s"' in client.get(url).content.decode()
    again = client.post(reverse("web:plan_compare", args=[plan.number]), {"idempotency_key": "k2"})
    assert again.status_code == 409
    assert "The comparison is queued or running." in text_of(again)


def test_the_register_holds_exactly_the_plans_one_may_see(world, drafted, django_assert_num_queries):
    client = browser(world.validator)
    client.get("/plans/")
    with django_assert_num_queries(QUERIES):
        assert refs(client.get("/plans/"), "VP") == ["VP-1"]
    for _ in range(2):
        write_plan(world.validator, drafted.version.pk, **plan_input(drafted.test))
    with django_assert_num_queries(QUERIES):
        assert refs(client.get("/plans/"), "VP") == ["VP-3", "VP-2", "VP-1"]
    assert refs(client.get("/plans/", {"state": "draft"}), "VP") == ["VP-3"]
    assert refs(client.get("/plans/", {"model": "visc"}), "VP") == []
    assert refs(browser(world.other_developer).get("/plans/"), "VP") == []


def test_the_open_check_of_a_frozen_version_leads_to_the_form(world, frozen):
    release = reverse("web:version", args=["lotx", frozen.version.label])
    assert f'href="{form_url(frozen)}"' in browser(world.validator).get(release).content.decode()
    assert f'href="{form_url(frozen)}"' not in browser(world.author).get(release).content.decode()
