"""An upload over real HTTP whose token, service or owner ends before its last byte: refused, entered, nothing kept."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.conf import settings

from apps.access import acts
from apps.accounts.models import ApiToken, TokenUse
from apps.core.models import Job
from apps.datasets.models import DatasetVersion
from apps.trail.models import Entry
from tests.access.telling import body_of, last
from tests.factories.data import train_csv
from tests.factories.foundation import PROVENANCE
from tests.factories.services import service, service_token

pytestmark = pytest.mark.django_db(transaction=True)
EDGE = "countersign-edge"


def body_of_form(data: bytes) -> bytes:
    fields = {"dataset": "trial", "partition": "train", **PROVENANCE}
    parts = [
        f'--{EDGE}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
        for name, value in fields.items()
    ]
    head = f'--{EDGE}\r\nContent-Disposition: form-data; name="file"; filename="train.csv"\r\n\r\n'.encode()
    return b"".join(parts) + head + data + f"\r\n--{EDGE}--\r\n".encode()


def stored() -> set[str]:
    return {path.name for path in (Path(settings.COUNTERSIGN_DATA) / "files").rglob("*") if path.is_file()}


def interrupted(
    portal: str, path: str, token: ApiToken, whole: bytes, meanwhile: Callable[[], None]
) -> bytes:
    """The answer to an upload in whose middle something happens."""
    place = urlsplit(portal)
    with socket.create_connection((place.hostname, place.port), 30) as wire:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {place.netloc}\r\nConnection: close\r\n"
            f"Authorization: Bearer {token.secret}\r\nContent-Length: {len(whole)}\r\n"
            f"Content-Type: multipart/form-data; boundary={EDGE}\r\n\r\n"
        )
        wire.sendall(head.encode() + whole[: len(whole) // 2])
        deadline = time.monotonic() + 20
        while not TokenUse.objects.filter(token=token).exists():  # the portal has let the caller in
            assert time.monotonic() < deadline
            time.sleep(0.05)
        meanwhile()
        wire.sendall(whole[len(whole) // 2 :])
        answer = b""
        while chunk := wire.recv(65536):
            answer += chunk
    return answer


@pytest.mark.parametrize(("how", "status"), [("token", 401), ("service", 401), ("owner", 401), (None, 202)])
def test_what_ends_in_the_middle_of_an_upload_ends_the_upload(world, live_server, how, status):
    made = service(
        world,
        by="author",
        owner="curator",
        only_acts=["datasets.upload_version"],
        objects=[("datasets.dataset", world.dataset.pk)],
    )
    token = service_token(world, made)
    whole = body_of_form(train_csv() + f"\n# {how}".encode() if how else train_csv())
    before = (DatasetVersion.objects.count(), Job.objects.count(), stored())

    def ends() -> None:
        if how == "token":
            acts.end_token(world.curator, token.pk)
        elif how == "service":
            acts.end_service(world.compliance, made.pk, reason="Its runner was public")
        elif how == "owner":
            acts.deactivate_account(world.administrator, world.curator.pk, reason="Left")

    answer = interrupted(live_server.url, "/api/v1/dataset-versions", token, whole, ends)
    first, _, rest = answer.partition(b"\r\n")
    assert int(first.split()[1]) == status, answer[:600]
    if how is None:
        assert DatasetVersion.objects.count() == before[0] + 1
        return
    said = json.loads(rest.partition(b"\r\n\r\n")[2])
    assert said["what"]
    assert said["fact"]
    assert said["rule"] in ("token", "service-account")
    assert said["eligible"]
    assert (DatasetVersion.objects.count(), Job.objects.count(), stored()) == before
    if how == "owner":  # their duties ended with the account: the dataset is not there for them any more
        return
    entry = last("datasets.upload_version", "refusal")
    assert body_of(entry)["facts"]["service"] == "lotx-ci"
    assert not Entry.objects.filter(kind="act", act="datasets.upload_version", id__gt=entry.pk).exists()


def test_a_model_file_kept_aside_is_refused_too_when_the_service_ends_under_way(world, live_server):
    """No act follows this upload, which could ask again: the door does."""
    made = service(world)
    token = service_token(world, made)
    head = (
        f'--{EDGE}\r\nContent-Disposition: form-data; name="kind"\r\n\r\nartefact\r\n--{EDGE}\r\n'
        'Content-Disposition: form-data; name="file"; filename="m.onnx"\r\n\r\n'
    )
    whole = head.encode() + b"A" * 300_000 + f"\r\n--{EDGE}--\r\n".encode()
    before, path = stored(), "/api/v1/models/lotx/uploads"
    answer = interrupted(
        live_server.url,
        path,
        token,
        whole,
        lambda: acts.end_service(world.compliance, made.pk, reason="Its runner was public"),
    )
    assert answer.startswith(b"HTTP/1.1 401"), answer[:600]
    said = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert said["rule"] in ("token", "service-account")
    assert all(said[part] for part in ("what", "fact", "eligible"))
    assert stored() == before
    assert body_of(last("registry.register_version", "refusal"))["facts"]["service"] == "lotx-ci"
