"""Who refused or ended something, when and why: on the record, on its page, in the API and in what is taken away."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from django.urls import reverse

from apps.access import acts
from apps.access.models import Assignment, Inspection, ReviewSheet
from apps.accounts.factors import SignOnLink
from apps.accounts.models import User
from apps.accounts.services import CiTrust, ServiceAccount
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.datasets.acts import register_dataset
from apps.datasets.models import Dataset
from apps.datasets.sensitive_acts import approve_unmark, mark_sensitive, request_unmark
from apps.quality.review_acts import open_trail_review, withdraw_trail_review
from tests.access.test_reviews import opened
from tests.factories.doors import browser, session_api, text_of
from tests.factories.evidence import validated_world
from tests.factories.services import asked_service, asked_trust, service, trust

pytestmark = pytest.mark.django_db

WHY = "It is needed no longer"
ISSUER = "https://ci.example"


def told(record, person, why=WHY):
    """The record as the database has it says who, when and why."""
    record.refresh_from_db()
    assert (record.ended_by, record.end_reason) == (person, why)
    assert abs(now() - record.ended_at) < timedelta(minutes=1)
    return record


def in_api(person, url: str, by, why=WHY) -> None:
    body = session_api(person).get(url).json()
    assert (body["ended_by"], body["end_reason"]) == (by.username, why)
    assert body["ended_at"]


def on_page(person, url: str, by, why=WHY) -> None:
    shown = text_of(browser(person).get(url))
    assert by.printed_name in shown
    assert why in shown


def asked_duty(world) -> Assignment:
    return acts.request_assignment(
        world.owner,
        person_id=world.stranger.pk,
        duty="developer",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Joins the team",
    )


@pytest.mark.parametrize("verb", ["refuse", "end"])
def test_a_duty(world, verb):
    made = asked_duty(world)
    if verb == "end":
        acts.approve_assignment(world.compliance, made.pk)
    act = {"refuse": acts.refuse_assignment, "end": acts.end_assignment}[verb]
    act(world.compliance, made.pk, reason=WHY)
    told(made, world.compliance)
    in_api(world.owner, f"/api/v1/assignments/{made.pk}", world.compliance)
    on_page(world.owner, reverse("web:model_people", args=[world.model.slug]), world.compliance)


def test_a_leavers_duties_name_who_let_them_go(world):
    acts.deactivate_account(world.administrator, world.author.pk, reason="Has left")
    over = Assignment.objects.filter(person=world.author, state="ended")
    assert over
    for each in over:
        told(each, world.administrator, "Has left")


@pytest.mark.parametrize("verb", ["refuse", "end"])
def test_an_inspection(world, verb):
    made = acts.request_inspection(
        world.administrator,
        person_id=world.stranger.pk,
        authority="Agency",
        places=[("registry.model", world.model.pk)],
        ends_at=now() + timedelta(days=3),
        reason="Announced",
    )
    if verb == "end":
        acts.approve_inspection(world.compliance, made.pk)
    act = {"refuse": acts.refuse_inspection, "end": acts.end_inspection}[verb]
    act(world.compliance, made.pk, reason=WHY)
    told(made, world.compliance)
    in_api(world.compliance2, f"/api/v1/inspections/{made.pk}", world.compliance)
    on_page(world.compliance2, reverse("web:inspection", args=[made.pk]), world.compliance)
    taken = browser(world.compliance2).get(reverse("web:inspections"), {"format": "csv"})
    listed = b"".join(taken.streaming_content).decode()
    assert world.compliance.printed_name in listed
    assert WHY in listed
    assert Inspection.objects.get().approver == (world.compliance if verb == "end" else None)


@pytest.mark.parametrize("verb", ["refuse", "suspend", "end"])
def test_a_service(world, verb):
    made = asked_service(world) if verb == "refuse" else service(world)
    act = {"refuse": acts.refuse_service, "suspend": acts.suspend_service, "end": acts.end_service}[verb]
    act(world.compliance, made.pk, reason=WHY)
    told(made, world.compliance)
    if verb == "refuse":  # a refused name may be asked for anew: it stands in the list alone
        row = session_api(world.compliance2).get("/api/v1/services?state=refused").json()["results"][0]
        assert (row["ended_by"], row["end_reason"]) == (world.compliance.username, WHY)
    else:
        in_api(world.compliance2, f"/api/v1/services/{made.name}", world.compliance)
    on_page(world.compliance2, reverse("web:service", args=[made.pk]), world.compliance)
    if verb == "suspend":
        acts.resume_service(world.compliance2, made.pk, reason="All is well")
        again = ServiceAccount.objects.get()
        assert (again.ended_by, again.ended_at, again.end_reason) == (None, None, "")


@pytest.mark.parametrize("verb", ["refuse", "end"])
def test_a_trust(world, verb):
    made = service(world)
    each = asked_trust(made, ISSUER) if verb == "refuse" else trust(world, made, ISSUER)
    act = {"refuse": acts.refuse_trust, "end": acts.end_trust}[verb]
    act(world.compliance, each.pk, reason=WHY)
    told(each, world.compliance)
    in_api(world.compliance2, f"/api/v1/trusts/{each.pk}", world.compliance)
    on_page(world.compliance2, reverse("web:service", args=[made.pk]), world.compliance)


def test_a_trust_that_ends_with_its_service(world):
    made = service(world)
    each = trust(world, made, ISSUER)
    acts.end_service(world.compliance, made.pk, reason=WHY)
    told(CiTrust.objects.get(pk=each.pk), world.compliance, f"{made.ref} ended")


@pytest.mark.parametrize("own", [False, True])
def test_a_link(world, settings, own):
    settings.OIDC_PROVIDERS = [
        {"key": "corp", "name": "Corporate", "issuer": "https://id.example/", "client_id": "x"}
    ]
    made = acts.propose_link(world.administrator, world.author.pk, provider="corp", subject="abc")
    if own:
        acts.end_own_link(world.author, made.pk)
    else:
        acts.end_link(world.administrator, made.pk, reason=WHY)
    by, why = (world.author, "") if own else (world.administrator, WHY)
    told(SignOnLink.objects.get(pk=made.pk), by, why)
    in_api(world.compliance, f"/api/v1/sign-ons/{made.pk}", by, why)
    on_page(world.compliance, reverse("web:person", args=[world.author.username]), by, why)


def test_an_access_review(world):
    review = opened(world)
    result = reverse("web:review_result_json", args=[review.pk])
    assert "withdrawn_by" not in browser(world.compliance).get(result).json()
    acts.withdraw_review(world.compliance, review.pk, reason=WHY)
    told(review, world.compliance)
    in_api(world.compliance2, f"/api/v1/access-reviews/{review.pk}", world.compliance)
    page = text_of(browser(world.compliance2).get(reverse("web:review", args=[review.pk])))
    assert f"Withdrawn by {world.compliance.printed_name}" in " ".join(page.split())
    taken = browser(world.compliance2).get(result).json()
    assert (taken["withdrawn_by"], taken["withdrawn_because"]) == (world.compliance.username, WHY)
    assert taken["withdrawn_at"]


@pytest.mark.evidence("locked")
def test_a_trail_review(world):
    version = validated_world(world, until="locked").version
    review = open_trail_review(world.approver, version.pk)
    withdraw_trail_review(world.compliance, review.pk, reason=WHY)
    told(review, world.compliance)
    in_api(world.owner, f"/api/v1/trail-reviews/{review.number}", world.compliance)
    on_page(world.owner, reverse("web:trail_review", args=[review.number]), world.compliance)


def test_the_mark_of_a_dataset_says_who_when_and_why(world):
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients of one small hospital")
    row = Dataset.objects.get(pk=world.dataset.pk)
    assert (row.marked_by, row.mark_reason) == (world.owner, "Patients of one small hospital")
    body = session_api(world.curator).get(f"/api/v1/datasets/{row.slug}").json()
    assert (body["marked_by"], body["mark_reason"]) == (world.owner.username, row.mark_reason)
    assert body["marked_at"]
    shown = text_of(browser(world.curator).get(reverse("web:dataset", args=[row.slug])))
    assert f"Marked by {world.owner.printed_name}" in shown
    assert row.mark_reason in shown
    asked = request_unmark(world.owner, row.pk, reason="Anonymised since")
    approve_unmark(world.steward, asked.pk)
    row.refresh_from_db()
    assert (row.sensitive, row.marked_by, row.marked_at, row.mark_reason) == (False, None, None, "")


def test_a_dataset_registered_as_sensitive_says_so(world):
    made = register_dataset(
        world.registrar, slug="ward", name="Ward", owner_id=world.owner.pk, sensitive=True
    )
    assert (made.marked_by, made.mark_reason) == (world.registrar, "Registered as sensitive")


def test_what_an_inspector_looked_at_is_counted_for_who_sees_it_and_for_nobody_else(world):
    made = acts.request_inspection(
        world.administrator,
        person_id=world.stranger.pk,
        authority="Agency",
        places=[("registry.model", world.model.pk)],
        ends_at=now() + timedelta(days=3),
        reason="Announced",
    )
    acts.approve_inspection(world.compliance, made.pk)
    acts.look(
        User.objects.get(pk=world.stranger.pk), page="web:models", path="/models/", record="", status=200
    )
    url = reverse("web:inspection", args=[made.pk])
    assert "1 entry of this inspector" in text_of(browser(world.compliance).get(url))
    hidden = text_of(browser(world.administrator).get(url))
    assert "not shown to you: a compliance officer sees what inspectors look at" in hidden
    assert "0 entr" not in hidden
    assert "0 handed out" not in hidden


def test_the_lines_of_an_access_review_tell_their_times_with_the_zone(world):
    opened(world)
    run_queued()
    sheet = ReviewSheet.objects.get(whose=None)
    shown = text_of(browser(world.compliance).get(reverse("web:review_sheet", args=[sheet.pk])))
    line = sheet.lines[0]
    since = datetime.fromisoformat(line["since"])
    assert f"{since:%Y-%m-%d %H:%M} UTC" in shown
