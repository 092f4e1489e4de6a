"""What may be sent, and how much: judged before anything is read, stored or answered with a failure of ours."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.core import blobs
from apps.registry.models import VersionData
from apps.web import bodies
from tests.factories.data import FEATURES, onnx_model, train_csv, vault_csv
from tests.factories.foundation import frozen_version

pytestmark = pytest.mark.django_db
BACKEND = "django.contrib.auth.backends.ModelBackend"
ANNOUNCED = "CONTENT_LENGTH"


@pytest.fixture
def author(world) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(world.author, backend=BACKEND)
    return client


@pytest.fixture
def version(world):
    *_, made = frozen_version(
        world,
        label="1.0.0",
        artefact=blobs.put(onnx_model()),
        features=FEATURES,
        train=train_csv(),
        test=vault_csv(),
    )
    return made


def announce(client: Client, path: str, size: int | str, **more) -> int:
    """The status for a body announced with `size` bytes, of which nothing is sent."""
    return client.post(path, **{ANNOUNCED: str(size)}, **more).status_code


def test_who_is_not_signed_in_sends_little(world):
    client = Client(enforce_csrf_checks=True)
    for path in ("/sign-in/", "/datasets/trial/upload/", "/no/such/page"):
        large = SimpleUploadedFile("a.csv", b"x" * (bodies.UNKNOWN + 1))
        assert client.post(path, {"file": large}).status_code == 413
    for headers in ({"HTTP_AUTHORIZATION": "Bearer made-up"}, {"HTTP_COOKIE": "sessionid=made-up"}):
        assert announce(Client(), "/datasets/trial/upload/", 10**6, **headers) == 413


def test_each_place_takes_its_own_size(author, settings):
    upload = reverse("web:dataset_upload", args=["trial"])
    assert announce(author, "/search/", bodies.ORDINARY + 1) == 413
    assert announce(author, upload, settings.UPLOAD_LIMIT_DATA + bodies.FRAME + 1) == 413
    assert announce(author, upload, bodies.ORDINARY + 1) != 413
    refused = author.post("/api/v1/models", **{ANNOUNCED: str(bodies.ORDINARY + 1)})
    assert (refused.status_code, refused["Content-Type"]) == (413, "application/problem+json")


@pytest.mark.parametrize("name", bodies.UPLOADS)
def test_every_named_upload_is_a_place_of_the_portal(name, settings):
    path = {
        "web:dataset_upload": "/datasets/a/upload/",
        "web:dataset_upload_test": "/datasets/a/upload-test/",
        "web:version_register": "/models/a/new-version/",
        "web:minute": "/gates/1/minute/",
        "web:verification_attach": "/versions/1/evidence/",
        "web:explanation_submit": "/runs/1/explanation/submit/",
        "web:probe_files": "/versions/1/probe-files/",
        "api:version_evidence": "/api/v1/versions/1/evidence",
        "api:run_submitted_explanations": "/api/v1/runs/1/submitted-explanations",
        "api:version_probe_evidence": "/api/v1/versions/1/probe-evidence",
        "api:models-uploads": "/api/v1/models/a/uploads",
        "api:gates-minute": "/api/v1/gates/1/minute",
        "api:versions-list": "/api/v1/versions",
        "api:dataset-versions-list": "/api/v1/dataset-versions",
    }[name]
    assert bodies._most(path) > settings.UPLOAD_LIMIT_EVIDENCE


def test_a_body_needs_its_length(author):
    assert author.post("/search/", HTTP_TRANSFER_ENCODING="chunked").status_code == 411
    for length in ("-1", "x", "²"):
        request = RequestFactory().post("/search/", **{ANNOUNCED: length})
        assert bodies.BodyLimits(lambda request: pytest.fail("let through"))(request).status_code == 400


def test_trace_is_not_allowed(author):
    for path in ("/", "/sign-in/", "/search/"):
        assert author.trace(path).status_code == 405


def test_the_styleguide_is_for_people_who_are_signed_in(author):
    assert Client().get("/styleguide/").status_code == 302
    assert author.get("/styleguide/").status_code == 200


@pytest.mark.parametrize(
    "body", [b"[" * 200_000, b'{"reason": "\xff"}', b'{"reason": 1e999}', b'{"reason": NaN}', b"9" * 5000]
)
def test_json_that_cannot_be_read_is_the_senders_error(author, version, body):
    answer = author.post(f"/api/v1/versions/{version.pk}/suspend", body, content_type="application/json")
    assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json")


def test_a_search_for_what_has_no_page_finds_nothing(author, version):
    used = VersionData.objects.filter(version=version).first()
    words = [f"registry.version_data:{used.pk}", f"registry.author:{version.authors.first().pk}"]
    for asked in (*words, "approvals.snapshot:1", "validations.comparison:1", "validations.result:1"):
        answer = author.get("/search/", {"q": asked})
        assert answer.status_code == 200, asked
    assert author.get("/search/", {"q": f"registry.version:{version.pk}"}).status_code == 302


@pytest.mark.parametrize(
    "address",
    ["/search/?q=%00", "/people/%00/", "/api/v1/people?search=%00", "/api/v1/gate?digest=x&model=a%00b"],
)
def test_an_address_with_nul_is_the_senders_error(author, address):
    answer = author.get(address)
    assert answer.status_code == 400
    assert "NUL" in (answer.json()["detail"] if address.startswith("/api/") else answer.content.decode())


@pytest.mark.parametrize("address", ["/api/v1/nothing", "/api/nothing", "/api/v1/versions/1/nothing"])
def test_an_unknown_address_of_the_api_is_a_problem_document(author, address):
    answer = author.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "There is nothing at this address."
    assert author.get("/nothing/")["Content-Type"].startswith("text/html")
