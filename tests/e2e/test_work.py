"""My work in the browser: the queues, several requests approved at once, and who ended what."""

from __future__ import annotations

import pytest

from apps.access import acts
from apps.core.jobs import run_queued
from apps.datasets.sensitive_acts import grant_read, mark_sensitive, request_read
from tests.access.people import crowd
from tests.access.test_queues import everything, request_duty
from tests.access.test_reviews import opened
from tests.access.test_rule_changes import STRICTER, changed, in_force
from tests.datasets.test_acts import uploaded
from tests.factories.services import service

pytestmark = pytest.mark.django_db(transaction=True)


def test_an_officer_works_through_the_queues(world, person):
    everything(world)
    crowd(world, ["ann", "ben"])
    request_duty(world, person="ann")
    request_duty(world, by="compliance", person="ben")
    officer = person("compliance")
    officer.goes_to("/work/")
    officer.sees("1 waiver to sign")
    officer.sees("1 inspection to approve")
    officer.sees("1 trust in a CI system to approve")
    officer.sees("Not yours to decide")
    officer.looks("work-queues")
    officer.clicks("Approve several at once")
    officer.looks("approve-several")
    for box in officer.page.locator("[name='assignments']").all():
        box.check()
    officer.clicks("Approve the chosen requests", role="button")
    officer.sees("requests are approved")
    officer.looks("approved-several")
    officer.goes_to("/work/")
    officer.clicks("I-1: Vera Visitor")
    officer.looks("inspection-to-approve")


def test_who_ended_it_is_on_the_page(world, person):
    asked = request_duty(world)
    acts.refuse_assignment(world.compliance, asked.pk, reason="Works elsewhere")
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients of one small hospital")
    version = uploaded(world)
    grant_read(world.steward, request_read(world.author, version.pk, hours=4, reason="Query 7").pk, hours=2)
    made = service(world)
    acts.suspend_service(world.compliance, made.pk, reason="A key was lost")
    in_force(world, changed(dynamic=[STRICTER]))
    opened(world)
    run_queued()
    owner = person("owner")
    owner.goes_to("/models/lotx/people/")
    owner.page.get_by_text("1 past").click()
    owner.sees("Works elsewhere")
    owner.looks("people-past")
    owner.goes_to(f"/datasets/{world.dataset.slug}/")
    owner.sees("Patients of one small hospital")
    owner.looks("dataset-marked")
    owner.goes_to("/data-access/1/")
    owner.sees("Hours granted")
    owner.looks("read-grant-hours")
    owner.goes_to("/rules/")
    owner.sees("earlier, in force until")
    owner.looks("rules-versions")
    officer = person("compliance")
    officer.goes_to(f"/services/{made.pk}/")
    officer.sees("Suspended by")
    officer.looks("service-suspended")
    officer.goes_to("/reviews/sheets/1/")
    officer.looks("review-lines")
    admin = person("administrator")
    admin.goes_to("/inspections/")
    admin.looks("inspections")
