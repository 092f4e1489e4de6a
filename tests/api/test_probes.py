"""Probes over the API: the same acts, refusals and figures as the pages."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.access.signing import content_digest
from apps.core.jobs import run_queued
from apps.robustness.models import ProbePlan, ProbeReport
from tests.cast import PASSWORD
from tests.factories.doors import browser
from tests.factories.evidence import validated_world
from tests.factories.probes import SERVED, TRAINED, plan_input

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("locked")]
V1 = "/api/v1"


def sent(client, path, data=None):
    return client.post(f"{V1}{path}", data or {}, content_type="application/json")


def given(plan, **more):
    return {"digest": content_digest(plan), "password": PASSWORD, "decision": "approved"} | more


def test_the_whole_way_from_limits_to_figures(world):
    made = validated_world(world, until="locked")
    validator, author = browser(world.validator), browser(world.author)
    path = f"/plans/{made.plan.number}/probe-plans"
    assert sent(author, path, plan_input()).status_code == 403
    assert sent(browser(world.other_developer), path, plan_input()).status_code == 404
    refused = sent(validator, path, plan_input(limits=[{"probe": "magic", "limit": "1"}]))
    assert (
        refused.status_code,
        "There is no probe" in refused.content.decode().replace("there", "There"),
    ) == (
        422,
        True,
    )
    answer = sent(validator, path, plan_input())
    assert answer.status_code == 201, answer.content
    number = answer.json()["number"]
    plan = ProbePlan.objects.get(number=number)
    assert answer.json()["digest"] == content_digest(plan)
    assert sent(validator, f"/probe-plans/{number}/reports").status_code == 409
    assert sent(validator, f"/probe-plans/{number}/sign-author", given(plan)).json()["state"] == "authored"
    approver = browser(world.approver)
    assert sent(approver, f"/probe-plans/{number}/sign-approval", given(plan)).json()["state"] == "locked"
    evidence = f"{V1}/versions/{made.version.pk}/probe-evidence"
    files = {"file": SimpleUploadedFile("t.csv", TRAINED), "second": SimpleUploadedFile("s.csv", SERVED)}
    taken = author.post(evidence, {"kind": "parity", "key_column": "case", **files})
    assert taken.status_code == 201, taken.content
    assert [each["ref"] for each in author.get(evidence).json()] == [taken.json()["ref"]]
    first = sent(validator, f"/probe-plans/{number}/reports")
    assert (first.status_code, first.json()["state"]) == (202, "queued")
    cancel = f"/probe-reports/{first.json()['number']}/cancel"
    assert sent(validator, cancel).status_code == 422
    stopped = sent(validator, cancel, {"reason": "Wrong files"})
    assert stopped.json()["failure"] == "Wrong files"
    assert stopped.json()["state"] == "cancelled"
    assert sent(validator, cancel, {"reason": "Again"}).status_code == 409
    sent(validator, f"/probe-plans/{number}/reports")
    run_queued()
    report = ProbeReport.objects.first()
    shown = author.get(f"{V1}/probe-reports/{report.number}").json()
    assert (shown["state"], shown["verdict"], shown["parity"]) == ("done", "within", taken.json()["ref"])
    assert {f["probe"] for f in shown["results"]["findings"]} == {line["probe"] for line in report.summary}
    figures = author.get(f"{V1}/probe-reports/{report.number}/csv")
    assert figures.content.decode().startswith("line,id,probe")
    listed = author.get(f"{V1}/probe-reports?state=done&model=lotx").json()["results"]
    assert [each["number"] for each in listed] == [report.number]
    assert author.get(f"{V1}/probe-plans?state=magic").status_code == 422
    assert not browser(world.other_developer).get(f"{V1}/probe-reports").json()["results"]
