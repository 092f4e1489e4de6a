"""Review and sign: what is shown is what is signed, or nothing is."""

from __future__ import annotations

import re

import pytest
from django.urls import reverse

from apps.access.signing import content_digest
from apps.fairness.models import Report
from apps.quality.acts import open_deviation
from apps.registry.models import Version
from apps.trail.models import Signature
from apps.validations.models import Run
from apps.web.release_figures import _badness
from tests.approvals.conftest import slot_of
from tests.cast import PASSWORD
from tests.factories.doors import browser, text_of
from tests.factories.evidence import validated_world
from tests.factories.explanations import explained

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("gate")]


@pytest.fixture
def slot(world):
    return slot_of(validated_world(world, until="gate").gate, "approval")


def page_of(slot, act="approvals.sign_approval"):
    return reverse("web:sign", args=[act, slot.pk])


def hidden(html: str, name: str) -> str:
    return re.search(rf'name="{name}" value="([^"]*)"', html).group(1)


def filled(client, slot, **changes):
    html = client.get(page_of(slot)).content.decode()
    return {
        "digest": hidden(html, "digest"),
        "idempotency_key": hidden(html, "idempotency_key"),
        "decision": "approved",
        "reason": "",
        "password": PASSWORD,
    } | changes


def slot_signatures() -> int:
    return Signature.objects.filter(subject_kind="approvals.slot").count()


def test_the_page_shows_the_record_its_digest_and_the_meaning(world, slot):
    html = browser(world.approver).get(page_of(slot)).content.decode()
    assert hidden(html, "digest") == content_digest(slot)
    assert slot.gate.version.artefact_digest in html
    assert "I have reviewed this record and approve it for its intended use." in html
    assert "checked" not in html.split('name="decision"')[1][:80]


def test_who_signs_a_release_sees_probes_explanation_and_how_signatures_stand(world, slot):
    said = text_of(browser(world.approver).get(page_of(slot)))
    assert "Limits breached 0 of 11" in said
    assert "Worst against its limit Within limits Within the limit, at most" in said
    assert "None, and none is asked for" in said
    assert "The report is signed by: Valid Bias Tester Person, review, approved" in said
    assert said.count("Valid Validator Person, authorship, approved") == 2  # criteria, limits of probes
    assert said.count("Valid Approver Person, approval, approved") == 2
    Report.objects.update(failure="Edited behind the portal")
    said = text_of(browser(world.approver).get(page_of(slot)))
    assert "The report is signed by: Out of date Bias Tester Person" in said
    run = Run.objects.get()
    made = explained(world, run)
    said = text_of(browser(world.approver).get(page_of(slot)))
    assert f"Explanation: {made.ref} Not reviewed" in said
    assert made.summary["stability"] in said
    assert made.summary["surrogate"] in said
    assert "Unsigned Nobody has signed a review of its features." in said


def test_the_page_of_a_release_names_the_limit_that_is_worst_kept():
    def line(verdict, value, limit):
        return {"verdict": verdict, "value": value, "limit": limit}

    within, near = line("within", "0.1", "0.9"), line("within", "0.8", "0.9")
    few, bad, worse = (
        line("undecided", "", "0.1"),
        line("breached", "0.2", "0.1"),
        line("breached", "0.9", "0.1"),
    )
    assert min([within, near], key=_badness) is near
    assert min([within, near, few], key=_badness) is few
    assert min([few, bad, worse, near], key=_badness) is worse


def test_signing_leads_to_the_receipt(world, slot):
    client = browser(world.approver)
    done = client.post(page_of(slot), filled(client, slot))
    assert done.status_code == 302
    receipt = client.get(done["Location"]).content.decode()
    assert "Receipt" in receipt
    assert "Approver Person" in receipt
    assert slot_signatures() == 1


def test_a_wrong_password_keeps_what_was_entered_and_signs_nothing(world, slot):
    client = browser(world.approver)
    answer = client.post(page_of(slot), filled(client, slot, password="wrong", reason="Read it all & agreed"))
    assert answer.status_code == 403
    html = answer.content.decode()
    assert "Read it all &amp; agreed" in html
    assert 'value="wrong"' not in html
    assert "2 more tries" in html
    assert slot_signatures() == 0


def test_a_record_changed_meanwhile_is_shown_again_and_not_signed(world, slot):
    client = browser(world.approver)
    form = filled(client, slot, reason="Kept")
    open_deviation(world.validator, slot.gate.version_id, title="Late", description="A unit was mixed up.")
    answer = client.post(page_of(slot), form)
    assert answer.status_code == 409
    html = answer.content.decode()
    assert "changed since it was shown" in html
    table = html.split("What changed since it was shown to you")[1].split("</table>")[0]
    assert "<ins>" in table  # field by field, as it was shown and as it is
    assert "Kept" in html
    assert hidden(html, "digest") != form["digest"]
    assert slot_signatures() == 0


def test_a_double_click_signs_once(world, slot):
    client = browser(world.approver)
    form = filled(client, slot)
    first, second = client.post(page_of(slot), form), client.post(page_of(slot), form)
    assert first.status_code == second.status_code == 302
    assert first["Location"] == second["Location"]
    assert slot_signatures() == 1


def test_rejecting_needs_a_reason_beside_its_field(world, slot):
    client = browser(world.approver)
    answer = client.post(page_of(slot), filled(client, slot, decision="rejected"))
    assert answer.status_code == 422
    assert "Say why you reject it." in answer.content.decode()
    done = client.post(page_of(slot), filled(client, slot, decision="rejected", reason="Not convincing"))
    told = client.get(done["Location"]).content.decode()
    assert "Rejected: " in told
    assert "lotx/1.0.0 is rejected." in told
    assert Version.objects.get(pk=slot.gate.version_id).state == "rejected"


def test_nothing_is_preselected(world, slot):
    client = browser(world.approver)
    answer = client.post(page_of(slot), filled(client, slot, decision=""))
    assert answer.status_code == 422
    assert slot_signatures() == 0


@pytest.mark.parametrize(
    ("act", "status"),
    [
        ("approvals.sign_responsibility", 403),  # another slot's act: the duty is missing
        ("approvals.open_gate", 404),  # signs nothing
        ("no.such_act", 404),
        ("quality.accept_deviation", 404),  # another kind of record
    ],
)
def test_another_act_on_this_record_signs_nothing(world, slot, act, status):
    client = browser(world.approver)
    answer = client.post(page_of(slot, act), filled(client, slot))
    assert answer.status_code == status
    assert slot_signatures() == 0


def test_who_may_not_sign_sees_why_and_no_form(world, slot):
    html = browser(world.validator).get(page_of(slot)).content.decode()
    assert 'type="password"' not in html
    assert "QA approver" in html
    assert browser(world.stranger).get(page_of(slot)).status_code == 404


def test_a_signature_page_is_for_those_who_see_the_record(world, slot):
    client = browser(world.approver)
    receipt = client.post(page_of(slot), filled(client, slot))["Location"]
    assert browser(world.inspector).get(receipt).status_code == 200
    assert browser(world.other_developer).get(receipt).status_code == 404


def test_my_work_names_the_task_and_who_else_waits(world, slot):
    html = browser(world.approver).get(reverse("web:work")).content.decode()
    assert "1 waits for you" in html
    assert "Sign: QA approval" in html
    assert page_of(slot) in html
    assert "Nothing waits for you" in browser(world.monitor).get(reverse("web:work")).content.decode()
    assert "You hold no duty yet" in browser(world.stranger).get(reverse("web:work")).content.decode()
