"""People see what they sign, and what changed since they signed it; whether signatures bind is said everywhere."""

from __future__ import annotations

import csv
import html
import io
import json
import re

import pytest
from django.urls import reverse

from apps.approvals.acts import sign_approval
from apps.core.rulewords import rule_words
from apps.quality.acts import open_deviation
from apps.registry.models import IntendedUse
from apps.trail import sealer
from apps.trail.models import Entry, Signature
from apps.web.binding import Bonds, fault_of
from apps.web.changes import differences
from apps.web.scopes import duties_in_words
from tests.approvals.conftest import slot_of
from tests.factories.doors import browser, text_of
from tests.factories.evidence import signed, validated_world
from tests.factories.foundation import USE

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("gate")]


@pytest.fixture
def gate(world):
    return validated_world(world, until="gate").gate


@pytest.fixture
def slot(gate):
    return slot_of(gate, "approval")


def page_of(record, act="approvals.sign_approval"):
    return reverse("web:sign", args=[act, record.pk])


def test_the_release_is_seen_in_words_before_its_digests(world, gate, slot):
    page = html.unescape(browser(world.approver).get(page_of(slot)).content.decode())
    seen, _, canonical = page.partition("Canonical content")
    for words in (
        "Validation within its locked criteria",
        "Area under the ROC curve",
        "≥ 0.8",
        "n",
        "Equal opportunity",
        "Furthest apart",
        "sex = ",
        "None is open and none is accepted",
        USE["residual_risk"],
        reverse("web:section", args=["lotx", "1.0.0", "lineage"]),
    ):
        assert words in seen, words
    assert gate.version.artefact_digest in canonical
    assert "QA approver of Lot release classifier" in page
    assert "Sign my decision on" in page
    assert "checked" not in page.split('name="decision"')[1][:80]


def test_each_record_that_is_signed_is_seen_in_words(world, gate):
    plan = gate.version.plans.get()
    use = IntendedUse.objects.get(pk=gate.version.intended_use_id)
    raised = open_deviation(
        world.validator, gate.version_id, title="Late", description="A unit was mixed up."
    )
    for person, record, act, words in (
        (
            "approver",
            plan,
            "validations.sign_plan_approval",
            ("Acceptance criteria", "Bias limits", "Rationale"),
        ),
        ("owner", use, "registry.sign_intended_use_owner", (USE["question"], "Risk tier: medium")),
        ("approver", raised, "quality.accept_deviation", ("A unit was mixed up.", "opened by hand")),
    ):
        seen = text_of(browser(world.people[person]).get(page_of(record, act))).partition(
            "Canonical content"
        )[0]
        for said in words:
            assert said in seen, (act, said)


def test_who_signs_again_sees_what_changed_field_by_field(world, gate, slot):
    sign_approval(world.approver, slot.pk, signature=signed(slot))
    before = text_of(browser(world.approver).get(page_of(slot)))
    assert "since you signed" not in before
    raised = open_deviation(
        world.validator, gate.version_id, title="Late", description="A unit was mixed up."
    )
    after = text_of(browser(world.approver).get(page_of(slot)))
    assert re.search(r"Re-sign \(\d+ changes? since you signed\)", after)
    assert f"Deviations, {raised.ref}" in after
    assert "A unit was mixed up." in after
    other = text_of(browser(world.approver2).get(page_of(slot)))
    assert "since you signed" not in other


def test_differences_name_each_field_once():
    old = {"plan": {"ref": "VP-1", "limit": "0.8"}, "authors": [{"username": "a", "role": "x"}], "note": ""}
    new = {"plan": {"ref": "VP-1", "limit": "0.7"}, "authors": [{"username": "b", "role": "x"}], "note": ""}
    found = {(d.field, str(d.before), str(d.after)) for d in differences(old, new)}
    assert ("Plan, Limit", "0.8", "0.7") in found
    assert {field for field, _, _ in found} == {"Plan, Limit", "Authors, B", "Authors, A"}


def test_a_wrong_password_is_told_on_top_and_in_the_title(world, slot):
    client = browser(world.approver)
    page = client.get(page_of(slot)).content.decode()
    form = {
        name: re.search(rf'name="{name}" value="([^"]*)"', page).group(1)
        for name in ("digest", "idempotency_key")
    }
    answer = client.post(
        page_of(slot), form | {"decision": "rejected", "reason": "Not convincing", "password": "wrong"}
    )
    page = answer.content.decode()
    assert re.search(r"<title>\s*Error: ", page)
    summary = page.index('class="errors"')
    assert summary < page.index("What you are signing")
    assert 'href="#id_password"' in page[summary:][:700]
    assert "Not convincing" in page
    assert re.search(r'value="rejected"[^>]*checked', page)
    assert 'value="wrong"' not in page


