"""What an inspector sees is entered; what they take away is numbered, covered, and unchanged inside."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from datetime import timedelta

import pikepdf
import pytest
from django.test import Client
from django.urls import reverse

from apps.access import inspections
from apps.access.actors import Actor
from apps.access.acts import end_assignment, request_inspection
from apps.access.acts.inspections import approve_inspection, spoil_copy
from apps.access.duties import MODEL
from apps.access.inspection_models import Copy
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import NotAllowed, NotVisible
from apps.packs.render import RenderFailed
from apps.trail import past
from apps.trail.models import Entry
from apps.web import inspecting
from tests.access.telling import assert_history, assert_told, refused
from tests.factories.doors import browser, session_api, token_api

pytestmark = pytest.mark.django_db
MODELS = "/models/"


def looks(person: User) -> list[dict]:
    rows = Entry.objects.filter(act="access.look", actor_uuid=str(person.uuid)).order_by("id")
    return [json.loads(row.body)["facts"] for row in rows]


def unpacked(response) -> tuple[dict[str, bytes], int]:
    """The files of the ZIP by name, and the copy's number."""
    assert response.status_code == 200, response.content
    assert response["Content-Type"] == "application/zip"
    data = b"".join(response.streaming_content)
    assert len(data) == int(response["Content-Length"])
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}, int(response["X-Countersign-Copy"])


def test_each_page_an_inspector_opens_is_an_entry(world):
    client = browser(world.inspector)
    assert client.get(MODELS, {"q": "lot"}, REMOTE_ADDR="10.1.2.3").status_code == 200
    assert client.get(reverse("web:model", args=["lotx"])).status_code == 200
    assert client.get("/models/no-such-model/").status_code == 404
    told = looks(world.inspector)
    assert [(each["page"], each["path"], each["record"], each["status"]) for each in told] == [
        ("web:models", "/models/?q=lot", "", 200),
        ("web:model", "/models/lotx/", "slug=lotx", 200),
        ("web:model", "/models/no-such-model/", "slug=no-such-model", 404),
    ]
    assert told[0]["address"] == "10.1.2.3"


def test_the_api_is_looked_over_too(world):
    assert session_api(world.inspector).get("/api/v1/models").status_code == 200
    assert token_api(world.inspector).get("/api/v1/models/lotx").status_code == 200
    assert [(each["page"], each["record"]) for each in looks(world.inspector)] == [
        ("api:models-list", ""),
        ("api:models-detail", "slug=lotx"),
    ]


def test_nobody_else_is_looked_over(world, django_assert_num_queries):
    for name in ("owner", "compliance", "author", "stranger"):
        browser(world.people[name]).get(MODELS)
    assert not Entry.objects.filter(act="access.look").exists()
    Client().get(MODELS)
    assert not Entry.objects.filter(act="access.look").exists()


def test_a_fragment_that_asks_again_and_again_is_entered_once_a_minute(world):
    client = browser(world.inspector)
    for _ in range(3):
        client.get(MODELS, headers={"HX-Request": "true", "HX-Target": "rows-models"})
    assert len(looks(world.inspector)) == 1
    client.get(MODELS)
    client.get(MODELS)
    assert len(looks(world.inspector)) == 3, "pages are entered each time"


def test_a_page_that_cannot_be_entered_is_not_shown(world, monkeypatch):
    def broken(*_args, **_kwargs):
        raise OSError("no space left")

    monkeypatch.setattr(inspecting, "look", broken)
    client = browser(world.inspector)
    client.raise_request_exception = False
    assert client.get(MODELS).status_code == 500


def test_a_copy_has_a_number_a_cover_sheet_and_the_bytes_unchanged(world):
    plain = browser(world.compliance).get(MODELS, {"format": "csv"})
    as_it_is = b"".join(plain.streaming_content)
    files, number = unpacked(browser(world.inspector).get(MODELS, {"format": "csv"}))
    assert number == 1
    assert set(files) == {"models.csv", "COVER-copy-1.pdf", "COVER-copy-1.json"}
    assert files["models.csv"] == as_it_is
    digest = hashlib.sha256(as_it_is).hexdigest()
    cover = json.loads(files["COVER-copy-1.json"])
    assert (cover["sha256"], cover["size"], cover["copy"]) == (digest, len(as_it_is), 1)
    assert cover["handed_to"] == {"username": "inspector", "printed_name": "Inspector Person"}
    assert cover["handed_at"].endswith("Z")
    with pikepdf.open(io.BytesIO(files["COVER-copy-1.pdf"])) as sheet:
        assert len(sheet.pages) == 1
    copy = Copy.objects.get()
    assert (copy.number, copy.file_sha256, copy.person, copy.state) == (1, digest, world.inspector, "handed")
    facts = json.loads(Entry.objects.filter(act="access.take_copy").latest("id").body)["facts"]
    assert (facts["copy"], facts["sha256"]) == (1, digest)


def test_numbers_have_no_gaps(world, monkeypatch):
    monkeypatch.setattr("apps.packs.covers.pdf", lambda copy, authority: b"%PDF sheet")
    client = browser(world.inspector)
    numbers = [unpacked(client.get(MODELS, {"format": "csv"}))[1] for _ in range(3)]
    assert numbers == [1, 2, 3]
    assert list(Copy.objects.order_by("number").values_list("number", flat=True)) == [1, 2, 3]


def test_receipts_and_the_trail_are_copies_too(world, monkeypatch):
    monkeypatch.setattr("apps.packs.covers.pdf", lambda copy, authority: b"%PDF sheet")
    files, _ = unpacked(session_api(world.inspector).post("/api/v1/trail/export", {"scope": "lotx"}))
    assert "audit-trail.jsonl" in files
    assert all(json.loads(line) for line in files["audit-trail.jsonl"].splitlines())


