"""The file of a minute recorded outside: fetched by who sees the gate, entered, compared with its digest."""

from __future__ import annotations

import pytest
from django.urls import reverse

from apps.approvals import acts, board_acts
from apps.approvals.board_acts import read_outside_minute
from apps.approvals.models import Gate, Minute
from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import NotVisible, Refused, WrongState
from apps.trail.models import Entry
from tests.access.telling import assert_told, body_of
from tests.approvals.boards import LATER, founded
from tests.approvals.test_typed_minutes import line
from tests.factories.doors import browser, session_api, text_of

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("high_gate")]
ACT = "approvals.read_outside_minute"
PAPER = b"%PDF the signed minute"


@pytest.fixture
def gate(high_gate) -> Gate:
    return high_gate


@pytest.fixture
def minute(world, gate) -> Minute:
    given = {"file_name": "M <7>.pdf", "file_digest": blobs.put(PAPER).digest}
    return acts.record_minute(world.owner, gate.pk, number="7", held_on=now().date(), **given)


def fetches() -> int:
    return Entry.objects.filter(act=ACT, kind="act").count()


def test_who_sees_the_gate_fetches_the_file_and_each_fetching_is_entered(world, gate, minute):
    found = read_outside_minute(world.validator, gate.pk)
    assert (found.name, found.digest, found.path.read_bytes()) == ("M <7>.pdf", minute.file_digest, PAPER)
    facts = body_of(assert_told(ACT, by=world.validator, about=gate, wrote=0))["facts"]
    assert facts == {"minute": "7", "file": "M <7>.pdf", "digest": minute.file_digest}
    read_outside_minute(world.validator, gate.pk)
    assert fetches() == 2


def test_who_does_not_see_the_gate_is_told_of_nothing(world, gate, minute):
    for name in ("other_developer", "stranger"):
        with pytest.raises(NotVisible):
            read_outside_minute(world.people[name], gate.pk)
    assert fetches() == 0


def test_the_duty_of_an_administrator_opens_no_file(world, gate, minute):
    with pytest.raises(NotVisible):
        read_outside_minute(world.administrator, gate.pk)


def test_a_gate_without_such_a_minute_has_no_file(world, gate):
    with pytest.raises(WrongState) as refused:
        read_outside_minute(world.owner, gate.pk)
    assert refused.value.rule == "meeting-file"
    assert "No minute of a board outside the portal" in refused.value.fact


def test_who_made_the_version_reads_it_too(world, gate, minute):
    """No conflict shuts it: reading what a board said makes nobody a judge of it."""
    assert read_outside_minute(world.author, gate.pk).digest == minute.file_digest


def test_a_file_that_is_not_what_was_recorded_is_not_given(world, gate):
    paper = blobs.put(b"%PDF that somebody exchanges").digest  # no other test's: files lie by their content
    acts.record_minute(
        world.owner, gate.pk, number="7", held_on=now().date(), file_name="m.pdf", file_digest=paper
    )
    path = blobs.path(paper)
    path.chmod(0o644)
    path.write_bytes(b"another paper")
    with pytest.raises(Refused):
        read_outside_minute(world.owner, gate.pk)
    assert fetches() == 0


def test_page_and_api_lead_to_the_file(world, gate, minute):
    page, fetch = (
        reverse(f"web:{name}", args=[gate.pk]) for name in ("outside_minute", "outside_minute_file")
    )
    client = browser(world.validator)
    release = client.get(f"/models/lotx/{gate.version.label}/").content.decode()
    assert page in release
    told = client.get(page)
    assert minute.file_digest in told.content.decode()
    assert "M <7>.pdf" in text_of(told)
    assert world.owner.printed_name in text_of(told)
    answer = client.post(fetch)
    assert b"".join(answer.streaming_content) == PAPER
    assert answer.headers["X-Countersign-Digest"] == minute.file_digest
    assert client.get(fetch).status_code == 405
    api = session_api(world.validator)
    shown = api.get(f"/api/v1/gates/{gate.pk}").json()["minute"]
    assert (shown["number"], shown["file_digest"]) == ("7", minute.file_digest)
    answer = api.post(f"/api/v1/gates/{gate.pk}/minute/download")
    assert b"".join(answer.streaming_content) == PAPER
    assert fetches() == 2
    other = browser(world.other_developer)
    assert [other.get(page).status_code, other.post(fetch).status_code] == [404, 404]
    assert (
        session_api(world.other_developer).post(f"/api/v1/gates/{gate.pk}/minute/download").status_code == 404
    )


def test_an_inspector_gets_the_bytes_with_a_cover(world, gate, minute):
    fetch = reverse("web:outside_minute_file", args=[gate.pk])
    answer = browser(world.inspector).post(fetch)
    assert answer.status_code == 200
    assert b"".join(answer.streaming_content)
    assert fetches() == 1
    assert Entry.objects.filter(act="access.take_copy", kind="act").count() == 1


def test_without_a_minute_there_is_no_page_and_the_api_says_null(world, gate):
    assert browser(world.owner).get(reverse("web:outside_minute", args=[gate.pk])).status_code == 404
    answer = browser(world.owner).post(reverse("web:outside_minute_file", args=[gate.pk]))
    assert answer.status_code == 409
    assert session_api(world.owner).get(f"/api/v1/gates/{gate.pk}").json()["minute"] is None


def test_as_of_a_moment_the_page_refuses_and_fetches_nothing(world, gate, minute):
    then = now().isoformat()
    page = reverse("web:outside_minute", args=[gate.pk])
    told = browser(world.owner).get(page, {"as-of": then})
    assert told.status_code == 400
    assert "This cannot be shown as it was." in text_of(told)
    answer = browser(world.owner).post(f"{reverse('web:outside_minute_file', args=[gate.pk])}?as-of={then}")
    assert answer.status_code == 400


# ---------------------------------------------------------------- a meeting's minute is due once it was held


def test_the_minute_of_a_meeting_is_wanted_from_its_time_on(world, gate, monkeypatch):
    board = founded(world)
    held = now() + LATER
    meeting = board_acts.plan_meeting(
        world.owner, gate.pk, board_id=board.pk, held_at=held, agenda="May it be released?"
    )
    before = line(gate)
    assert before.outcome.needs == ()
    assert f"planned for {held:%Y-%m-%d %H:%M} UTC. Its minute is due from then on." in before.outcome.why
    page = text_of(browser(world.owner).get("/work/"))
    assert "Record the meeting's minute" not in page
    monkeypatch.setattr("apps.approvals.board_checks.now", lambda: held)
    after = line(gate)
    assert after.outcome.needs == (("approvals.record_meeting", meeting.subject_kind, meeting.pk),)
    assert "due from then on" not in after.outcome.why
    assert "Record the meeting's minute" in text_of(browser(world.owner).get("/work/"))
