"""A waiver in the browser: asked for, signed by two, shown at the gate, lapsed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from apps.access.models import Waiver
from apps.approvals.acts import open_gate
from apps.approvals.models import Slot
from apps.core import clock
from apps.core.clock import now
from apps.core.jobs import run_queued
from apps.web.links import url_of
from tests.cast import give
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_waiver_opens_one_rule_for_one_person_until_it_lapses(world, person, monkeypatch):
    evidence = validated_world(world)
    gate = open_gate(world.owner, evidence.version.pk)
    run_queued()
    give(world, "validator", "approver", world.model)
    slot = Slot.objects.select_related("gate__version").get(gate=gate, code="approval")
    sign_page = f"/sign/approvals.sign_approval/{slot.pk}/"

    validator = person("validator")
    validator.goes_to(sign_page)
    validator.page.locator("main").get_by_text("DY8").first.wait_for()

    owner = person("owner")
    owner.goes_to("/models/lotx/people/waiver/")
    owner.page.get_by_label("For whom").select_option(str(world.validator.pk))
    owner.page.get_by_label("Rule", exact=True).select_option("DY8")
    owner.fills(
        control="A second validator repeats the run.",
        expires_at=f"{now() + timedelta(days=20):%Y-%m-%d %H:%M}",
        reason="The other approver is on leave",
    )
    owner.looks("waiver-new")
    owner.page.locator("main form button[type=submit]").click()
    waiver = Waiver.objects.get()

    for name, act in (("approver", "sign_waiver_approver"), ("compliance", "sign_waiver_compliance")):
        signer = person(name)
        signer.goes_to(f"/sign/access.{act}/{waiver.pk}/")
        signer.signs(reason="Read")
        signer.has_signed()
    owner.goes_to(f"/waivers/{waiver.pk}/")
    owner.sees("In force")
    owner.looks("waiver-in-force")

    validator.goes_to(sign_page)
    validator.signs(reason="Read on Friday")
    validator.has_signed()
    version = url_of(gate.version)
    owner.goes_to(version)
    expect(owner.page.locator("main")).to_contain_text(f"({waiver.ref})")

    monkeypatch.setattr(clock, "_latest", clock._latest)  # what is seen from here on is forgotten at the end
    monkeypatch.setattr(clock, "_system", lambda: datetime.now(UTC) + timedelta(days=21))
    owner.context.clear_cookies()  # its session has ended long ago
    owner.signs_in()
    owner.goes_to(version)
    expect(owner.page.locator("main")).to_contain_text(f"It was signed under {waiver.ref}, which has lapsed.")
    owner.looks("gate-after-a-waiver")
    owner.goes_to(f"/waivers/{waiver.pk}/")
    owner.sees("Run out")
