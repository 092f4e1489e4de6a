"""People in the browser: duties that conflict, a leaver, a change of the rules."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect

from apps.access.models import Assignment, RulesChange
from apps.access.rulebook import rules_in_force
from apps.accounts.models import User
from apps.core.jobs import run_queued
from apps.trail.models import Entry
from tests.access.people import crowd
from tests.access.test_rule_changes import STRICTER, changed
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db(transaction=True)


def chooses(page, number: int, person: User, duty: str) -> None:
    page.locator(f"[name='person-{number}']").select_option(str(person.pk))
    page.locator(f"[name='duty-{number}']").select_option(duty)


def test_duties_that_conflict_are_told_beside_their_rows_and_mended(world, person):
    crowd(world, ["ann", "ben"])
    owner = person("owner")
    owner.goes_to("/models/lotx/people/")
    owner.sees("What one leaver would block")
    owner.looks("people-of-a-model")

    # Tried out first: nothing is written.
    owner.clicks("Try out duties")
    chooses(owner.page, 1, world.ann, "developer")
    chooses(owner.page, 2, world.ann, "validator")
    owner.clicks("Try it out", role="button")
    owner.sees("2 of 2 could not be requested.")
    owner.looks("duties-tried-out")
    assert not Assignment.objects.filter(state="requested").exists()

    # Requested together: both rows are named, what was chosen stays.
    owner.clicks("Request duties for several people")
    page = owner.page
    chooses(page, 1, world.ann, "developer")
    chooses(page, 2, world.ann, "validator")
    chooses(page, 3, world.ben, "monitor")
    owner.fills(reason="A new model needs people")
    owner.clicks("Request all of them", role="button")
    owner.sees("row 2 asks for the duty validator")
    owner.faults.clear()  # the status of the refusal is what was asked for
    expect(page.locator("[name='person-3']")).to_have_value(str(world.ben.pk))
    expect(page.locator("[name='reason']")).to_have_value("A new model needs people")
    owner.looks("duties-in-conflict")
    assert not Assignment.objects.filter(state="requested").exists()

    chooses(page, 1, world.ann, "bias_tester")
    owner.clicks("Request all of them", role="button")
    owner.sees("3 requests to decide")

    # Who requested it does not approve it; somebody else does.
    asked = Assignment.objects.get(person=world.ann, duty="validator")
    owner.goes_to(f"/assignments/{asked.pk}/approve/")
    expect(page.locator(".why-not .rule")).to_contain_text("DY17")
    compliance = person("compliance")
    compliance.goes_to(f"/assignments/{asked.pk}/approve/")
    compliance.clicks(f"Approve {asked.ref}", role="button")
    compliance.sees(f"{asked.ref} is approved")
    assert Assignment.objects.get(pk=asked.pk).state == "approved"


def test_a_leaver_is_out_at_once_and_what_stands_still_was_told_before(world, person):
    leaver = person("validator")
    leaver.goes_to("/models/")
    administrator = person("administrator")
    administrator.goes_to("/people/validator/")
    administrator.clicks("Deactivate")
    administrator.sees("What would stand still")
    administrator.sees(re.compile("Nobody can: "))
    administrator.looks("leaver")
    administrator.clicks("Deactivate @validator", role="button")
    administrator.sees("Say why.")
    administrator.faults.clear()
    administrator.fills(reason="Left the company")
    administrator.clicks("Deactivate @validator", role="button")
    administrator.sees("The account of Validator Person is deactivated.")

    leaver.page.goto("/models/")
    expect(leaver.page.get_by_label("Username")).to_be_visible()
    assert not Assignment.objects.active().filter(person=world.validator).exists()
    told = Entry.objects.filter(act="access.deactivate_account", kind="act").latest("id")
    assert "validator on" in told.body

    owner = person("owner")
    owner.goes_to("/models/lotx/people/")
    owner.sees("nobody holds it")

    # The name is never given again, whatever its case.
    administrator.goes_to("/accounts/new/")
    administrator.fills(username="validator", printed_name="Nina Novak", email="nina@example.org")
    administrator.clicks("Create account", role="button")
    administrator.sees("A username is never given to another person")
    administrator.faults.clear()


def test_a_change_of_the_rules_is_replayed_signed_by_two_and_in_force(world, person, tmp_path):
    validated_world(world)
    file = tmp_path / "rules.json"
    file.write_text(json.dumps(changed(dynamic=[STRICTER])), encoding="utf-8")
    proposer = person("compliance2")
    proposer.goes_to("/records/")
    proposer.clicks("Separation rules")
    proposer.sees("Two acts one person may not do")
    proposer.looks("rules")
    proposer.clicks("Propose a change")
    proposer.page.locator("[name='file']").set_input_files(file)
    proposer.fills(reason="Agreed by the quality board")
    proposer.looks("rules-propose")
    proposer.clicks("Propose this change", role="button")
    proposer.sees("is proposed. The last year is judged with it now.")
    run_queued()
    proposer.waits_for("newly refused")
    change = RulesChange.objects.get()
    proposer.goes_to(f"/rules/changes/{change.pk}/")
    proposer.sees("What it would have changed in the last year")
    proposer.looks("rules-change")
    assert proposer.downloads("CSV").suggested_filename == f"{change.ref}-cases.csv"

    approver = person("approver")
    approver.goes_to(f"/sign/access.sign_rules_approver/{change.pk}/")
    approver.sees("Rule by rule")
    approver.looks("rules-sign")
    approver.signs(reason="Read")
    approver.has_signed()
    compliance = person("compliance")
    compliance.goes_to(f"/sign/access.sign_rules_compliance/{change.pk}/")
    compliance.signs(reason="Read")
    compliance.has_signed()
    assert "DY40" in rules_in_force().texts()
    compliance.goes_to("/rules/")
    compliance.sees("Who wrote a plan may not run it")
    compliance.goes_to(f"/rules/v{change.version}/")
    compliance.looks("rules-version")
