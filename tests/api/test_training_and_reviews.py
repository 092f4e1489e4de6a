"""Training and access reviews through the API: the same acts, the same refusals, in their order."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access.models import AccessReview, Assignment, TrainingRecord
from apps.access.signing import content_digest
from apps.core.clock import now
from tests.access.test_reviews import decide, opened, sheet_of, sign
from tests.access.test_training import adopt, record
from tests.cast import PASSWORD
from tests.factories.doors import session_api, token_api

pytestmark = pytest.mark.django_db
V1 = "/api/v1"


def training_input(**changed) -> dict:
    done = str(now().date() - timedelta(days=5))
    return {
        "person": "curator",
        "kind": "system",
        "completed_on": done,
        "evidence": "Certificate 3",
    } | changed


def test_recorded_by_token_as_a_learning_system_would(world):
    api = token_api(world.compliance)
    made = api.post(f"{V1}/trainings", training_input(), format="json", headers={"Idempotency-Key": "k"})
    assert made.status_code == 201, made.content
    assert made.json()["recorded_by"] == "compliance"
    again = api.post(f"{V1}/trainings", training_input(), format="json", headers={"Idempotency-Key": "k"})
    assert again.json()["id"] == made.json()["id"]
    assert TrainingRecord.objects.count() == 1
    found = api.get(f"{V1}/trainings", {"person": "curator", "kind": "system"}).json()
    assert [row["ref"] for row in found["results"]] == [made.json()["ref"]]
    correction = training_input(corrects_id=made.json()["id"], void=True, evidence="Another person's")
    assert api.post(f"{V1}/trainings", correction, format="json").json()["corrects"] == made.json()["ref"]
    assert api.get(f"{V1}/trainings/{made.json()['id']}").json()["corrected_by"] == "T-" + str(
        TrainingRecord.objects.latest("pk").pk
    )


def test_a_file_comes_in_a_multipart_form_and_leaves_by_an_act(world):
    api = session_api(world.compliance)
    file = SimpleUploadedFile("sheet.pdf", b"%PDF attended")
    made = api.post(f"{V1}/trainings", training_input(file=file), format="multipart")
    assert made.status_code == 201, made.content
    assert made.json()["file_digest"] == "sha256:" + hashlib.sha256(b"%PDF attended").hexdigest()
    fetched = api.post(f"{V1}/trainings/{made.json()['id']}/evidence")
    assert b"".join(fetched.streaming_content) == b"%PDF attended"


@pytest.mark.parametrize(
    ("name", "changed", "status"),
    [
        ("stranger", {}, 404),
        ("administrator", {}, 403),
        ("administrator", {"kind": "dancing"}, 403),
        ("compliance", {"person": "compliance"}, 409),
        ("compliance", {"person": "nobody"}, 404),
        ("compliance", {"person": ["x"]}, 404),
        ("compliance", {"kind": "dancing"}, 422),
        ("compliance", {"kind": "signature_policy"}, 422),
        ("compliance", {"kind": "limits_user", "model": "nothing"}, 422),
        ("compliance", {"completed_on": "2999-01-01"}, 422),
        ("compliance", {"evidence": "x" * 4001}, 422),
        ("compliance", {"corrects_id": 10**30}, 422),
        ("compliance", {"more": 1}, 422),
    ],
)
def test_refused_in_the_usual_order(world, name, changed, status):
    answer = session_api(world.people[name]).post(f"{V1}/trainings", training_input(**changed), format="json")
    assert answer.status_code == status, answer.content
    assert TrainingRecord.objects.count() == 0


def test_the_matrix_and_the_policy(world):
    api = session_api(world.compliance)
    given = {"seen": 0, "duties": {"owner": ["privacy", "signature_policy"]}, "reason": "Plan"}
    assert (
        token_api(world.compliance).post(f"{V1}/training-matrices", given, format="json").status_code == 403
    )
    assert session_api(world.owner).post(f"{V1}/training-matrices", {}, format="json").status_code == 403
    made = api.post(f"{V1}/training-matrices", given, format="json")
    assert made.status_code == 201, made.content
    assert made.json()["duties"]["owner"] == ["privacy", "signature_policy"]
    assert api.post(f"{V1}/training-matrices", given, format="json").status_code == 409
    assert (
        api.post(
            f"{V1}/training-matrices", given | {"seen": 1, "duties": {"x": []}}, format="json"
        ).status_code
        == 422
    )
    assert [row["version"] for row in api.get(f"{V1}/training-matrices").json()["results"]] == [1]
    owner = session_api(world.owner)
    refused = owner.post(
        f"{V1}/assignments",
        {"person": "stranger", "duty": "monitor", "on": "models/lotx", "reason": "Needed"},
        format="json",
    )
    assert refused.status_code == 403
    assert refused.json()["fact"] == "Your training “Privacy” is not recorded."
    assert refused.json()["eligible"] == ["Compliance2 Person", "Cora Compliance", "Registrar Person"]
    assert owner.post(f"{V1}/trainings/accept-policy", {"edition": "0"}, format="json").status_code == 409
    assert owner.post(f"{V1}/trainings/accept-policy", {"edition": "1"}, format="json").status_code == 201
    assert owner.post(f"{V1}/trainings/accept-policy", {}, format="json").status_code == 422


def test_standings_by_person_and_duty(world):
    adopt(world, {"curator": ["system"], "steward": ["system", "privacy"]})
    record(world)
    api = session_api(world.compliance)
    [row] = api.get(f"{V1}/training-standings", {"duty": "curator"}).json()["results"]
    assert (row["person"], row["binding"], row["trainings"][0]["state"]) == ("curator", True, "current")
    gaps = api.get(f"{V1}/training-standings", {"state": "gap"}).json()["results"]
    assert {each["person"] for each in gaps} == {"steward"}
    assert [t["state"] for t in gaps[0]["trainings"]] == ["missing", "missing"]
    assert api.get(f"{V1}/training-standings", {"state": "odd"}).status_code == 422
    own = session_api(world.curator).get(f"{V1}/training-standings").json()["results"]
    assert {each["person"] for each in own} == {"curator"}
    one = api.get(f"{V1}/training-standings/{row['assignment'].removeprefix('A-')}").json()
    assert one["person"] == "curator"


def review_input(**changed) -> dict:
    due = (now() + timedelta(days=10)).isoformat()
    return {"title": "Autumn", "due_at": due, "models": ["lotx"], "reason": "Quarterly"} | changed


def test_a_review_from_its_opening_to_its_result(world):
    api = session_api(world.compliance)
    made = api.post(f"{V1}/access-reviews", review_input(), format="json")
    assert made.status_code == 201, made.content
    assert (made.json()["sheets"], made.json()["open_sheets"]) == (2, 2)
    review = AccessReview.objects.get()
    owner = session_api(world.owner)
    sheet = sheet_of(review)
    address = f"{V1}/review-sheets/{sheet.pk}"
    shown = owner.get(address).json()
    assert shown["digest"] == content_digest(sheet)
    assert set(shown["reviewers"]) == {"owner", "compliance", "compliance2"}
    lines = [{"ref": line["ref"], "decision": "keep"} for line in shown["lines"]]
    lines[0] |= {"decision": "end", "comment": "Moved"}
    early = owner.post(f"{address}/sign", signature(shown["digest"]), format="json")
    assert (early.status_code, early.json()["rule"]) == (409, "review-undecided")
    decided = owner.post(f"{address}/decide", {"seen": shown["digest"], "lines": lines}, format="json")
    assert decided.status_code == 200, decided.content
    assert decided.json()["lines"][0]["by"] == "owner"
    stale = owner.post(f"{address}/decide", {"seen": shown["digest"], "lines": lines}, format="json")
    assert (stale.status_code, stale.json()["rule"]) == (409, "stale")
    token = token_api(world.owner)
    assert (
        token.post(f"{address}/sign", signature(decided.json()["digest"]), format="json").status_code == 403
    )
    done = owner.post(f"{address}/sign", signature(decided.json()["digest"]), format="json")
    assert done.status_code == 200, done.content
    assert (done.json()["state"], done.json()["lines"][0]["outcome"]) == ("signed", "ended")
    assert done.json()["digest"] == decided.json()["digest"]
    sign(world, decide(world, sheet_of(review, "owner"), by="compliance"), by="compliance")
    result = api.get(f"{V1}/access-reviews/{review.pk}/result")
    review.refresh_from_db()
    assert result["X-Countersign-Digest"] == review.result_digest
    assert "sha256:" + hashlib.sha256(result.content).hexdigest() == review.result_digest


def signature(digest: str) -> dict:
    return {"digest": digest, "password": PASSWORD}


@pytest.mark.parametrize(
    ("name", "changed", "status"),
    [
        ("owner", {}, 403),
        ("owner", {"models": ["nothing"]}, 403),
        ("compliance", {"models": ["nothing"]}, 422),
        ("compliance", {"models": []}, 422),
        ("compliance", {"due_at": "soon"}, 422),
        ("compliance", {"title": "x" * 200}, 422),
        ("compliance", {"reason": ""}, 422),
        ("compliance", {"odd": 1}, 422),
    ],
)
def test_reviews_refused_in_the_usual_order(world, name, changed, status):
    answer = session_api(world.people[name]).post(
        f"{V1}/access-reviews", review_input(**changed), format="json"
    )
    assert answer.status_code == status, answer.content
    assert not AccessReview.objects.exists()


def test_sheets_refused_in_the_usual_order(world):
    review = opened(world)
    own, sheet = sheet_of(review, "owner"), sheet_of(review)
    for name, pk, body, status in (
        ("stranger", sheet.pk, {}, 404),
        ("author", sheet.pk, {}, 403),
        ("owner", own.pk, {}, 409),
        ("owner", sheet.pk, {}, 422),
        (
            "owner",
            sheet.pk,
            {"seen": content_digest(sheet), "lines": [{"ref": "A-0", "decision": "keep"}]},
            422,
        ),
        (
            "owner",
            sheet.pk,
            {"seen": content_digest(sheet), "lines": [{"ref": "A-0", "decision": "odd"}]},
            422,
        ),
    ):
        answer = session_api(world.people[name]).post(f"{V1}/review-sheets/{pk}/decide", body, format="json")
        assert answer.status_code == status, (name, answer.content)
    refused = session_api(world.author).post(f"{V1}/access-reviews/{review.pk}/withdraw", {}, format="json")
    assert refused.status_code == 403
    done = session_api(world.compliance).post(
        f"{V1}/access-reviews/{review.pk}/withdraw", {"reason": "By mistake"}, format="json"
    )
    assert done.json()["state"] == "withdrawn"
    assert Assignment.objects.active().on("registry.model", world.model.pk).count() > 5
    assert session_api(world.compliance).get(f"{V1}/review-sheets", {"review": "x"}).status_code == 422


def test_lists_ask_a_constant_number_of_queries(world):
    api = session_api(world.compliance)
    record(world)
    opened(world)

    def count(address: str) -> int:
        with CaptureQueriesContext(connection) as asked:
            assert api.get(f"{V1}/{address}").status_code == 200
        return len(asked)

    addresses = ("trainings", "training-standings", "access-reviews", "review-sheets")
    count("me")  # the session is written once
    before = {address: count(address) for address in addresses}
    for name in ("author", "owner"):
        record(world, name)
    opened(world, models=[world.other_model.pk], organisation=True)
    assert {address: count(address) for address in addresses} == before
