"""Verification through the API: the same acts, refusals and figures as on the pages."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.access.refs import resolve
from apps.access.signing import content_digest
from apps.core import clock
from apps.trail.models import Entry
from apps.verification.acts import write_requirement, write_risk
from apps.verification.models import Claim, Evidence, Link, Requirement, Risk
from tests.cast import PASSWORD
from tests.factories.doors import browser, session_api, token_api
from tests.factories.evidence import validated_world
from tests.factories.verification import REQUIREMENT, approved, attached, risk
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


def refs(answer) -> list[str]:
    assert answer.status_code == 200, answer.content
    return [row["ref"] for row in answer.json()["results"]]


def test_lists_give_the_newest_revision_of_each_when_asked_and_details_tell_content_and_acts(world, version):
    asker = token_api(world.owner)
    first, second = risk(world), risk(world)
    write_risk(
        world.owner, world.model.pk, given=RISK | {"harm": "Worse"}, revises=first.number, reason="Seen"
    )
    one, two = f"RK-{first.number}", f"RK-{second.number}"
    assert refs(asker.get("/api/v1/risks")) == [f"{one}/v1", f"{one}/v2", f"{two}/v1"]
    assert refs(asker.get("/api/v1/risks?newest=false")) == [f"{one}/v1", f"{one}/v2", f"{two}/v1"]
    assert refs(asker.get("/api/v1/risks?newest=true&model=lotx")) == [f"{one}/v2", f"{two}/v1"]
    assert asker.get("/api/v1/risks?newest=yes").json()["fields"]["newest"] == ["One of: true, false."]
    assert refs(token_api(world.stranger).get("/api/v1/risks?newest=true")) == []
    told = asker.get(f"/api/v1/risks/{first.pk}").json()
    assert (told["ref"], told["digest"]) == (f"{one}/v1", content_digest(first))
    assert told["content"]["harm"] == RISK["harm"]
    assert isinstance(told["allowed_acts"], list)

    made = approved(world)
    write_requirement(
        world.process_expert, world.model.pk, given=REQUIREMENT, revises=made.number, reason="Clearer"
    )
    name = f"REQ-{made.number}"
    assert refs(asker.get("/api/v1/requirements")) == [f"{name}/v1", f"{name}/v2"]
    assert refs(asker.get("/api/v1/requirements?newest=true")) == [f"{name}/v2"]
    # Of the newest ones those in this state: a draft hides the revision in force.
    assert refs(asker.get("/api/v1/requirements?newest=true&state=approved")) == []
    assert refs(asker.get("/api/v1/requirements?state=approved")) == [f"{name}/v1"]


def test_references_of_risks_requirements_evidence_and_claims_are_found(world, version):
    first = risk(world)
    later = write_risk(
        world.owner, world.model.pk, given=RISK | {"harm": "More"}, revises=first.number, reason="Seen"
    )
    wanted, file = approved(world), attached(world, version, "junit", junit(case("test_units")))
    for text, found in (
        (f"RK-{first.number}", later),
        (f"rk-{first.number}/v1", first),
        (f"RK-{first.number}/V2", later),
        (f"REQ-{wanted.number}", wanted),
        (wanted.ref, wanted),
        (file.ref, file),
    ):
        assert resolve(world.author, text) == [found], text
        assert resolve(world.stranger, text) == [], text
    for text in (f"RK-{first.number}/v3", "REQ-999", "REQ-1/v", "RK-/v1", "REQ-9999999999/v1"):
        assert resolve(world.author, text) == [], text
    page = browser(world.author).get("/search/", {"q": f"REQ-{wanted.number}"})
    assert (page.status_code, page.url) == (302, f"/requirements/{wanted.number}/1/")
    acts = token_api(world.compliance).get("/api/v1/trail", {"record": wanted.ref})
    assert {row["act"] for row in acts.json()["results"]} >= {"verification.write_requirement"}


def test_the_newest_of_then_is_told_of_a_moment_past(world, version):
    first = risk(world)
    then = clock.now()
    write_risk(
        world.owner, world.model.pk, given=RISK | {"harm": "Worse"}, revises=first.number, reason="Seen"
    )
    asker = session_api(world.owner)
    answer = asker.get("/api/v1/risks", {"newest": "true", "as_of": clock.iso(then)})
    assert refs(answer) == [first.ref]
    assert refs(asker.get("/api/v1/risks", {"newest": "true"})) == [f"RK-{first.number}/v2"]
