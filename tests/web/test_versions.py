"""Versions in the browser: registered, authors declared, frozen, file fetched."""

from __future__ import annotations

import html
from hashlib import sha256

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from apps.core import blobs
from apps.datasets.models import DatasetVersion
from apps.registry.acts import freeze, write_intended_use
from apps.registry.models import Version
from apps.trail.models import Entry
from apps.validations.acts import write_plan
from tests.cast import give
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.evidence import plan_input
from tests.factories.foundation import USE, data_version, frozen_version, registered_version, signed_use
from tests.web.changing import confirm

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"


@pytest.fixture
def signed_in(world):
    def enter(person: str) -> Client:
        client = Client()
        client.force_login(world.people[person], backend=BACKEND)
        return client

    return enter


@pytest.fixture
def ready(world):
    """What a version is made from: a signed intended use and fixed training data."""
    return signed_use(world), data_version(world, "train", train_csv())


def text_of(response) -> str:
    return html.unescape(response.content.decode())


def version_input(world, ready, **changes) -> dict:
    use, train = ready
    given = {
        "label": "1.0.0",
        "intended_use": use.pk,
        "artefact": SimpleUploadedFile("model.onnx", onnx_model()),
        "features": "\n".join(FEATURES),
        "data_versions": [train.pk],
        "authors": [world.author.pk],
        "code_commit": "4be19d0c",
        "hyperparameters": '{"C": 0.1}',
        "idempotency_key": "k1",
    } | changes
    return {name: value for name, value in given.items() if value is not None}


def registered(world, ready) -> Version:
    use, train = ready
    artefact = blobs.put(onnx_model())
    return registered_version(
        world, label="1.0.0", artefact=artefact, features=FEATURES, train=train, use=use
    )


ADDRESS = "/models/lotx/new-version/"


def test_a_developer_registers_a_version_in_one_form(world, signed_in, ready):
    archive = SimpleUploadedFile("code.zip", b"PK archive")
    response = signed_in("author").post(ADDRESS, version_input(world, ready, code_archive=archive))
    assert response.status_code == 302, text_of(response)
    made = Version.objects.get(label="1.0.0")
    assert response["Location"] == reverse("web:version", args=["lotx", "1.0.0"])
    assert (made.artefact_format, made.features, made.artefact_name) == (
        "onnx",
        list(FEATURES),
        "model.onnx",
    )
    assert blobs.read(made.artefact_digest) == onnx_model()
    assert blobs.read(made.code_archive_digest) == b"PK archive"
    assert [a.person for a in made.authors.all()] == [world.author]
    entry = Entry.objects.filter(act="registry.register_version").latest("id")
    assert (entry.actor_uuid, entry.subject_id) == (str(world.author.uuid), str(made.pk))


def test_an_error_elsewhere_loses_no_file_and_nothing_typed(world, signed_in, ready):
    client = signed_in("author")
    bad = client.post(ADDRESS, version_input(world, ready, code_commit="not a commit", note="Second try"))
    assert bad.status_code == 422
    assert "code_commit" in bad.context["form"].errors
    assert "Second try" in text_of(bad)
    assert "Received: model.onnx" in text_of(bad)
    kept = bad.context["form"].data["artefact_kept"]
    mended = version_input(world, ready, artefact=None, artefact_kept=kept)
    assert client.post(ADDRESS, mended).status_code == 302
    assert Version.objects.get(label="1.0.0").artefact_name == "model.onnx"


def test_what_another_person_sent_cannot_be_named_by_its_text(world, signed_in, ready):
    bad = signed_in("author").post(ADDRESS, version_input(world, ready, code_commit="no"))
    kept = bad.context["form"].data["artefact_kept"]
    stolen = signed_in("colleague").post(
        ADDRESS, version_input(world, ready, artefact=None, artefact_kept=kept)
    )
    assert stolen.status_code == 422
    assert stolen.context["form"].errors["artefact"] == ["Choose the model file."]
    assert not Version.objects.exists()


def test_a_pickle_and_test_data_and_bad_json_are_refused_beside_their_fields(world, signed_in, ready):
    client = signed_in("author")
    pickled = SimpleUploadedFile("model.onnx", b"\x80\x04\x95pickle.")
    refused = client.post(ADDRESS, version_input(world, ready, artefact=pickled))
    assert "pickle" in refused.context["form"].errors["artefact"][0]
    assert refused.status_code == 422
    test = data_version(world, "test", vault_csv())
    refused = client.post(ADDRESS, version_input(world, ready, data_versions=[test.pk]))
    assert "data_versions" in refused.context["form"].errors
    for said in ('{"C": NaN}', "[1]", "{"):
        refused = client.post(ADDRESS, version_input(world, ready, hyperparameters=said))
        assert "hyperparameters" in refused.context["form"].errors, said
    assert not Version.objects.exists()


def test_a_file_above_the_limit_is_told_with_413_and_keeps_the_form(world, signed_in, ready, settings):
    settings.UPLOAD_LIMIT_MODEL = 100
    response = signed_in("author").post(ADDRESS, version_input(world, ready, note="Large one"))
    assert response.status_code == 413
    assert "larger than the limit of 100 B" in text_of(response)
    assert "Large one" in text_of(response)
    assert not Version.objects.exists()


