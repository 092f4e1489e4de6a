"""Changes of the rules through page and API: the same refusals, what is shown before signing, what is hidden."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.access import acts
from apps.access.actors import as_actor
from apps.access.gate import Judge
from apps.access.models import RulesChange, SeparationRules
from apps.access.policy import policy
from apps.access.rule_queries import HIDDEN
from apps.access.rulesfile import newest_shipped
from apps.access.signing import content_digest
from apps.core import blobs
from apps.core.clock import now
from apps.core.jobs import run_queued
from tests.access.test_rule_changes import APPROVER, NEXT, STRICTER, changed, in_force, propose
from tests.cast import PASSWORD, give
from tests.factories.doors import browser, session_api, text_of, token_api
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db
API = "/api/v1/rule-changes"


def upload(data: dict | bytes) -> SimpleUploadedFile:
    content = data if isinstance(data, bytes) else json.dumps(data).encode()
    return SimpleUploadedFile("rules.json", content, "application/json")


def test_the_rules_in_force_are_for_everybody_to_read(world):
    page = text_of(browser(world.author).get("/rules/"))
    for told in ("DY2", "Who developed a version may not approve it", "EU GMP Annex 22 draft 6.2", "sha256"):
        assert told in page
    assert "Propose a change" not in page
    assert "Propose a change" in text_of(browser(world.registrar).get("/rules/"))
    file = browser(world.author).get(f"/rules/v{NEXT - 1}/file/")
    assert json.loads(file.content) == newest_shipped()
    api = session_api(world.author).get(f"/api/v1/separation-rules/{NEXT - 1}").json()
    assert api["rules"] == newest_shipped()
    assert browser(world.author).get("/rules/v99/").status_code == 404


def test_proposed_in_the_browser_with_errors_beside_the_file(world):
    client, url = browser(world.registrar), "/rules/changes/new/"
    given = {"source": "file", "reason": "Agreed", "idempotency_key": "r1"}
    none = client.post(url, given)
    assert (none.status_code, "Choose the file with the new rules." in text_of(none)) == (422, True)
    bad = client.post(url, given | {"file": upload(b'{"version": 1}')})
    assert (bad.status_code, "static: is missing" in text_of(bad)) == (422, True)
    assert "Agreed" in bad.content.decode()
    same = client.post(url, given | {"source": "shipped"})
    assert "nothing would change" in text_of(same)
    good = client.post(url, given | {"file": upload(changed(without=("DY21",)))})
    change = RulesChange.objects.get()
    assert (good.status_code, good.url) == (302, f"/rules/changes/{change.pk}/")
    run_queued()
    page = text_of(client.get(good.url))
    assert "0 newly refused, 0 newly allowed" in page
    assert "No case" in page
    assert "DY21" in page
    assert client.post(f"{good.url}withdraw/", {"reason": "", "idempotency_key": "w"}).status_code == 422
    assert client.post(f"{good.url}replay/").status_code == 409
    assert client.post(f"{good.url}withdraw/", {"reason": "Later", "idempotency_key": "w"}).status_code == 302
    for name, status in (("author", 403), ("stranger", 403)):
        assert browser(world.people[name]).post(url, given).status_code == status


@pytest.mark.evidence("reported")
def test_the_cases_are_shown_counted_and_taken_away_as_csv(world):
    validated_world(world)
    change = propose(world, changed(dynamic=[STRICTER]))
    client = browser(world.compliance)
    url = f"/rules/changes/{change.pk}/"
    page = text_of(client.get(url))
    assert f"{change.newly_refused} newly refused, 0 newly allowed" in page
    assert "DY40: who wrote a plan may not run it" in page
    assert "No case" in text_of(client.get(url, {"result": "allowed"}))
    lines = b"".join(client.get(url, {"format": "csv"}).streaming_content).decode().splitlines()
    assert lines[0].startswith("Result,What,Who")
    assert len(lines) == change.newly_refused + 1
    assert lines[1].startswith("newly refused,was done,Validator Person,validator,")
    told = session_api(world.compliance).get(f"{API}/{change.pk}/cases").json()
    assert len(told) == change.newly_refused
    assert session_api(world.compliance).get(f"{API}/{change.pk}/cases?result=odd").status_code == 422


@pytest.mark.evidence("reported")
def test_cases_on_records_one_may_not_see_tell_the_rule_alone(world):
    validated_world(world)
    change = propose(world, changed(dynamic=[STRICTER]))
    give(world, "stranger", "approver", world.other_model, by="other_owner")
    client = browser(world.stranger)
    page = text_of(client.get(f"/rules/changes/{change.pk}/"))
    assert HIDDEN in page
    assert "DY40" in page
    for secret in ("Validator Person", "lotx", "VP-1"):
        assert secret not in page
    told = session_api(world.stranger).get(f"{API}/{change.pk}/cases").json()
    assert {(case["person"], case["record"], case["after"]) for case in told} == {("", HIDDEN, "DY40")}


def test_a_result_that_was_altered_is_not_shown(world):
    change = propose(world, changed(without=("DY21",)))
    path = blobs.path(change.replay_digest, area="results")
    path.chmod(0o640)
    path.write_bytes(b"{}")
    try:
        answer = browser(world.compliance).get(f"/rules/changes/{change.pk}/")
        assert (answer.status_code, "cannot be shown" in text_of(answer)) == (409, True)
        assert session_api(world.compliance).get(f"{API}/{change.pk}/cases").status_code == 409
    finally:
        path.unlink()


@pytest.mark.evidence("run")
def test_who_would_gain_is_told_before_signing(world):
    validated_world(world, until="run")
    held = world.validator.assignments.get(duty="validator", scope_kind="registry.model")

    acts.end_assignment(world.owner, held.pk, reason="Moves on")
    give(world, "validator", "approver", world.model)
    change = propose(world, changed(without=("DY8",)))
    url = reverse("web:sign", args=[APPROVER, change.pk])
    assert "You cannot approve it: it would newly allow you" in text_of(browser(world.validator).get(url))
    page = text_of(browser(world.approver).get(url))
    assert "You cannot approve it" not in page
    for told in ("What you put into force", "Rule by rule", "Left out", change.replay_digest):
        assert told in page
    assert Judge(change).verdict(as_actor(world.validator), policy(APPROVER)).allowed, "they may reject it"


def test_the_api_from_proposal_to_withdrawal(world):
    api = session_api(world.compliance2)
    assert api.post(API, {"reason": "x"}, format="multipart").status_code == 422
    assert session_api(world.author).post(API, {}, format="multipart").status_code == 403
    assert token_api(world.compliance2).post(API, {"reason": "x"}, format="multipart").status_code == 403
    made = api.post(API, {"reason": "Agreed", "file": upload(changed(without=("DY8",)))}, format="multipart")
    assert made.status_code == 201, made.json()
    pk = made.json()["id"]
    assert {d["rule"] for d in made.json()["differences"] if d["change"] != "same"} == {"DY8"}
    body = {"half": "approver", "digest": made.json()["digest"], "password": PASSWORD}
    early = session_api(world.approver).post(f"{API}/{pk}/sign", body, format="json")
    assert (early.status_code, early.json()["rule"]) == (409, "rules-change-state")
    run_queued()
    body["digest"] = content_digest(RulesChange.objects.get(pk=pk))
    assert token_api(world.approver).post(f"{API}/{pk}/sign", body, format="json").status_code == 403
    signed = session_api(world.approver).post(f"{API}/{pk}/sign", body, format="json")
    assert (signed.status_code, signed.json()["signatures"][0]["username"]) == (200, "approver")
    assert session_api(world.author).get(f"{API}/{pk}").status_code == 404
    assert (
        session_api(world.author).post(f"{API}/{pk}/sign", {"nonsense": 1}, format="json").status_code == 404
    )
    assert api.post(f"{API}/{pk}/replay", format="json").status_code == 409
    assert api.post(f"{API}/{pk}/withdraw", {}, format="json").status_code == 422
    assert (
        api.post(f"{API}/{pk}/withdraw", {"reason": "Later"}, format="json").json()["standing"] == "Withdrawn"
    )
    listed = session_api(world.inspector).get(f"{API}?state=ended").json()["results"]
    assert [row["id"] for row in listed] == [pk]


def test_which_versions_are_earlier_and_which_are_to_come_is_said_with_the_moment(world):
    client = browser(world.author)
    in_force(world, changed(static=[], dynamic=[STRICTER]))
    made = SeparationRules.objects.get(version=NEXT)
    unsigned = "came with the portal; nobody here signed it"
    signers = f"{world.approver.printed_name} and {world.compliance.printed_name}"
    assert unsigned in text_of(client.get(f"/rules/v{NEXT - 1}/"))
    assert f"Signed by {signers}" in text_of(client.get(f"/rules/v{NEXT}/"))
    page = text_of(client.get("/rules/"))
    assert f"Signed by {signers}" in page
    assert page.count(unsigned) == 1
    assert page.count(signers) == 2  # beside the version, and above
    until = f"{made.effective_from:%Y-%m-%d %H:%M} UTC"
    assert f"Version {NEXT - 1} earlier, in force until {until}" in page
    assert f"Version {NEXT} in force" in page
    assert "or still to come" not in page
    SeparationRules.objects.filter(pk=made.pk).update(effective_from=now() + timedelta(days=3))
    made.refresh_from_db()
    page = text_of(client.get("/rules/"))
    assert f"Version {NEXT} to come, in force from {made.effective_from:%Y-%m-%d %H:%M} UTC" in page
    assert f"Version {NEXT - 1} in force" in page
    assert f"not yet: from {made.effective_from:%Y-%m-%d %H:%M} UTC" in text_of(
        client.get(f"/rules/v{NEXT}/")
    )
