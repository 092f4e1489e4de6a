"""Explanations over the API: the same acts, refusals and figures as the pages."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from apps.access.signing import content_digest
from apps.core.jobs import run_queued
from apps.explanation.models import Report
from tests.cast import PASSWORD
from tests.factories.doors import browser, token_api
from tests.factories.evidence import validated_world
from tests.factories.explanations import read

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("run")]
V1 = "/api/v1"
FINE = {"decision": "plausible"}


def sent(client, path, data=None):
    return client.post(f"{V1}{path}", data or {}, content_type="application/json")


def given(number, **more):
    report = read(Report.objects.get(number=number))
    return {"digest": content_digest(report), "password": PASSWORD, "decision": "approved"} | more


def test_the_whole_way_from_the_question_to_two_signatures(world):
    run = validated_world(world, until="run").run
    validator, author, expert = (browser(p) for p in (world.validator, world.author, world.process_expert))
    path = f"/runs/{run.number}/explanations"
    assert sent(author, path).status_code == 403
    assert sent(browser(world.other_developer), path).status_code == 404
    first = sent(validator, path)
    assert (first.status_code, first.json()["state"]) == (202, "queued")
    assert author.get(f"{V1}/explanations/1/csv").status_code == 409
    assert sent(validator, "/explanations/1/cancel").status_code == 422
    assert sent(validator, "/explanations/1/cancel", {"reason": "Wrong run"}).json()["state"] == "cancelled"
    sent(validator, path)
    run_queued()
    shown = author.get(f"{V1}/explanations/2").json()
    assert (shown["state"], shown["origin"], shown["review_state"]) == ("done", "computed", "none")
    features = [each["feature"] for each in shown["explanation"]["features"]]
    assert features[0] == "marker"
    assert author.get(f"{V1}/explanations/2/csv").content.decode().startswith("line,example,class,feature")
    said = {
        "decisions": dict.fromkeys(features, FINE),
        "surrogate": FINE,
        "conclusion": "The marker leads.",
    }
    assert sent(author, "/explanations/2/review", said).status_code == 403
    short = sent(expert, "/explanations/2/review", said | {"decisions": {"marker": FINE}})
    assert short.status_code == 422
    assert "Decide on “" in short.content.decode()
    assert sent(expert, "/explanations/2/review", said).json()["review_state"] == "written"
    refused = token_api(world.process_expert).post(
        f"{V1}/explanations/2/sign-expert", given(2), format="json"
    )
    assert refused.status_code == 403
    assert sent(expert, "/explanations/2/sign-expert", given(2)).json()["review_state"] == "signed"
    approver = browser(world.approver)
    done = sent(approver, "/explanations/2/sign-quality", given(2)).json()
    assert done["review_state"] == "approved"
    assert [each["meaning"] for each in done["signatures"]] == ["review", "approval"]
    listed = author.get(f"{V1}/explanations?review_state=approved&model=lotx&origin=computed").json()[
        "results"
    ]
    assert [each["number"] for each in listed] == [2]
    assert author.get(f"{V1}/explanations?state=perhaps").status_code == 422


def test_one_made_elsewhere_is_taken_or_refused_beside_its_file(world):
    run = validated_world(world, until="run").run
    client, url = browser(world.validator), f"{V1}/runs/{run.number}/submitted-explanations"
    named = {"method": "shap", "library": "shap 0.51"}
    wrong = client.post(url, named | {"file": SimpleUploadedFile("x.csv", b"age\n?\n")})
    assert wrong.status_code == 422
    assert "is not a finite number" in wrong.content.decode()
    good = client.post(url, named | {"file": SimpleUploadedFile("x.csv", b"age\n0.5\n")})
    assert (good.status_code, good.json()["origin"]) == (201, "submitted")
    assert not Report.objects.exclude(number=1).exists()
