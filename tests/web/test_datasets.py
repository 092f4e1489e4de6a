"""Datasets in the browser: what is uploaded, shown, read and never handed out."""

from __future__ import annotations

import html

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.core import blobs
from apps.core.jobs import run_queued
from apps.datasets.acts import register_dataset
from apps.datasets.models import Dataset, DatasetVersion
from apps.trail.models import Entry
from tests.factories.data import train_csv, vault_csv
from tests.factories.foundation import data_version

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
UPLOAD, UPLOAD_TEST = "/datasets/trial/upload/", "/datasets/trial/upload-test/"


@pytest.fixture
def signed_in(world):
    def enter(person: str) -> Client:
        client = Client()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


def text_of(response) -> str:
    return html.unescape(response.content.decode())


def listed(response) -> set[int]:
    return {row.pk for row in response.context["listing"].page.object_list}


def upload_input(data: bytes, **changes) -> dict:
    given = {
        "partition": "train",
        "file": SimpleUploadedFile("trial.csv", data),
        "source": "Trial database",
        "collection": "At the site in 2024",
        "entity_column": "patient",
        "idempotency_key": "k1",
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def test_the_list_shows_the_datasets_of_ones_duties(world, signed_in):
    address = reverse("web:datasets")
    assert listed(signed_in("curator").get(address)) == {world.dataset.pk}
    assert listed(signed_in("inspector").get(address)) == {world.dataset.pk, world.other_dataset.pk}
    assert listed(signed_in("stranger").get(address)) == set()
    assert listed(signed_in("inspector").get(address, {"q": "plant"})) == {world.other_dataset.pk}


def test_the_list_takes_the_same_queries_for_any_number_of_datasets(
    world, signed_in, django_assert_num_queries
):
    client, address = signed_in("registrar"), reverse("web:datasets")
    client.get(address)
    with django_assert_num_queries(6):
        client.get(address)
    for number in range(3):
        register_dataset(world.registrar, slug=f"more{number}", name="More", owner_id=world.owner.pk)
    with django_assert_num_queries(6):
        assert len(listed(client.get(address))) == 5


def test_a_registrar_registers_a_dataset_and_nobody_else_does(world, signed_in):
    given = {
        "name": "Stability",
        "slug": "stability",
        "owner_id": world.owner.pk,
        "sensitive": "on",
        "idempotency_key": "k",
    }
    address = reverse("web:dataset_register")
    assert signed_in("curator").post(address, given).status_code == 403
    assert signed_in("registrar").post(address, given)["Location"] == "/datasets/stability/"
    assert Dataset.objects.get(slug="stability").sensitive is True
    for slug in ("stability", "register"):  # taken, and the address of a page
        bad = signed_in("registrar").post(address, given | {"slug": slug, "idempotency_key": "k2"})
        assert bad.status_code == 422, slug
        assert "slug" in bad.context["form"].errors, slug


def test_a_curator_uploads_training_data_and_sees_its_profile(world, signed_in):
    client = signed_in("curator")
    response = client.post(UPLOAD, upload_input(train_csv()))
    assert response["Location"] == "/datasets/trial/v1/"
    waiting = text_of(client.get("/datasets/trial/v1/"))
    assert "Being profiled" in waiting
    assert 'hx-trigger="every 2s"' in waiting
    fragment = client.get("/datasets/trial/v1/", headers={"HX-Request": "true"})
    assert "<html" not in text_of(fragment)
    run_queued()
    ended = client.get("/datasets/trial/v1/", headers={"HX-Request": "true"})
    assert ended["HX-Refresh"] == "true"
    page = text_of(client.get("/datasets/trial/v1/"))
    assert "300 rows" in page
    for column in ("patient", "marker", "outcome"):
        assert f'<th scope="row">{column}</th>' in page
    assert page.count('class="bars"') == 7, "one small chart a column"
    version = DatasetVersion.objects.get(dataset=world.dataset)
    assert (version.file_digest[:7], version.uploaded_by) == ("sha256:", world.curator)


def test_the_same_bytes_again_name_the_version_that_has_them(world, signed_in):
    data_version(world, "train", train_csv())
    response = signed_in("curator").post(UPLOAD, upload_input(train_csv(), idempotency_key="k2"))
    assert response.status_code == 409
    assert "It is trial/v1" in text_of(response)
    assert DatasetVersion.objects.filter(dataset=world.dataset).count() == 1


def test_what_is_missing_is_said_and_the_file_is_kept(world, signed_in):
    client = signed_in("curator")
    bad = client.post(UPLOAD, upload_input(train_csv(), source=""))
    assert bad.status_code == 422
    assert "source" in bad.context["form"].errors
    assert "Received: trial.csv" in text_of(bad)
    kept = bad.context["form"].data["file_kept"]
    assert client.post(UPLOAD, upload_input(b"", file=None, file_kept=kept)).status_code == 302
    assert DatasetVersion.objects.get().file_name == "trial.csv"


def test_a_file_above_the_limit_is_told_with_413(world, signed_in, settings):
    settings.UPLOAD_LIMIT_DATA = 100
    response = signed_in("curator").post(UPLOAD, upload_input(train_csv()))
    assert response.status_code == 413
    assert "larger than the limit of 100 B" in text_of(response)
    assert not DatasetVersion.objects.exists()


def test_an_unreadable_file_is_refused_or_kept_with_the_sentence_that_says_why(world, signed_in):
    client = signed_in("curator")
    refused = client.post(UPLOAD, upload_input(b"%PDF-1.7 not a table"))
    assert refused.status_code == 422
    assert "file" in refused.context["form"].errors
    client.post(UPLOAD, upload_input(train_csv(), entity_column="batch", idempotency_key="k2"))
    run_queued()
    page = text_of(client.get("/datasets/trial/v1/"))
    assert "Unreadable" in page
    assert "“batch”" in page


def test_test_data_go_to_the_vault_through_the_steward_alone(world, signed_in):
    given = upload_input(vault_csv(), partition=None)
    assert signed_in("curator").post(UPLOAD_TEST, given).status_code == 403
    as_training = signed_in("curator").post(UPLOAD, upload_input(vault_csv(), partition="test"))
    assert as_training.status_code == 422
    assert "partition" in as_training.context["form"].errors
    done = signed_in("steward").post(UPLOAD_TEST, upload_input(vault_csv(), partition=None))
    assert done["Location"] == "/datasets/trial/v1/"
    version = DatasetVersion.objects.get()
    assert blobs.exists(version.file_digest, area="vault")
    assert version.in_vault


def test_the_profile_of_test_data_is_read_by_an_act_that_counts(world, signed_in):
    test = data_version(world, "test", vault_csv())
    address, read = "/datasets/trial/v1/", reverse("web:read_test_profile", args=["trial", 1])
    steward = signed_in("steward")
    shown = text_of(steward.get(address))
    assert "counts as a read, DY6" in shown
    assert 'class="bars"' not in shown
    assert "P10001" not in shown
    answer = steward.post(read)
    assert text_of(answer).count('class="bars"') == 7
    assert "no-store" in answer["Cache-Control"]
    reads = Entry.objects.filter(act="datasets.read_test_profile", kind="act", subject_id=str(test.pk))
    assert [entry.actor_uuid for entry in reads] == [str(world.steward.uuid)]
    assert "read the profile of test data" in text_of(signed_in("curator").get(address))
    refused = signed_in("curator").post(read)
    assert refused.status_code == 403
    assert "Steward Person" in text_of(refused)


def test_nobody_downloads_test_data(world, signed_in):
    data_version(world, "test", vault_csv())
    address = reverse("web:dataset_download", args=["trial", 1])
    for person in ("steward", "curator", "owner"):
        refused = signed_in(person).post(address, {"reason": "To look at it"})
        assert refused.status_code == 403, person
        assert "PC23" in text_of(refused), person
    assert signed_in("stranger").post(address, {"reason": "To look at it"}).status_code == 404


def test_training_rows_are_handed_out_for_a_reason_as_an_attachment(world, signed_in):
    data_version(world, "train", train_csv(), file_name='tr"ial.csv')
    client, address = signed_in("owner"), reverse("web:dataset_download", args=["trial", 1])
    assert client.post(address, {"reason": " "}).status_code == 422
    answer = client.post(address, {"reason": "Check of the source"})
    assert b"".join(answer.streaming_content) == train_csv()
    assert answer["Content-Disposition"].startswith("attachment;")
    assert (answer["Content-Type"], answer["X-Content-Type-Options"]) == (
        "application/octet-stream",
        "nosniff",
    )
    page = text_of(client.get("/datasets/trial/v1/"))
    assert "downloaded the rows of a dataset version" in page
    assert "Check of the source" in page


def test_who_holds_no_duty_sees_no_dataset_and_no_version(world, signed_in):
    data_version(world, "train", train_csv())
    client = signed_in("stranger")
    for address in ("/datasets/trial/", "/datasets/trial/v1/", UPLOAD, UPLOAD_TEST):
        assert client.get(address).status_code == 404, address
    assert signed_in("curator").get("/datasets/plant/").status_code == 404
    assert signed_in("curator").get("/datasets/trial/v2/").status_code == 404


def test_values_of_the_file_cannot_become_markup(world, signed_in):
    rows = train_csv().decode().splitlines()
    rows[0] = rows[0].replace("site", "<b>site</b>")
    rows[1] = rows[1].replace("P00001", "<script>alert(1)</script>")
    data_version(world, "train", "\n".join(rows).encode())
    raw = signed_in("curator").get("/datasets/trial/v1/").content.decode()
    assert "<script>alert" not in raw
    assert "<b>site" not in raw
    assert "&lt;b&gt;site" in raw
