"""Datasets and their versions through the API."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from rest_framework.test import APIClient

from apps.core import blobs
from apps.core.jobs import run_queued
from apps.datasets.acts import register_dataset
from apps.datasets.models import Dataset, DatasetVersion
from apps.trail.models import Entry
from tests.factories.data import train_csv, vault_csv
from tests.factories.foundation import data_version

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
VERSIONS = "/api/v1/dataset-versions"


@pytest.fixture
def api(world):
    def enter(person: str) -> APIClient:
        client = APIClient()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


def upload_input(data: bytes, **changes) -> dict:
    given = {
        "dataset": "trial",
        "partition": "train",
        "file": SimpleUploadedFile("trial.csv", data),
        "source": "Trial database",
        "collection": "At the site in 2024",
        "entity_column": "patient",
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def ids(response) -> set[int]:
    return {row["id"] for row in response.json()["results"]}


def test_lists_hold_what_the_caller_sees(world, api):
    def names(person):
        return [row["slug"] for row in api(person).get("/api/v1/datasets").json()["results"]]

    assert names("curator") == ["trial"]
    assert names("inspector") == ["plant", "trial"]
    assert names("stranger") == []
    train, test = data_version(world, "train", train_csv()), data_version(world, "test", vault_csv())
    assert ids(api("curator").get(VERSIONS)) == {train.pk, test.pk}
    assert ids(api("curator").get(f"{VERSIONS}?partition=test")) == {test.pk}
    assert ids(api("curator").get(f"{VERSIONS}?digest={train.file_digest}")) == {train.pk}
    assert ids(api("stranger").get(VERSIONS)) == set()
    assert api("curator").get(f"{VERSIONS}?partition=none").status_code == 422
    assert api("stranger").get(f"{VERSIONS}/{train.pk}").status_code == 404


def test_the_list_takes_the_same_queries_for_any_number(world, api, django_assert_num_queries):
    client = api("registrar")
    client.get("/api/v1/datasets")
    with django_assert_num_queries(5):
        client.get("/api/v1/datasets")
    for number in range(3):
        register_dataset(world.registrar, slug=f"more{number}", name="More", owner_id=world.owner.pk)
    with django_assert_num_queries(5):
        assert len(client.get("/api/v1/datasets").json()["results"]) == 5


def test_registering_is_for_registrars(world, api):
    given = {"slug": "stability", "name": "Stability", "owner": "owner", "sensitive": True}
    refused = api("curator").post("/api/v1/datasets", given)
    assert (refused.status_code, refused.json()["eligible"]) == (403, ["Registrar Person"])
    made = api("registrar").post("/api/v1/datasets", given)
    assert made.status_code == 201
    assert Dataset.objects.get(slug="stability").sensitive is True
    assert api("registrar").post("/api/v1/datasets", given).json()["fields"]["slug"]


def test_a_curator_uploads_and_reads_the_profile(world, api):
    client = api("curator")
    answer = client.post(VERSIONS, upload_input(train_csv()), format="multipart", HTTP_IDEMPOTENCY_KEY="k")
    assert (answer.status_code, answer.json()["state"]) == (202, "uploaded")
    pk = answer.json()["id"]
    early = client.get(f"{VERSIONS}/{pk}/profile")
    assert (early.status_code, early.json()["rule"]) == (409, "PC22")
    run_queued()
    assert client.get(f"{VERSIONS}/{pk}").json()["state"] == "fixed"
    profile = client.get(f"{VERSIONS}/{pk}/profile").json()
    assert profile["rows"] == 300
    assert [c["name"] for c in profile["columns"]][:2] == ["patient", "age"]
    again = client.post(VERSIONS, upload_input(train_csv()), format="multipart")
    assert (again.status_code, again.json()["rule"]) == (409, "once-only")
    assert "trial/v1" in again.json()["fact"]


def test_bad_uploads_say_why(world, api, settings):
    client = api("curator")
    for changes, field in (
        ({"file": None}, "file"),
        ({"source": ""}, "source"),
        ({"partition": "none"}, "partition"),
        ({"colour": "red"}, "colour"),
        ({"transformation_commit": "zz"}, "transformation_commit"),
        ({"file": SimpleUploadedFile("x.csv", b"%PDF-1.7")}, "file"),
    ):
        answer = client.post(VERSIONS, upload_input(train_csv(), **changes), format="multipart")
        assert (answer.status_code, list(answer.json()["fields"])) == (422, [field]), changes
    settings.UPLOAD_LIMIT_DATA = 100
    large = client.post(VERSIONS, upload_input(train_csv()), format="multipart")
    assert (large.status_code, large.json()["rule"]) == (413, "upload-limit")
    assert not DatasetVersion.objects.exists()
    assert (
        client.post(VERSIONS, upload_input(train_csv(), dataset="plant"), format="multipart").status_code
        == 404
    )


def test_test_data_are_the_stewards_and_their_profile_is_an_act(world, api):
    given = {"partition": "test"}
    refused = api("curator").post(VERSIONS, upload_input(vault_csv(), **given), format="multipart")
    assert (refused.status_code, refused.json()["eligible"]) == (403, ["Steward Person"])
    steward = api("steward")
    made = steward.post(VERSIONS, upload_input(vault_csv(), **given), format="multipart")
    assert made.status_code == 202
    version = DatasetVersion.objects.get()
    assert blobs.exists(version.file_digest, area="vault")
    run_queued()
    at = f"{VERSIONS}/{version.pk}"
    shut = steward.get(f"{at}/profile")
    assert (shut.status_code, shut.json()["rule"]) == (409, "PC23")
    read = steward.post(f"{at}/profile")
    assert (read.status_code, read.json()["rows"]) == (200, 400)
    assert Entry.objects.filter(act="datasets.read_test_profile", kind="act").count() == 1
    told = [r["sentence"] for r in api("curator").get(at).json()["reads"]]
    assert told == ["read the profile of test data", "put a test version into the vault"]
    assert api("curator").post(f"{at}/profile").status_code == 403
    taken = steward.post(f"{at}/download", {"reason": "To look at it"})
    assert taken.status_code == 403
    assert taken.json()["rule"].startswith("PC23")


def test_training_rows_for_a_reason(world, api):
    train = data_version(world, "train", train_csv())
    at = f"{VERSIONS}/{train.pk}/download"
    assert api("owner").post(at, {}).status_code == 422
    got = api("owner").post(at, {"reason": "Check of the source"})
    assert b"".join(got.streaming_content) == train_csv()
    assert got["X-Content-Type-Options"] == "nosniff"
    assert api("stranger").post(at, {"reason": "x"}).status_code == 404
    assert api("inspector").post(at, {"reason": "x"}).status_code == 403
