"""Verification through the API: the same acts, refusals and figures as on the pages."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.access.signing import content_digest
from apps.trail.models import Entry
from apps.verification.models import Claim, Evidence, Link, Requirement, Risk
from tests.cast import PASSWORD
from tests.factories.doors import session_api, token_api
from tests.factories.evidence import validated_world
from tests.factories.verification import REQUIREMENT
from tests.verification.claims import CLAIM, RISK
from tests.verification.files import case, junit

pytestmark = pytest.mark.evidence("frozen")


@pytest.fixture
def version(world):
    return validated_world(world, until="frozen").version


def test_a_pipeline_attaches_results_and_reads_the_matrix(world, version):
    expert, approver = session_api(world.process_expert), session_api(world.approver)
    risk = expert.post("/api/v1/risks", {"model": "lotx", **RISK, "reason": "Found"}, format="json")
    assert risk.status_code == 201, risk.content
    given = REQUIREMENT | {
        "model": "lotx",
        "source": "risk",
        "risks": [risk.json()["number"]],
        "reason": "Why",
    }
    made = expert.post("/api/v1/requirements", given, format="json")
    assert made.status_code == 201, made.content
    req = Requirement.objects.get()
    signature = {"digest": content_digest(req), "password": PASSWORD}
    signed = approver.post(f"/api/v1/requirements/{req.pk}/approve", signature, format="json")
    assert (signed.status_code, signed.json()["state"]) == (200, "approved")

    pipeline = token_api(world.author)
    file = SimpleUploadedFile("junit.xml", junit(case("test_units", f"REQ-{req.number}")))
    said = {
        "kind": "junit",
        "title": "CI",
        "tool": "pytest",
        "tool_version": "9",
        "commit": "4be19d0c",
        "file": file,
    }
    attached = pipeline.post(f"/api/v1/versions/{version.pk}/evidence", said, format="multipart")
    assert attached.status_code == 201, attached.content
    assert attached.json()["summary"] == {"tests": 1, "passed": 1, "failed": 0, "skipped": 0}
    matrix = pipeline.get(f"/api/v1/versions/{version.pk}/traceability").json()
    assert (matrix["open_ends"], matrix["blocking"]) == ({}, 0)
    assert matrix["lines"][0]["test"] == "tests.test_model::test_units"
    assert pipeline.get("/api/v1/evidence?kind=junit&model=lotx").json()["results"][0]["title"] == "CI"
    fetched = pipeline.post(f"/api/v1/evidence/{Evidence.objects.get().number}/file")
    assert b"".join(fetched.streaming_content).startswith(b"<?xml")
    assert pipeline.get("/api/v1/evidence?kind=poem").status_code == 422
    assert (
        pipeline.get("/api/v1/requirements?state=approved&model=lotx").json()["results"][0]["ref"] == req.ref
    )

    link = {"requirement": req.ref, "target": "test", "pattern": "*units", "reason": "It checks this"}
    linked = pipeline.post(f"/api/v1/versions/{version.pk}/links", link, format="json")
    assert linked.status_code == 201, linked.content
    ended = pipeline.post(
        f"/api/v1/versions/{version.pk}/links/{Link.objects.get().pk}/end", {"reason": "Wrong"}, format="json"
    )
    assert ended.json()["ended_at"]
    claim = CLAIM | {"computed_at": "2026-11-01T12:00:00Z"}
    claimed = pipeline.post(f"/api/v1/versions/{version.pk}/claims", claim, format="json")
    assert claimed.json()["standing"] == "submitted, not computed here", claimed.content
    assert Claim.objects.get().figures == CLAIM["figures"]


def test_a_dry_run_shows_old_and_new_and_what_is_confirmed_is_done_with_its_reason(world, version):
    owner = session_api(world.owner)
    first = owner.post("/api/v1/risks", {"model": "lotx", **RISK, "reason": "Found"}, format="json").json()
    given = {"model": "lotx", **RISK, "severity": "low", "revises": first["number"]}
    given |= {"reason": "Counted again", "reason_code": "knowledge"}
    whim = owner.post("/api/v1/risks", given | {"reason_code": "whim"}, format="json")
    assert (whim.status_code, list(whim.json()["fields"])) == (422, ["reason_code"])
    shown = owner.post("/api/v1/risks", given | {"dry_run": True}, format="json")
    assert shown.status_code == 200
    told = {each["field"]: (each["before"], each["after"]) for each in shown.json()["changes"]}
    assert told["severity"] == ("High", "Low")
    assert "hazard" not in told
    assert Risk.objects.count() == 1
    digest = {"confirmed": shown.json()["digest"]}
    other = owner.post("/api/v1/risks", given | digest | {"harm": "None"}, format="json")
    assert (other.status_code, other.json()["rule"]) == (409, "preview")
    made = owner.post("/api/v1/risks", given | digest, format="json")
    assert (made.status_code, made.json()["revision"]) == (201, 2)
    entry = json.loads(Entry.objects.filter(act="verification.write_risk", kind="act").latest("id").body)
    assert entry["reason"] == "New knowledge or evidence: Counted again"
    assert entry["facts"]["reason_code"]["code"] == "knowledge"
    newest = Risk.objects.get(revision=2).history.latest("history_id")
    assert newest.history_change_reason == entry["reason"]


def test_bad_files_and_other_people_are_refused_as_on_the_pages(world, version):
    address = f"/api/v1/versions/{version.pk}/evidence"
    said = {"kind": "junit", "title": "CI", "tool": "pytest", "tool_version": "9", "commit": "4be19d0c"}

    def send(person, data=b"<testsuite/>"):
        return session_api(world.people[person]).post(
            address, said | {"file": SimpleUploadedFile("junit.xml", data)}, format="multipart"
        )

    bad = send("author")
    assert (bad.status_code, bad.json()["rule"]) == (422, "evidence-file")
    assert "holds no test case" in str(bad.json())
    assert send("approver").status_code == 403
    assert send("stranger").status_code == 404
    assert session_api(world.author).post(address, {}, format="multipart").status_code == 422
    unknown = session_api(world.owner).post("/api/v1/risks", {"model": "nope", "reason": "x"}, format="json")
    assert unknown.status_code == 404
    assert not Evidence.objects.exists()
