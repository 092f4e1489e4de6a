"""A dossier as it stood, in the browser: from the page of now to a moment and back, in every light and width."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from apps.approvals.acts import open_gate, sign_approval
from apps.approvals.models import Slot
from apps.core.jobs import run_queued
from tests.factories.evidence import signed, validated_world

pytestmark = pytest.mark.django_db(transaction=True)


def test_a_dossier_is_seen_as_it_stood_and_left_again(world, person):
    version = validated_world(world).version
    open_gate(world.owner, version.pk)
    run_queued()
    slots = Slot.objects.select_related("gate__version__model", "gate__version__intended_use")
    slot = slots.get(gate__version=version, code="approval")
    sign_approval(world.approver, slot.pk, signature=signed(slot))
    auditor = person("compliance")
    banner = auditor.page.locator(".as-of")
    auditor.goes_to("/models/lotx/1.0.0/")
    auditor.sees("15 of 17 closed")
    auditor.clicks("As of: now")
    auditor.looks("as-of-which-moment")
    opened = auditor.page.locator("li", has_text="opened the release gate").first
    opened.get_by_role("link").click()
    expect(banner).to_contain_text("Nothing can be done here.")
    auditor.looks("as-of-dossier")
    opened_at = auditor.page.url
    assert auditor.page.locator("form[method=post]").count() == 0
    auditor.page.get_by_text("Other moments").click()
    auditor.looks("as-of-other-moments")
    auditor.goes_to(opened_at.replace("/1.0.0/", "/1.0.0/signatures/"))
    expect(banner).to_contain_text("each matches its entry in the trail")
    auditor.looks("as-of-signatures")
    auditor.clicks("Datasets")
    expect(banner).to_contain_text("Nothing can be done here.")
    auditor.looks("as-of-datasets")
    auditor.clicks("Back to now")
    assert "as-of" not in auditor.page.url
    assert banner.count() == 0
    auditor.goes_to("/models/?as-of=2001-01-01", status=400)
    auditor.sees("it begins at")
    auditor.looks("as-of-before-the-trail")
