"""An explanation in the browser: asked for, watched until it is done, read, reviewed and signed."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest
from django.urls import reverse
from playwright.sync_api import expect

from apps.core.jobs import run_queued
from apps.explanation.models import Report
from tests.e2e.browsing import EVIDENCE_MS
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_explanation_is_asked_for_read_and_reviewed(world, person):
    version = validated_world(world, until="run").version
    validator = person("validator")
    validator.goes_to(reverse("web:section", args=[version.model.slug, version.label, "explainability"]))
    validator.clicks("Compute explanation", role="button")
    expect(validator.page.get_by_role("heading", name="Progress", exact=True)).to_be_visible()
    assert "/explanations/1/" in validator.page.url
    run_queued()
    validator.waits_for("matters most", patience=EVIDENCE_MS)  # the page asks by itself
    expect(validator.page.get_by_role("heading", name="Progress", exact=True)).to_have_count(0)
    validator.looks("explanation")

    report = Report.objects.get()
    for sentence in (report.summary["features"][0]["sentence"], report.summary["stability"]):
        validator.sees(sentence)
    drawn = validator.page.locator("figure svg[role='img']").first
    expect(drawn).to_be_visible()
    with Path(validator.downloads("CSV").path()).open(encoding="utf-8", newline="") as file:
        told = {row["line"] for row in csv.DictReader(file)}
    assert told == {"feature", "example", "surrogate"}

    expert = person("process_expert")
    expert.goes_to(reverse("web:explanation", args=[report.number]))
    expert.clicks("Review features")
    expert.page.locator("[name='features.0.decision'][value='plausible']").check()
    expert.fills(conclusion="The marker leads, as the process would have it.")
    expert.page.locator("main form").first.evaluate("form => form.requestSubmit()")
    expert.sees("There is a problem")  # not every feature is decided, and nothing typed is lost
    expert.looks("explanation-review-unfinished")
    expect(expert.page.locator("[name='conclusion']")).to_have_value(re.compile("The marker leads"))
    for chosen in expert.page.locator("[name$='.decision'][value='plausible']").all():
        chosen.check()
    expert.page.locator("main form").first.evaluate("form => form.requestSubmit()")
    expert.sees("The review you sign")
    expert.signs()
    expert.has_signed()
    validator.goes_to(reverse("web:explanation", args=[report.number]))
    validator.sees("Process Expert Person")