def test_without_a_cover_sheet_nothing_is_handed_out(world, monkeypatch):
    def broken(copy, authority):
        raise RenderFailed("The layout process ended.")

    monkeypatch.setattr("apps.packs.covers.pdf", broken)
    answer = browser(world.inspector).get(MODELS, {"format": "csv"})
    assert answer.status_code == 503
    assert "handed no copy without one" in answer.content.decode()
    copy = Copy.objects.get()
    assert (copy.number, copy.state) == (1, "spoilt")
    assert "could not be made" in copy.spoilt_because


def test_access_that_ends_in_the_middle_of_a_download_stops_it(world, monkeypatch):
    """Decided: the download stops. The rest stays here, the entry says so, and half a ZIP cannot be opened."""
    monkeypatch.setattr("apps.packs.covers.pdf", lambda copy, authority: b"%PDF sheet")
    monkeypatch.setattr("apps.packs.covers.CHUNK", 64)
    monkeypatch.setattr(inspecting, "ASK_SECONDS", 0)
    answer = browser(world.inspector).get(MODELS, {"format": "csv"})
    assert answer.status_code == 200
    stream = iter(answer.streaming_content)
    got = next(stream) + next(stream)
    for each in Assignment.objects.filter(person=world.inspector):
        end_assignment(world.compliance, each.pk, reason="The visit is over")
    with pytest.raises(NotAllowed) as caught:
        next(stream)
    assert caught.value.fact == "Your access as an inspector has ended."
    assert len(got) < int(answer["Content-Length"])
    assert not zipfile.is_zipfile(io.BytesIO(got))
    refusal = Entry.objects.filter(kind="refusal", act="access.take_copy").latest("id")
    assert refusal.actor_uuid == str(world.inspector.uuid)
    copy = Copy.objects.get()
    assert (copy.state, copy.spoilt_because) == ("spoilt", "Access ended while it was handed over")


def test_nobody_spoils_the_copy_of_another(world, monkeypatch):
    monkeypatch.setattr("apps.packs.covers.pdf", lambda copy, authority: b"%PDF sheet")
    unpacked(browser(world.inspector).get(MODELS, {"format": "csv"}))
    copy = Copy.objects.get()
    for name in ("compliance", "owner"):
        with refused(NotVisible, "visibility", act="access.spoil_copy", by=world.people[name]):
            spoil_copy(world.people[name], copy.pk, because="x")
    spoil_copy(world.inspector, copy.pk, because="Lost")
    assert_told("access.spoil_copy", by=world.inspector, about=copy)
    assert_history(Copy.objects.get(), act="access.spoil_copy", by=world.inspector)


def test_a_connection_that_breaks_is_told_too(world, monkeypatch):
    monkeypatch.setattr("apps.packs.covers.pdf", lambda copy, authority: b"%PDF sheet")
    monkeypatch.setattr("apps.packs.covers.CHUNK", 64)
    answer = browser(world.inspector).get(MODELS, {"format": "csv"})
    stream = iter(answer.streaming_content)
    next(stream)
    answer._iterator.close()
    assert Copy.objects.get().spoilt_because == "The connection broke"


def test_after_the_end_nothing_is_handed_out_and_looks_are_entered_still(world):
    for each in Assignment.objects.filter(person=world.inspector):
        end_assignment(world.compliance, each.pk, reason="The visit is over")
    client = browser(world.inspector)
    assert client.get(reverse("web:model", args=["lotx"])).status_code == 404
    assert looks(world.inspector)[-1]["status"] == 404
    answer = client.get(MODELS, {"format": "csv"})
    assert answer.status_code == 403
    assert not Copy.objects.exists()
    told = session_api(world.inspector).post("/api/v1/trail/export", {}).json()
    assert (told["status"], told["rule"]) == (403, "PC07: an inspector's access ends")


def test_who_sees_what_an_inspector_looked_at(world):
    browser(world.inspector).get(MODELS)
    other = request_inspection(
        world.administrator,
        person_id=world.stranger.pk,
        authority="Agency",
        places=[(MODEL, world.model.pk)],
        ends_at=now() + timedelta(days=1),
        reason="Audit",
    )
    approve_inspection(world.compliance, other.pk)
    stranger = User.objects.get(username="stranger")
    browser(stranger).get(MODELS)

    def seen(name: str) -> set[str]:
        rows = inspections.looked_at(Actor.of(world.people[name]))
        return set(rows.values_list("actor_name", flat=True))

    assert seen("compliance") == {"Inspector Person", "Stranger Person"}
    assert seen("inspector") == {"Inspector Person"}, "an inspector does not see another's"
    assert inspections.looked_at(Actor.of(stranger)).count() == 1
    assert seen("owner") == set()


def test_an_officers_duty_that_has_ended_shows_no_looks_of_then(world):
    browser(world.inspector).get(MODELS)
    moment = now()
    was, mine = Actor.of(world.compliance2), Actor.of(world.inspector)
    held = Assignment.objects.active().get(person=world.compliance2, duty="compliance")
    with past.at(moment):
        assert inspections.watches(was, world.inspector)
        assert inspections.looked_at(was, world.inspector).count() == 1
    end_assignment(world.compliance, held.pk, reason="Moved on")
    with past.at(moment):
        assert not inspections.watches(was, world.inspector)
        assert inspections.watches(mine, world.inspector)
        assert inspections.looked_at(was, world.inspector).count() == 0