def test_other_authors_are_named_by_username(world, signed_in, ready):
    client = signed_in("author")
    refused = client.post(ADDRESS, version_input(world, ready, other_authors="nobody"))
    assert refused.context["form"].errors["other_authors"] == ["No active account is called nobody."]
    client.post(ADDRESS, version_input(world, ready, other_authors="stranger"))
    made = Version.objects.get(label="1.0.0")
    assert {a.person for a in made.authors.all()} == {world.author, world.stranger}


def test_who_may_not_register_sends_no_byte(world, signed_in, ready):
    client = signed_in("validator")
    assert client.get(ADDRESS).status_code == 403
    secret = SimpleUploadedFile("code.zip", b"bytes that nobody may leave here")
    refused = client.post(ADDRESS, version_input(world, ready, code_archive=secret))
    assert refused.status_code == 403
    assert "Author Person" in text_of(refused)
    assert not Version.objects.exists()
    digest = "sha256:" + sha256(b"bytes that nobody may leave here").hexdigest()
    assert not blobs.exists(digest)
    assert Entry.objects.filter(act="registry.register_version", kind="refusal").exists()


def test_who_read_test_data_registers_no_version(world, signed_in, ready):
    """DY6: the steward who put test data into the vault is given a developer's duty and is still refused."""
    data_version(world, "test", vault_csv())
    version = registered(world, ready)
    freeze(world.author, version.pk)
    write_plan(world.validator, version.pk, **plan_input(DatasetVersion.objects.get(partition="test")))
    response = signed_in("validator").post(f"/versions/{version.pk}/authors/", {"username": "steward"})
    assert response.status_code == 403
    steward = confirm(
        signed_in("owner"),
        f"/versions/{version.pk}/authors/",
        {"username": "steward", "reason": "Helped with the features", "idempotency_key": "a"},
    )
    assert steward.status_code == 409
    assert "DY6" in text_of(steward)


def test_an_author_is_declared_with_a_reason(world, signed_in, ready):
    version = registered(world, ready)
    client, address = signed_in("owner"), reverse("web:add_author", args=[version.pk])
    empty = client.post(address, {"username": "colleague", "idempotency_key": "a"})
    assert empty.status_code == 422
    assert "reason" in empty.context["form"].errors
    done = confirm(
        client, address, {"username": "colleague", "reason": "Wrote the features", "idempotency_key": "b"}
    )
    assert done.status_code == 302
    assert {a.person.username for a in version.authors.all()} == {"author", "colleague"}
    assert "Colleague Person" in text_of(client.get(done["Location"]))
    unknown = client.post(address, {"username": "nobody", "reason": "x", "idempotency_key": "c"})
    assert "username" in unknown.context["form"].errors


def test_freezing_shows_what_is_fixed_and_happens_once(world, signed_in, ready):
    version = registered(world, ready)
    client, address = signed_in("author"), reverse("web:freeze", args=[version.pk])
    shown = text_of(client.get(address))
    assert version.artefact_digest in shown
    assert "Freeze lotx/1.0.0" in shown
    assert client.post(address, {"idempotency_key": "f"}).status_code == 302
    version.refresh_from_db()
    assert (version.state, version.closure_digest[:7]) == ("frozen", "sha256:")
    again = client.post(address, {"idempotency_key": "g"})
    assert again.status_code == 409
    assert "frozen already" in text_of(again)


def test_freezing_waits_for_the_signatures_and_is_for_developers(world, signed_in):
    use = write_intended_use(world.process_expert, world.model.pk, given=USE, reason="First statement")
    version = registered(world, (use, data_version(world, "train", train_csv())))
    address = reverse("web:freeze", args=[version.pk])
    early = signed_in("author").post(address, {"idempotency_key": "f"})
    assert early.status_code == 409
    assert "not signed" in text_of(early)
    assert signed_in("approver").post(address, {"idempotency_key": "f"}).status_code == 403
    assert signed_in("stranger").post(address, {"idempotency_key": "f"}).status_code == 404


def test_the_model_file_is_handed_out_for_a_reason_as_an_attachment(world, signed_in):
    *_, version = frozen_version(
        world,
        label="1.0.0",
        artefact=blobs.put(onnx_model()),
        features=FEATURES,
        train=train_csv(),
        test=vault_csv(),
    )
    client, address = signed_in("deployer"), reverse("web:download_artefact", args=[version.pk])
    assert client.post(address, {"reason": ""}).status_code == 422
    answer = client.post(address, {"reason": "To deploy it in the plant"})
    assert b"".join(answer.streaming_content) == onnx_model()
    assert answer["Content-Disposition"] == 'attachment; filename="model.onnx"'
    assert (answer["X-Content-Type-Options"], answer["Content-Security-Policy"]) == (
        "nosniff",
        "sandbox; default-src 'none'",
    )
    entry = Entry.objects.filter(act="registry.download_artefact").latest("id")
    assert "To deploy it in the plant" in entry.body
    assert signed_in("approver").post(address, {"reason": "Curious"}).status_code == 403


def test_a_second_developer_of_another_model_sees_neither_form_nor_version(world, signed_in, ready):
    version = registered(world, ready)
    give(world, "stranger", "developer", world.other_model, by="other_owner")
    client = signed_in("stranger")
    for address in (
        ADDRESS,
        reverse("web:freeze", args=[version.pk]),
        reverse("web:add_author", args=[version.pk]),
        reverse("web:download_artefact", args=[version.pk]),
    ):
        assert client.get(address).status_code == 404, address
