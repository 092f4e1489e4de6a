"""Risks, requirements and the matrix in the browser: what changes is shown before it is done, and the matrix is never
wider than its page."""

from __future__ import annotations

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apps.verification.acts import link_requirement, write_risk
from apps.verification.models import Risk
from tests.e2e.browsing import NARROW, WIDE
from tests.factories.evidence import validated_world
from tests.factories.verification import approved, attached
from tests.verification.claims import RISK
from tests.verification.files import FAILED, case, junit

pytestmark = pytest.mark.django_db(transaction=True)


def wide_by(who) -> int:
    """How many pixels the matrix needs beyond its frame."""
    return who.page.locator(".scroll").first.evaluate("node => node.scrollWidth - node.clientWidth")


def overlaps(who) -> list[str]:
    """Cells of the matrix whose words run into the next cell."""
    return who.page.evaluate(
        """() => [...document.querySelectorAll('.stacks tbody tr > *')]
            .filter(cell => cell.scrollHeight > cell.clientHeight + 1).map(cell => cell.innerText)"""
    )


def test_from_risk_to_clause(world, person):
    evidence = validated_world(world, until="locked")
    version = evidence.version
    risk = write_risk(world.owner, world.model.pk, given=RISK, reason="Found in review")
    write_risk(world.owner, world.model.pk, given=RISK | {"hazard": "Drift"}, reason="Found in review")
    one = approved(
        world, source="risk", risks=[risk.number], clauses=["EU GMP Annex 22 draft 4.1", "ICH Q9 (R1)"]
    )
    approved(world, text="It is quick.")
    two = approved(world, text="It ranks.")
    long = "test_" + "a_name_that_is_long_" * 6
    attached(
        world, version, "junit", junit(case(long, f"REQ-{one.number}"), case("test_units", inner=FAILED))
    )
    link_requirement(
        world.validator,
        version.pk,
        requirement=two.ref,
        target="criterion",
        pattern="C1",
        reason="It says so",
    )

    expert = person("process_expert")
    expert.goes_to(reverse("web:risk", args=[risk.number, 1]))
    expert.looks("risk")
    expert.clicks("Write the next revision")
    expert.page.get_by_label("Medium", exact=True).first.check()
    expert.page.get_by_label("Kind of reason").select_option("knowledge")
    expert.fills(reason="Counted on 400 lots")
    expert.clicks("Show what will change")
    expert.sees("What will change")
    expert.looks("risk-preview")
    assert Risk.objects.filter(number=risk.number).count() == 1
    expert.clicks("Confirm: Write risk")
    expert.sees(f"RK-{risk.number}/v2 is written.")
    expert.goes_to(reverse("web:risks"))
    expect(expert.page.locator("tbody tr")).to_have_count(2)
    expert.looks("risks")
    expert.goes_to(reverse("web:requirement", args=[one.number, 1]))
    expert.looks("requirement")

    expert.goes_to(reverse("web:traceability", args=[version.pk]))
    expert.looks("matrix")
    for size in (WIDE, {"width": 1024, "height": 800}, NARROW):
        expert.page.set_viewport_size(size)
        assert wide_by(expert) <= 0, size
        assert overlaps(expert) == [], size
    expert.page.set_viewport_size(WIDE)
    heads = expert.page.locator("thead th").all_inner_texts()
    assert [each.strip() for each in heads] == [
        "Risk", "Requirement", "Test or other proof", "Result", "Signature", "Clause", "Open end",
    ]  # fmt: skip
    expert.clicks(f"RK-{risk.number}/v2", role="link")
    expert.sees("Requirements that control it")

    validator = person("validator")
    validator.goes_to(reverse("web:plan_replace", args=[evidence.plan.number]))
    validator.fills(threshold="0.4", reason="The ward changed its device")
    validator.page.get_by_label("Kind of reason").select_option("use")
    validator.page.get_by_role("button", name="Show what will change", exact=True).last.click()
    validator.sees("What will change")
    changes = validator.page.locator(
        "table", has=validator.page.locator("caption", has_text="Each field that")
    )
    expect(changes.locator("tr", has_text="plan VP-1")).to_contain_text("Locked")
    expect(changes.locator("tr", has_text="Draft")).to_contain_text("Locked")
    validator.looks("plan-replace-preview")
    validator.clicks("Confirm: Replace VP-1")
    validator.sees("A deviation is open for it.")
