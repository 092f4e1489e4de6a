"""Models, intended uses and versions through the API: the same answers as the pages give."""

from __future__ import annotations

import json

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from apps.access.acts import create_token
from apps.access.signing import content_digest
from apps.core import blobs
from apps.registry.acts import register_model
from apps.registry.models import IntendedUse, Model, Version
from apps.trail.models import Entry
from tests.cast import PASSWORD
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.foundation import USE, data_version, frozen_version, signed_use

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def api(world):
    def enter(person: str) -> APIClient:
        client = APIClient()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


@pytest.fixture
def by_token(world):
    def enter(person: str) -> APIClient:
        client = APIClient()
        token = create_token(world.people[person], name="ci")
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {token.secret}")
        return client

    return enter


@pytest.fixture
def ready(world):
    return signed_use(world), data_version(world, "train", train_csv())


def slugs(response) -> list[str]:
    return [row["slug"] for row in response.json()["results"]]


def version_input(**changes) -> dict:
    given = {
        "model": "lotx",
        "label": "1.0.0",
        "intended_use": 1,
        "artefact": SimpleUploadedFile("model.onnx", onnx_model()),
        "features": json.dumps(FEATURES),
        "code_commit": "4be19d0c",
        "data_versions": '["trial/v1"]',
        "authors": '["author"]',
        "hyperparameters": '{"C": 0.1}',
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def test_the_list_is_what_the_caller_sees_filtered_and_ordered(world, api):
    assert slugs(api("author").get("/api/v1/models")) == ["lotx"]
    assert slugs(api("stranger").get("/api/v1/models")) == []
    inspector = api("inspector")
    assert slugs(inspector.get("/api/v1/models?ordering=-slug")) == ["visc", "lotx"]
    assert slugs(inspector.get("/api/v1/models?search=visc")) == ["visc"]
    bad = inspector.get("/api/v1/models?tier=none&ordering=money")
    assert bad.status_code == 422
    assert APIClient().get("/api/v1/models").status_code == 401


def test_the_list_takes_the_same_queries_for_any_number(world, api, django_assert_num_queries):
    client = api("registrar")
    client.get("/api/v1/models")
    with django_assert_num_queries(5):
        client.get("/api/v1/models")
    for number in range(3):
        register_model(world.registrar, slug=f"more{number}", name="More", owner_id=world.owner.pk)
    with django_assert_num_queries(5):
        assert len(slugs(client.get("/api/v1/models"))) == 5


def test_a_registrar_registers_a_model_once_by_key(world, by_token):
    given = {"slug": "visc2", "name": "Viscosity 2", "owner": "owner"}
    client = by_token("registrar")
    answers = [client.post("/api/v1/models", given, HTTP_IDEMPOTENCY_KEY="k") for _ in range(2)]
    assert [a.status_code for a in answers] == [201, 201]
    assert Model.objects.get(slug="visc2").history.count() == 1
    body = answers[0].json()
    assert body["people"].endswith("/models/visc2/people/")
    assert {a["act"] for a in body["allowed_acts"]} >= {
        "registry.register_version",
        "registry.write_intended_use",
    }
    unknown = client.post("/api/v1/models", given | {"slug": "x2", "color": "red"})
    assert (unknown.status_code, list(unknown.json()["fields"])) == (422, ["color"])
    nobody = client.post("/api/v1/models", given | {"slug": "x2", "owner": "nobody"})
    assert (nobody.status_code, list(nobody.json()["fields"])) == (422, ["owner"])


def test_page_and_api_refuse_the_same_attempt_with_the_same_words(world, api):
    refused = api("author").post("/api/v1/models", {"slug": "x2", "name": "X", "owner": "owner"})
    body = refused.json()
    assert (refused.status_code, body["rule"], body["eligible"]) == (403, "duty", ["Registrar Person"])
    page = Client()
    page.force_login(world.author, backend=BACKEND)
    said = page.post(reverse("web:model_register"), {}).content.decode()
    for part in (body["what"], body["fact"], *body["eligible"]):
        assert part in said


def test_intended_uses_are_written_read_and_signed_in_a_session_only(world, api, by_token):
    address = "/api/v1/models/lotx/intended-uses"
    given = USE | {"reason": "First statement"}
    assert api("author").post(address, given).status_code == 403
    assert api("stranger").post(address, given).status_code == 404
    short = api("process_expert").post(address, given | {"limits": ""})
    assert (short.status_code, list(short.json()["fields"])) == (422, ["limits"])
    made = api("process_expert").post(address, given)
    assert (made.status_code, made.json()["tier"]) == (201, "medium")
    use = IntendedUse.objects.get()
    assert made.json()["digest"] == content_digest(use)
    sign = {"digest": content_digest(use), "password": PASSWORD, "signing_as": "process_expert"}
    token = by_token("process_expert").post(f"/api/v1/intended-uses/{use.pk}/sign", sign)
    assert (token.status_code, token.json()["rule"]) == (403, "21 CFR 11.200(a)(2)")
    stale = api("process_expert").post(
        f"/api/v1/intended-uses/{use.pk}/sign", sign | {"digest": "sha256:" + "0" * 64}
    )
    assert (stale.status_code, stale.json()["rule"]) == (409, "21 CFR 11.70")
    done = api("process_expert").post(f"/api/v1/intended-uses/{use.pk}/sign", sign)
    assert [s["standing"] for s in done.json()["signatures"]] == ["valid"]
    wrong = api("owner").post(
        f"/api/v1/intended-uses/{use.pk}/sign", sign | {"signing_as": "owner", "password": "x"}
    )
    assert wrong.status_code == 403
    assert [u["ref"] for u in api("author").get(address).json()["results"]] == ["IU-lotx/v1"]
    assert api("other_developer").get(f"/api/v1/intended-uses/{use.pk}").status_code == 404


def test_one_call_registers_a_version_and_the_answer_lists_its_open_checks(world, by_token, ready):
    answer = by_token("author").post("/api/v1/versions", version_input(), format="multipart")
    body = answer.json()
    assert answer.status_code == 201, body
    made = Version.objects.get()
    assert (body["id"], body["ref"], body["state"]) == (made.pk, "lotx/1.0.0", "registered")
    assert blobs.read(made.artefact_digest) == onnx_model()
    checks = {check["code"]: check for check in body["open_checks"]}
    assert "plan_locked" in checks
    assert "intended_use_signed" not in checks, "it is signed"
    freezing = next(a for a in body["allowed_acts"] if a["act"] == "registry.freeze")
    assert freezing["allowed"] is True
    assert made.hyperparameters == {"C": "0.1"}


def test_a_version_is_registered_from_files_sent_before(world, api, ready):
    client = api("author")
    sent = {"kind": "artefact", "file": SimpleUploadedFile("model.onnx", onnx_model())}
    upload = client.post("/api/v1/models/lotx/uploads", sent, format="multipart")
    assert upload.status_code == 201
    body = version_input(artefact=None, features=list(FEATURES), data_versions=["trial/v1"])
    body |= {"authors": ["author"], "hyperparameters": {}, "artefact_upload": upload.json()["upload"]}
    stolen = api("colleague").post("/api/v1/versions", body, format="json")
    assert (stolen.status_code, list(stolen.json()["fields"])) == (422, ["artefact_upload"])
    made = client.post("/api/v1/versions", body, format="json")
    assert made.status_code == 201, made.json()
    assert made.json()["artefact_digest"] == upload.json()["digest"]
    refused = api("validator").post("/api/v1/models/lotx/uploads", sent, format="multipart")
    assert (refused.status_code, refused.json()["rule"]) == (403, "duty")


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"artefact": None}, "artefact"),
        ({"artefact": SimpleUploadedFile("m.onnx", b"\x80\x04\x95pickle.")}, "artefact"),
        ({"intended_use": 9}, "intended_use"),
        ({"data_versions": '["trial/v9"]'}, "data_versions"),
        ({"data_versions": '["plant/v1", "x"]'}, "data_versions"),
        ({"authors": '["nobody"]'}, "authors"),
        ({"authors": "[]"}, "authors"),
        ({"features": '["age"]'}, "features"),
        ({"features": '"age"'}, "features"),
        ({"hyperparameters": '{"C": NaN}'}, "hyperparameters"),
        ({"parent": "visc/1.0.0"}, "parent"),
        ({"label": "people"}, "label"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_bad_input_is_told_beside_its_field(world, api, ready, changes, field):
    answer = api("author").post("/api/v1/versions", version_input(**changes), format="multipart")
    assert answer.status_code == 422, answer.json()
    assert list(answer.json()["fields"]) == [field]
    assert not Version.objects.exists()


def test_who_may_not_register_and_who_sees_no_model(world, api, ready):
    answers = {
        person: api(person).post("/api/v1/versions", version_input(), format="multipart").status_code
        for person in ("validator", "stranger", "other_developer")
    }
    assert answers == {"validator": 403, "stranger": 404, "other_developer": 404}
    assert Entry.objects.filter(act="registry.register_version", kind="refusal").count() == 1


def test_authors_freeze_and_download_by_verb(world, api):
    *_, version = frozen_version(
        world,
        label="1.0.0",
        artefact=blobs.put(onnx_model()),
        features=FEATURES,
        train=train_csv(),
        test=vault_csv(),
    )
    at = f"/api/v1/versions/{version.pk}"
    again = api("author").post(f"{at}/freeze")
    assert (again.status_code, again.json()["rule"]) == (409, "frozen-is-frozen")
    named = api("owner").post(f"{at}/authors", {"username": "colleague", "reason": "Wrote the features"})
    assert (named.status_code, version.authors.count()) == (201, 2)
    conflict = api("owner").post(f"{at}/authors", {"username": "curator", "reason": "Helped"})
    assert (conflict.status_code, conflict.json()["rule"][:3]) == (409, "DY5")
    assert api("validator").post(f"{at}/authors", {"username": "steward", "reason": "x"}).status_code == 403
    got = api("deployer").post(f"{at}/download", {"reason": "To deploy it"})
    assert b"".join(got.streaming_content) == onnx_model()
    assert api("deployer").post(f"{at}/download", {}).status_code == 422
    assert api("stranger").get(at).status_code == 404
    listed = api("author").get("/api/v1/versions?model=lotx&label=1.0.0").json()["results"]
    assert [row["id"] for row in listed] == [version.pk]
    assert "allowed_acts" not in listed[0]
