"""Review boards in the browser: founded, seated, met, minuted, signed; what is wrong stands beside its field."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.approvals import acts
from apps.approvals.board_models import Board, BoardMember, Meeting
from apps.approvals.board_seat_acts import end_seat
from apps.approvals.models import Minute
from apps.approvals.templates import template_for
from apps.core import blobs, uploads
from apps.core.clock import now
from apps.registry.acts import add_author
from apps.trail.models import Entry
from apps.web.sections import SECTIONS
from tests.approvals.boards import founded, minuted, open_change, planned, seat, seats
from tests.cast import PASSWORD
from tests.factories.doors import browser, text_of
from tests.factories.evidence import signed, validated_world
from tests.web.changing import confirm

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("high_gate")]
BOARD = {
    "name": "Release board",
    "purpose": "Releases of high tier",
    "quorum": "2",
    "required": ["domain"],
    "reason": "Procedure QP-12",
    "idempotency_key": "k1",
}


@pytest.fixture
def gate(world, monkeypatch):
    monkeypatch.setattr(acts, "template_for", lambda _tier: template_for("high"))
    return validated_world(world, until="high_gate").gate


def test_a_board_is_founded_and_seated_by_three_people(world):
    answer = browser(world.registrar).post(reverse("web:board_new"), BOARD)
    board = Board.objects.get()
    assert answer.headers["Location"] == f"/boards/{board.pk}/"
    shown = reverse("web:board", args=[board.pk])
    assert "The board takes members once it is approved." in text_of(browser(world.owner).get(shown))
    assert browser(world.registrar).get(reverse("web:seat_new", args=[board.pk])).status_code == 409
    approve = reverse("web:board_change_decide", args=[open_change(board).pk, "approve"])
    assert approve in browser(world.compliance).get(shown).content.decode()
    assert approve not in browser(world.registrar).get(shown).content.decode()
    asked = text_of(browser(world.compliance).get(approve))
    assert "Releases of high tier" in asked
    assert "Procedure QP-12" in asked
    assert browser(world.registrar).post(approve, {"idempotency_key": "k0"}).status_code == 403
    assert browser(world.compliance).post(approve, {"idempotency_key": "k0"}).status_code == 302
    wanted = {
        "person": world.security.pk,
        "function": "security",
        "chair": "on",
        "reason": "Leads security",
        "idempotency_key": "k2",
    }
    browser(world.registrar).post(reverse("web:seat_new", args=[board.pk]), wanted)
    (member,) = BoardMember.objects.all()
    decide = reverse("web:seat_decide", args=[member.pk, "approve"])
    page = text_of(browser(world.compliance).get(reverse("web:board", args=[board.pk])))
    assert "Security Person" in page
    assert "Approve" in page
    assert browser(world.compliance).post(decide, {"idempotency_key": "k3"}).status_code == 302
    assert BoardMember.objects.get().state == "approved"
    assert browser(world.registrar).post(decide, {"idempotency_key": "k4"}).status_code == 403
    end = reverse("web:seat_decide", args=[member.pk, "end"])
    answer = browser(world.registrar).post(end, {"idempotency_key": "k5", "reason": "Left security"})
    assert answer.status_code == 302
    page = text_of(browser(world.owner).get(shown))
    assert "Ended by" in page
    assert "Left security" in page


def test_what_is_wrong_with_a_board_stands_beside_its_field_and_nothing_is_lost(world):
    answer = browser(world.compliance).post(reverse("web:board_new"), BOARD | {"quorum": "1"})
    assert answer.status_code == 422
    assert "Releases of high tier" in text_of(answer)
    assert not Board.objects.exists()


def test_a_board_is_amended_and_ended_in_the_browser_by_two_people(world):
    board = founded(world)
    shown = reverse("web:board", args=[board.pk])
    amend = reverse("web:board_amend", args=[board.pk])
    assert browser(world.owner).get(amend).status_code == 403
    page = browser(world.registrar).get(amend).content.decode()
    assert "Releases of high tier" in page  # it begins with the board as it is
    assert 'value="domain" id="id_required_3" checked' in page
    wanted = BOARD | {"quorum": "3", "required": ["domain", "ethics"], "reason_code": "other"}
    assert browser(world.registrar).post(amend, wanted | {"quorum": "99"}).status_code == 422
    assert confirm(browser(world.registrar), amend, wanted).headers["Location"] == shown
    page = text_of(browser(world.compliance).get(shown))
    assert "domain, ethics" in page
    assert "2 members with a vote" in page
    assert browser(world.registrar).post(amend, wanted | {"idempotency_key": "k9"}).status_code == 409
    approve = reverse("web:board_change_decide", args=[open_change(board).pk, "approve"])
    assert "3 members with a vote" in text_of(browser(world.compliance).get(approve))
    assert browser(world.compliance).post(approve, {"idempotency_key": "k2"}).status_code == 302
    assert "version 2" in text_of(browser(world.stranger).get(shown))
    end = reverse("web:board_end", args=[board.pk])
    given = {"idempotency_key": "k3", "reason": "Two boards are one", "reason_code": "organisation"}
    answer = confirm(browser(world.registrar), end, given)
    assert answer.headers["Location"] == shown
    change = open_change(board)
    refuse, approve = (
        reverse("web:board_change_decide", args=[change.pk, verb]) for verb in ("refuse", "approve")
    )
    assert browser(world.compliance).post(refuse, {"idempotency_key": "k4", "reason": ""}).status_code == 422
    assert browser(world.compliance).post(approve, {"idempotency_key": "k5"}).status_code == 302
    page = text_of(browser(world.stranger).get(shown))
    assert page.count("was ended") == 4
    assert browser(world.registrar).get(reverse("web:seat_new", args=[board.pk])).status_code == 409
    assert (
        browser(world.compliance).get(reverse("web:board_change_decide", args=[change.pk, "x"])).status_code
        == 404
    )


def test_the_file_of_a_minute_is_not_lost_by_an_error_elsewhere_and_can_be_fetched(world, gate):
    board = founded(world)
    meeting = planned(world, gate, board)
    address = reverse("web:meeting_minute", args=[meeting.number])
    typed = {
        "attended": seats(board, "security"),
        "minute": "Nobody objected.",
        "decision": "approve",
        "idempotency_key": "k1",
    }
    client = browser(world.owner)
    answer = client.post(address, typed | {"file": SimpleUploadedFile("minute.pdf", b"%PDF signed")})
    assert answer.status_code == 422
    assert "Received: minute.pdf, 11 B, sha256:" in text_of(answer)
    kept = answer.context["form"]["file_kept"].value()
    typed["attended"] = seats(board, "security", "process_expert")
    sent = {**typed, "file_kept": kept, "idempotency_key": "k2"}
    assert client.post(address, sent).status_code == 302
    meeting.refresh_from_db()
    assert (meeting.file_name, meeting.file_digest) == ("minute.pdf", blobs.put(b"%PDF signed").digest)
    shown, fetch = (reverse(f"web:{name}", args=[meeting.number]) for name in ("meeting", "meeting_file"))
    page = browser(world.stranger).get(shown).content.decode()
    assert fetch in page
    assert meeting.file_digest[:19] in page
    for person in (world.owner, world.stranger):
        answer = browser(person).post(fetch)
        assert b"".join(answer.streaming_content) == b"%PDF signed"
        assert answer.headers["X-Countersign-Digest"] == meeting.file_digest
    assert Entry.objects.filter(act="approvals.read_minute_file", kind="act").count() == 2
    assert browser(world.other_developer).post(fetch).status_code == 404
    assert browser(world.owner).get(fetch).status_code == 405
    assert browser(world.stranger).get(address).status_code == 403


def test_a_file_that_somebody_else_sent_is_not_named_again(world, gate):
    board = founded(world)
    meeting = planned(world, gate, board)
    theirs = uploads.sealed(world.approver.pk, uploads.of(blobs.put(b"theirs"), "theirs.pdf"))
    typed = {
        "attended": seats(board, "security", "process_expert"),
        "minute": "Nobody objected.",
        "decision": "approve",
        "idempotency_key": "k1",
        "file_kept": theirs,
    }
    address = reverse("web:meeting_minute", args=[meeting.number])
    assert browser(world.owner).post(address, typed).status_code == 302
    assert Meeting.objects.get(pk=meeting.pk).file_digest == ""


def test_a_meeting_is_planned_minuted_and_signed_in_the_browser(world, gate):
    board = founded(world)
    version = gate.version
    release = reverse("web:version", args=[version.model.slug, version.label])
    assert reverse("web:meeting_new", args=[gate.pk]) in browser(world.owner).get(release).content.decode()
    plan = {"board": board.pk, "held_at": "2026-01-02 10:00", "agenda": "Release?", "idempotency_key": "k1"}
    answer = browser(world.owner).post(reverse("web:meeting_new", args=[gate.pk]), plan)
    assert answer.status_code == 422
    assert "Not before the gate was opened" in text_of(answer)
    tomorrow = f"{now() + timedelta(days=1):%Y-%m-%d %H:%M}"
    plan |= {"held_at": tomorrow, "idempotency_key": "k2"}
    browser(world.owner).post(reverse("web:meeting_new", args=[gate.pk]), plan)
    meeting = Meeting.objects.get()
    address = reverse("web:meeting_minute", args=[meeting.number])
    typed = {
        "attended": seats(board, "security", "process_expert"),
        "minute": "Nobody objected.",
        "decision": "approve",
        "idempotency_key": "k3",
    }
    answer = browser(world.owner).post(address, typed)
    assert answer.status_code == 422
    assert "is in the future" in text_of(answer)
    assert f"Empty: as planned, on {tomorrow} UTC." in text_of(answer)
    meeting = planned(world, gate, board)
    address = reverse("web:meeting_minute", args=[meeting.number])
    answer = browser(world.owner).post(
        address, typed | {"attended": seats(board, "process_expert", "author")}
    )
    assert answer.status_code == 422
    assert "The quorum is 2 members with a vote; 1 attended." in text_of(answer)
    assert "Nobody objected." in text_of(answer)
    assert browser(world.owner).post(address, typed | {"idempotency_key": "k4"}).status_code == 302
    shown = reverse("web:meeting", args=[meeting.number])
    assert "Sign as chair" in text_of(browser(world.security).get(shown))
    assert "Sign as second member" in text_of(browser(world.process_expert).get(shown))
    assert "Sign as" not in text_of(browser(world.owner).get(shown))
    meeting.refresh_from_db()
    for person, half in ((world.security, "chair"), (world.process_expert, "member")):
        sign = reverse("web:sign", args=[f"approvals.sign_minute_{half}", meeting.pk])
        page = text_of(browser(person).get(sign))
        assert "Nobody objected." in page
        told = page.index(f"You sign the minute of {meeting.ref}, Release board, held ")
        assert page.index("Canonical content") < told < page.rindex("I attended this meeting of the board")
        assert f"about {version.ref} with the digest {meeting.about['digest']}" in page
        assert f"by the content digest {signed(meeting).digest}" in page
        assert "Approves the release" in page
        assert f"{'chair' if half == 'chair' else 'member'} of Release board for" in page
        given = {
            "digest": signed(meeting).digest,
            "decision": "approved",
            "password": PASSWORD,
            "idempotency_key": half,
        }
        assert browser(person).post(sign, given).status_code == 302
    assert Meeting.objects.get(pk=meeting.pk).state == "signed"
    assert "Approves the release" in text_of(browser(world.owner).get(shown))
    assert f"{meeting.ref} of Release board" in text_of(browser(world.owner).get(release))


def test_a_member_without_a_duty_on_the_model_reads_what_the_board_is_asked_about_and_does_nothing(
    world, gate
):
    board = founded(world)
    version = gate.version
    place = [version.model.slug, version.label]
    member = browser(world.stranger)
    release = reverse("web:version", args=place)
    assert member.get(release).status_code == 404
    meeting = minuted(world, planned(world, gate, board))
    shown = reverse("web:meeting", args=[meeting.number])
    assert member.get(shown).status_code == 200
    assert browser(world.other_developer).get(shown).status_code == 404
    page = member.get(release)
    assert page.status_code == 200
    assert reverse("web:meeting_new", args=[gate.pk]) not in page.content.decode()
    for slug, _title in SECTIONS:
        if slug != "summary":
            assert member.get(reverse("web:section", args=[*place, slug])).status_code == 200, slug
    for name, args in (
        ("meeting_new", [gate.pk]),
        ("download_artefact", [version.pk]),
        ("add_author", [version.pk]),
        ("deviation_new", [version.pk]),
        ("meeting_withdraw", [meeting.number]),
    ):
        assert member.get(reverse(f"web:{name}", args=args)).status_code == 403, name
    end_seat(world.compliance, seats(board, "stranger")[0], reason="Left the function")
    assert member.get(release).status_code == 404
    assert member.get(shown).status_code == 404


def test_a_board_costs_the_same_queries_for_three_seats_and_for_six(
    world, gate, django_assert_max_num_queries
):
    board = founded(world)
    client, address = browser(world.compliance), reverse("web:board", args=[board.pk])
    client.get(address)
    for name in ("monitor", "deployer", "owner"):
        with django_assert_max_num_queries(40):
            assert client.get(address).status_code == 200
        seat(world, board, name, "legal")


def test_the_registers_list_what_one_may_see(world, gate):
    meeting = planned(world, gate, founded(world))
    assert "Release board" in text_of(browser(world.stranger).get(reverse("web:boards")))
    for person, sees in (("owner", True), ("stranger", True), ("other_developer", False)):
        page = text_of(browser(world.people[person]).get(reverse("web:meetings")))
        assert (meeting.ref in page) == sees


def test_a_planned_meeting_is_withdrawn_in_the_browser_by_who_may_plan(world, gate):
    meeting = planned(world, gate, founded(world))
    shown, address = (
        reverse(f"web:{name}", args=[meeting.number]) for name in ("meeting", "meeting_withdraw")
    )
    assert address in browser(world.owner).get(shown).content.decode()
    assert browser(world.stranger).get(address).status_code == 403
    assert browser(world.owner).post(address, {"idempotency_key": "k1", "reason": " "}).status_code == 422
    given = {"idempotency_key": "k2", "reason": "The version will change"}
    assert browser(world.owner).post(address, given).headers["Location"] == shown
    page = text_of(browser(world.owner).get(shown))
    assert "Withdrawn" in page
    assert "The version will change" in page


def test_a_minute_of_a_version_that_changed_is_rejected_in_the_browser(world, gate):
    meeting = minuted(world, planned(world, gate, founded(world)))
    add_author(world.owner, gate.version_id, person_id=world.monitor.pk, reason="Wrote a feature")
    release = reverse("web:version", args=[gate.version.model.slug, gate.version.label])
    assert reverse("web:meeting_new", args=[gate.pk]) in browser(world.owner).get(release).content.decode()
    sign = reverse("web:sign", args=["approvals.sign_minute_chair", meeting.pk])
    given = {
        "digest": signed(meeting).digest,
        "decision": "rejected",
        "reason": "The version changed",
        "password": PASSWORD,
        "idempotency_key": "k1",
    }
    assert browser(world.security).post(sign, given).status_code == 302
    assert Meeting.objects.get(pk=meeting.pk).state == "rejected"


def test_the_file_of_a_minute_from_outside_is_not_lost_by_an_error_elsewhere(world, gate):
    address, client = reverse("web:minute", args=[gate.pk]), browser(world.owner)
    typed = {"number": "", "held_on": f"{now():%Y-%m-%d}", "idempotency_key": "k1"}
    assert client.post(address, typed | {"number": "7"}).status_code == 422  # it wants its file
    answer = client.post(address, typed | {"file": SimpleUploadedFile("minute.pdf", b"%PDF outside")})
    assert answer.status_code == 422
    assert "Received: minute.pdf, 12 B, sha256:" in text_of(answer)
    kept = answer.context["form"]["file_kept"].value()
    assert client.post(address, typed | {"number": "7", "file_kept": kept}).status_code == 302
    minute = Minute.objects.get(gate=gate)
    assert (minute.number, minute.file_name) == ("7", "minute.pdf")
    assert minute.file_digest == blobs.put(b"%PDF outside").digest
