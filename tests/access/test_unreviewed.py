"""Access that nobody has reviewed for a year is told to compliance: on their page of work, and once a month by mail."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from django.core import mail

from apps.access.acts import withdraw_review
from apps.access.models import Reminder
from apps.access.reminding import not_reviewed, remind_all
from apps.access.unreviewed import EVERY, told, unreviewed
from apps.core.clock import now
from apps.core.jobs import run_queued
from tests.access.test_reviews import decide, opened, sheet_of, sign
from tests.factories.doors import browser, text_of

pytestmark = pytest.mark.django_db
YEAR = timedelta(days=366)


def in_a_year(monkeypatch) -> None:
    moment = now() + YEAR
    for module in ("apps.access.unreviewed", "apps.access.models"):
        monkeypatch.setattr(f"{module}.now", lambda: moment)


def test_nothing_is_told_in_the_first_year(world):
    assert list(unreviewed()) == []
    assert (told(0), list(not_reviewed())) == ("", [])
    assert "not reviewed for a year" not in text_of(browser(world.compliance).get("/work/"))


def test_after_a_year_it_is_told_to_compliance_once_a_month(world, monkeypatch):
    in_a_year(monkeypatch)
    places = set(unreviewed())
    assert ("registry.model", world.model.pk) in places
    assert ("organisation", 0) in places
    said = told(len(places))
    assert said == f"Access to {len(places)} objects was not reviewed for a year."
    assert said in text_of(browser(world.compliance).get("/work/"))
    assert "not reviewed" not in text_of(browser(world.owner).get("/work/"))
    due = list(not_reviewed())
    assert {each.person_id for each in due} == {world.compliance.pk, world.compliance2.pk}
    remind_all()
    remind_all()
    run_queued()
    assert Reminder.objects.filter(title=said).count() == 2, "once to each in one month"
    assert [m.subject for m in mail.outbox if m.to == [world.compliance2.email] and said in m.subject]


def test_a_signed_sheet_settles_its_object_and_no_other(world, monkeypatch):
    review = opened(world, models=[world.model.pk])
    moment = now()
    monkeypatch.setattr("apps.access.unreviewed.now", lambda: moment + EVERY)
    mine, other = ("registry.model", world.model.pk), ("registry.model", world.other_model.pk)
    assert {mine, other} <= set(unreviewed()), "opened is not signed"
    sheet = sheet_of(review)
    decide(world, sheet)
    sign(world, sheet)
    assert mine not in set(unreviewed())
    assert other in set(unreviewed())


def test_the_table_of_a_withdrawn_review_names_who_withdrew_it(world):
    review = opened(world, models=[world.model.pk])
    withdraw_review(world.compliance, review.pk, reason="Wrong objects")
    answer = browser(world.compliance2).get(f"/reviews/{review.pk}/result.csv")
    rows = list(csv.DictReader(io.StringIO(answer.getvalue().decode("utf-8-sig"))))
    assert rows
    assert {(row["withdrawn_by"], row["withdrawn_because"]) for row in rows} == {
        ("compliance", "Wrong objects")
    }
    assert all(row["withdrawn_at"].endswith("Z") for row in rows)