def test_the_list_of_signatures_says_which_bind_now(world, gate, slot):
    sign_approval(world.approver, slot.pk, signature=signed(slot))
    client = browser(world.compliance)

    def told() -> dict[str, str]:
        body = b"".join(client.get(reverse("web:signatures") + "?format=csv").streaming_content).decode()
        return {row["Record"]: row["Binds now"] for row in csv.DictReader(io.StringIO(body))}

    assert set(told().values()) == {"bound"}
    open_deviation(world.validator, gate.version_id, title="Late", description="A unit was mixed up.")
    now = told()
    assert now[slot.ref] == "out of date: the record changed after it was signed"
    assert now[gate.version.plans.get().ref] == "bound"
    assert "Out of date" in text_of(client.get(reverse("web:signatures")))


def test_a_signature_that_was_altered_is_invalid_with_why(world, slot):
    given = sign_approval(world.approver, slot.pk, signature=signed(slot)).signature
    assert fault_of(Signature.objects.get(pk=given.pk)) == ""
    altered = Signature.objects.get(pk=given.pk)
    altered.printed_name = "Somebody Else"
    assert Bonds(lambda: ()).of(altered).told == "invalid: its printed name is not what was signed"
    altered = Signature.objects.get(pk=given.pk)
    altered.statement = altered.statement.replace("approved", "rejected")
    assert Bonds(lambda: ()).of(altered).told == "invalid: it is not as the portal wrote it"


def test_the_receipt_is_a_file_with_the_proof(world, slot):
    given = sign_approval(world.approver, slot.pk, signature=signed(slot)).signature
    sealer.seal()
    answer = browser(world.approver).get(reverse("web:signature_receipt", args=[given.uuid]))
    assert answer.status_code == 200
    assert f"receipt-{given.uuid}.json" in answer["Content-Disposition"]
    told = json.loads(answer.content)
    assert told["statement"] == given.statement
    assert told["receipt"]["size"] > told["receipt"]["index"]
    assert told["entry"] == Entry.objects.get(act_id=given.act_id, kind="act").pk
    hidden = browser(world.other_developer).get(reverse("web:signature_receipt", args=[given.uuid]))
    assert hidden.status_code == 404


def test_the_trail_of_a_record_with_everything_below_it(world, gate):
    client, address = browser(world.inspector), reverse("web:audit")
    ref = gate.version.ref

    def rows(**asked: str) -> str:
        return client.get(address, asked).content.decode().partition("<tbody>")[2]

    own, below = rows(record=ref), rows(record=ref, below="yes")
    assert "started a validation run" not in own
    for told in (
        "started a validation run",
        "wrote a validation plan",
        "asked for a bias report",
        "froze a version",
    ):
        assert told in below, told
    plan = rows(record=gate.version.plans.get().ref, below="yes")
    assert "asked for a bias report" in plan
    assert "froze a version" not in plan


def test_duties_are_named_by_what_they_are_held_on(world):
    kept = f"validator on registry.model:{world.model.pk}; compliance on organisation:0; odd text"
    assert (
        duties_in_words(world.author, kept)
        == "Validator of Lot release classifier; Compliance officer; odd text"
    )
    assert duties_in_words(world.stranger, kept).startswith(f"Validator of model no. {world.model.pk};")


def test_rules_are_named_with_what_they_say():
    assert rule_words("DY8: who validated a version may not approve it") == (
        "Rule DY8: who validated a version may not approve it."
    )
    assert rule_words("duty") == "Rule: each act is for those who hold its duty on this record."
    assert rule_words("PC24") == "Rule PC24: criteria are locked before results."
    assert rule_words("21 CFR 11.70").startswith("Rule 21 CFR 11.70: a signature belongs to the content")
    assert rule_words("PC99") == "Rule PC99."
    assert rule_words("") == ""


def test_nobody_reads_their_own_name_as_somebody_elses(world, gate):
    page = text_of(browser(world.approver).get(reverse("web:version", args=["lotx", "1.0.0"])))
    assert "Approver Person can" not in page.split("Timeline")[0]
    assert "Approver2 Person" in page
