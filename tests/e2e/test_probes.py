"""Probes in the browser: limits as they were locked, a report watched until it is done, its figures and its chart."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apps.analysis.probes import PROBES
from apps.core.jobs import run_queued
from apps.robustness.models import ProbeReport
from tests.e2e.browsing import EVIDENCE_MS
from tests.factories.evidence import validated_world
from tests.factories.probes import handed_in, lenient, locked_probes

pytestmark = pytest.mark.django_db(transaction=True)


def test_probes_are_made_and_told_against_their_locked_limits(world, person):
    plan = validated_world(world, until="locked").plan
    handed_in(world, plan.version)
    limits = locked_probes(world, plan, **lenient())
    validator = person("validator")
    validator.goes_to(reverse("web:probe_plan", args=[limits.number]))
    for one in limits.limits:
        expect(validator.page.locator("main")).to_contain_text(PROBES[one["probe"]].label)
    validator.looks("probe-limits")
    validator.clicks("Make probes", role="button")
    expect(validator.page.get_by_role("heading", name="Progress", exact=True)).to_be_visible()
    run_queued()
    validator.waits_for("All findings", patience=EVIDENCE_MS)  # the page asks by itself
    expect(validator.page.get_by_role("heading", name="Progress", exact=True)).to_have_count(0)
    validator.looks("probe-report")

    report = ProbeReport.objects.get()
    assert (report.state, report.verdict, validator.page.url.endswith(f"/{report.number}/")) == (
        "done",
        "within",
        True,
    )
    every = validator.page.locator("ul li", has_text="Within limit")
    expect(every).to_have_count(len(limits.limits))
    expect(validator.page.locator("figure svg[role='img']").first).to_be_visible()
    validator.page.get_by_text("What each probe does").click()
    validator.sees("Measured:")
    with Path(validator.downloads("CSV").path()).open(encoding="utf-8", newline="") as file:
        told = {row["probe"] for row in csv.DictReader(file)}
    assert told >= {one["probe"] for one in limits.limits}
    stranger = person("stranger")
    stranger.goes_to(reverse("web:probe_report", args=[report.number]), status=404)
