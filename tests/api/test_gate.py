"""The release gate by the API: evaluation, signing by session, and "may this digest deploy?"."""

from __future__ import annotations

import pytest

from apps.access.signing import content_digest
from apps.approvals.models import Gate, Slot
from apps.core.jobs import run_queued
from apps.registry.models import Version
from tests.approvals.conftest import slot_of
from tests.cast import PASSWORD
from tests.factories.doors import browser, session_api, token_api
from tests.factories.evidence import validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("gate")]
SIGNERS = {"approval": "approver", "responsibility": "owner", "review": "compliance"}


@pytest.fixture
def evidence(world):
    return validated_world(world)


@pytest.fixture
def gate(world) -> Gate:
    return validated_world(world, until="gate").gate


def sign(world, gate, code, client=None, **changes):
    slot = slot_of(gate, code)
    body = {"digest": content_digest(slot), "password": PASSWORD, "decision": "approved"} | changes
    client = client or session_api(world.people[SIGNERS[code]])
    return client.post(f"/api/v1/slots/{slot.pk}/sign", body, format="json")


@pytest.mark.evidence("reported")
def test_opening_and_reading_the_gate_with_a_token(world, evidence):
    api = token_api(world.owner)
    url = f"/api/v1/versions/{evidence.version.pk}/gate"
    before = api.get(url).json()
    first, *others = [row["state"] for row in before["rows"] if row["code"] in SIGNERS]
    assert first == "needs_you"  # the owner opens the gate
    assert set(others) == {"not_started"}
    opened = api.post(url, HTTP_IDEMPOTENCY_KEY="open-1")
    assert opened.status_code == 201
    assert api.post(url, HTTP_IDEMPOTENCY_KEY="open-1").json()["id"] == opened.json()["id"]
    assert api.post(url, HTTP_IDEMPOTENCY_KEY="open-2").status_code == 409
    run_queued()
    after = {row["code"]: row for row in api.get(url).json()["rows"]}
    assert after["trail_verified"]["state"] == "met"
    assert after["responsibility"]["state"] == "waiting"  # a token cannot sign, whoever owns it
    by_session = {row["code"]: row for row in session_api(world.owner).get(url).json()["rows"]}
    assert by_session["responsibility"]["state"] == "needs_you"
    assert set(after["approval"]["eligible"]) == {"Approver Person", "Approver2 Person"}


def test_three_sessions_sign_and_the_digest_may_deploy(world, gate):
    pipeline = token_api(world.deployer)
    asked = f"/api/v1/gate?digest={gate.version.artefact_digest}"
    early = pipeline.get(asked)
    assert early.status_code == 409
    assert early.json()["reasons"]
    for code in SIGNERS:
        assert sign(world, gate, code).status_code == 200
    late = pipeline.get(asked)
    assert (late.status_code, late.json()["allowed"], late.json()["state"]) == (200, True, "released")
    assert pipeline.get(f"{asked}&model=lotx").status_code == 200
    assert pipeline.get(f"{asked}&model=visc").status_code == 404
    assert token_api(world.other_developer).get(asked).status_code == 404


def test_suspending_by_the_api(world, gate):
    for code in SIGNERS:
        sign(world, gate, code)
    url = f"/api/v1/versions/{gate.version_id}/suspend"
    assert token_api(world.compliance).post(url, {}, format="json").status_code == 422
    assert token_api(world.monitor).post(url, {"reason": "x"}, format="json").status_code == 403
    assert token_api(world.compliance).post(url, {"reason": "Drift"}, format="json").status_code == 200
    answer = token_api(world.deployer).get(f"/api/v1/gate?digest={gate.version.artefact_digest}")
    assert answer.status_code == 409
    assert "suspended" in answer.json()["reasons"][0]


@pytest.mark.parametrize("digest", ["", "sha256:xyz", "51ab", "sha256:" + "g" * 64, "sha256:" + "0" * 65])
def test_a_digest_that_is_none_is_told_how_to_be_one(world, digest):
    answer = token_api(world.deployer).get("/api/v1/gate", {"digest": digest})
    assert answer.status_code == 422
    assert "64 hex digits" in answer.json()["fields"]["digest"][0]


def test_an_unknown_digest_and_no_sign_in(world, client):
    unknown = "/api/v1/gate?digest=sha256:" + "0" * 64
    assert token_api(world.deployer).get(unknown).status_code == 404
    assert client.get(unknown).status_code == 401


def test_a_token_cannot_sign(world, gate):
    answer = sign(world, gate, "approval", client=token_api(world.approver))
    assert answer.status_code == 403
    assert answer.json()["rule"] == "21 CFR 11.200(a)(2)"
    assert Slot.objects.get(gate=gate, code="approval").state == "wanted"


def test_bad_input_to_a_signature(world, gate):
    for changes, field in (
        ({"digest": "abc"}, "digest"),
        ({"decision": "maybe"}, "decision"),
        ({"extra": 1}, "extra"),
    ):
        answer = sign(world, gate, "approval", **changes)
        assert answer.status_code == 422, changes
        assert field in answer.json()["fields"]
    assert sign(world, gate, "approval", digest="sha256:" + "0" * 64).status_code == 409
    assert sign(world, gate, "approval", decision="rejected").json()["fields"]["reason"]


@pytest.mark.parametrize("who", ["author", "validator", "monitor", "owner"])
def test_page_and_api_refuse_with_the_same_words(world, gate, who):
    slot = slot_of(gate, "approval")
    by_api = sign(world, gate, "approval", client=session_api(world.people[who]))
    form = {
        "digest": content_digest(slot),
        "password": PASSWORD,
        "decision": "approved",
        "idempotency_key": "k",
    }
    by_page = browser(world.people[who]).post(f"/sign/approvals.sign_approval/{slot.pk}/", form)
    assert by_api.status_code == by_page.status_code == 403
    said = by_api.json()
    html = by_page.content.decode()
    assert said["fact"] in html
    assert all(name in html for name in said["eligible"])
    assert Version.objects.get(pk=gate.version_id).state == "validated"
