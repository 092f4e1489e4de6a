"""An access review in the browser: opened, decided line by line, signed by two, closed; and a training that blocks."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from apps.access.models import AccessReview, Assignment, ReviewSheet
from apps.core.clock import now
from tests.access.test_training import adopt, record
from tests.e2e.browsing import Person

pytestmark = pytest.mark.django_db(transaction=True)


def keeps_all(who: Person, *, but: str = "") -> None:
    """Keep every line by its radio button; the line of `but` ends, with a comment."""
    for row in who.page.locator("tbody tr").all():
        ends = bool(but) and but in row.inner_text()
        row.get_by_label("End" if ends else "Keep", exact=True).check()
        if ends:
            row.get_by_role("textbox").fill("Moved to another team")


def test_a_review_ends_what_is_ended_and_nobody_signs_their_own(world, person):
    officer = person("compliance")
    officer.goes_to("/reviews/")
    officer.clicks("Open an access review")
    officer.fills(
        title="Fourth quarter", due_at=f"{now() + timedelta(days=10):%Y-%m-%d %H:%M}", reason="Every quarter"
    )
    officer.page.get_by_label("lotx", exact=True).check()
    officer.looks("access-review-new")
    officer.clicks("Open this review")
    officer.sees("is open. Its reviewers find it in their work.")
    review = AccessReview.objects.get()

    owner = person("owner")
    owner.goes_to("/work/")
    owner.sees("1 access review waits for you")
    owner.looks("work-with-access-review")
    owner.clicks("Decide")
    monitor = world.monitor.printed_name
    owner.page.locator("tbody tr", has_text=monitor).get_by_label("End", exact=True).check()
    owner.clicks("Keep these decisions", exact=True)
    expect(owner.page.locator("main")).to_contain_text(
        "Say why it ends."
    )  # and what was chosen is still chosen
    keeps_all(owner, but=monitor)
    owner.looks("access-review-sheet")
    owner.clicks("Keep these decisions and go on to sign")
    owner.sees(re.compile("1 of .* ends with your signature"))
    owner.looks("access-review-sign")
    assert Assignment.objects.active().filter(person=world.monitor, scope_id=world.model.pk).exists()
    owner.signs()
    owner.has_signed()
    assert not Assignment.objects.active().filter(person=world.monitor, scope_id=world.model.pk).exists()

    own = ReviewSheet.objects.get(review=review, whose=world.owner)
    owner.goes_to(f"/reviews/sheets/{own.pk}/")
    expect(owner.page.locator(".why-not .rule")).to_contain_text("DY17")
    expect(owner.page.get_by_role("button", name=re.compile("^Keep"))).to_have_count(0)
    owner.looks("access-review-own-sheet")

    officer.goes_to(f"/reviews/sheets/{own.pk}/")
    keeps_all(officer)
    officer.clicks("Keep these decisions and go on to sign")
    officer.signs()
    officer.has_signed()
    officer.goes_to(f"/reviews/{review.pk}/")
    officer.sees("Digest of the result")
    officer.looks("access-review-closed")
    review.refresh_from_db()
    taken = Path(officer.downloads("Result as JSON").path()).read_bytes()
    assert "sha256:" + hashlib.sha256(taken).hexdigest() == review.result_digest


def test_the_training_matrix_and_what_a_lapse_says(world, person):
    adopt(world, {"owner": ["system", "privacy"], "validator": ["data_integrity"]})
    record(world, "owner", "system")
    officer = person("compliance")
    officer.goes_to("/training/")
    officer.looks("training-matrix")
    officer.goes_to("/training/matrix/")
    officer.looks("training-needs")
    owner = person("owner")
    owner.goes_to("/work/")
    owner.sees("Your training")
    owner.looks("work-with-training")
    owner.goes_to("/models/lotx/people/")
    owner.sees(re.compile("Your training “Privacy” is not recorded"))
    officer.goes_to("/people/owner/training/")
    officer.page.get_by_label("Training", exact=True).select_option(label="Privacy")
    officer.fills(
        completed_on=f"{now() - timedelta(days=2):%Y-%m-%d}", evidence="Course of this week, passed"
    )
    officer.looks("training-record")
    officer.clicks("Record this training")
    officer.sees("is recorded for Owner Person")
    officer.looks("person-with-training")
    owner.goes_to("/models/lotx/people/")
    expect(owner.page.locator("main")).not_to_contain_text("Your training")
