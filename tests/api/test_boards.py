"""Review boards by the API: the same acts, the same refusals; no token signs."""

from __future__ import annotations

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from apps.approvals import acts
from apps.approvals.board_models import Board, BoardMember
from apps.approvals.templates import template_for
from apps.core.clock import iso, now
from tests.approvals.boards import amended, founded, minuted, planned, seats
from tests.cast import PASSWORD
from tests.factories.doors import session_api, token_api
from tests.factories.evidence import validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("high_gate")]


@pytest.fixture
def gate(world, monkeypatch):
    monkeypatch.setattr(acts, "template_for", lambda _tier: template_for("high"))
    return validated_world(world, until="high_gate").gate


def test_a_board_with_a_seat(world):
    given = {"name": "Release board", "purpose": "Releases", "quorum": 2, "reason": "QP-12"}
    answer = session_api(world.owner).post(reverse("api:board-list"), given)
    assert (answer.status_code, answer.json()["rule"]) == (403, "duty")
    answer = session_api(world.registrar).post(reverse("api:board-list"), given)
    assert (answer.status_code, answer.json()["state"]) == (201, "proposed"), answer.json()
    board = Board.objects.get(pk=answer.json()["id"])
    (change,) = answer.json()["changes"]
    assert (change["kind"], change["before"], change["after"]["quorum"]) == ("found", None, 2)
    approve = reverse("api:board-change-approve", args=[change["id"]])
    assert token_api(world.compliance).post(approve).status_code == 403
    assert session_api(world.registrar).post(approve).status_code == 403
    answer = session_api(world.compliance).post(approve)
    assert (answer.status_code, answer.json()["decided_by"]) == (200, "compliance"), answer.json()
    seat = {"person": "security", "function": "security", "chair": True, "reason": "Leads security"}
    answer = session_api(world.registrar).post(reverse("api:board-seats", args=[board.pk]), seat)
    assert answer.status_code == 201, answer.json()
    made = BoardMember.objects.get(pk=answer.json()["id"])
    assert token_api(world.compliance).post(reverse("api:seat-approve", args=[made.pk])).status_code == 403
    answer = session_api(world.compliance).post(reverse("api:seat-approve", args=[made.pk]))
    assert (answer.status_code, answer.json()["state"]) == (200, "approved")
    answer = session_api(world.compliance).post(reverse("api:seat-end", args=[made.pk]), {"reason": "Left"})
    assert (answer.json()["state"], answer.json()["closed_by"]) == ("ended", "compliance")
    end = reverse("api:board-end", args=[board.pk])
    answer = session_api(world.compliance).post(end, {"reason": "Two boards are one"})
    assert answer.status_code == 201, answer.json()
    assert session_api(world.compliance).post(end, {"reason": "Again"}).status_code == 409
    (waiting, _founding) = answer.json()["changes"]
    refuse = reverse("api:board-change-refuse", args=[waiting["id"]])
    answer = session_api(world.compliance2).post(refuse, {"reason": "It is needed"})
    assert (answer.json()["state"], answer.json()["decision_reason"]) == ("refused", "It is needed")
    amend = {**given, "quorum": 3, "reason": "QP-12, rev. 2"}
    answer = session_api(world.registrar).post(reverse("api:board-amend", args=[board.pk]), amend)
    assert (answer.status_code, answer.json()["version"]) == (201, 1), answer.json()
    approve = reverse("api:board-change-approve", args=[answer.json()["changes"][0]["id"]])
    assert session_api(world.compliance).post(approve).json()["version"] == 2
    answer = session_api(world.stranger).get(reverse("api:board-detail", args=[board.pk]))
    assert (answer.json()["version"], answer.json()["quorum"]) == (2, 3)
    answer = session_api(world.stranger).get(reverse("api:board-list"), {"state": "ended"})
    assert answer.json()["results"] == []


def test_a_meeting_from_agenda_to_signature(world, gate):
    board = founded(world)
    given = {"gate": gate.pk, "board": board.pk, "held_at": iso(now()), "agenda": "Release?"}
    answer = session_api(world.other_developer).post(reverse("api:meeting-list"), given)
    assert answer.status_code == 404
    answer = session_api(world.owner).post(reverse("api:meeting-list"), given)
    assert answer.status_code == 201, answer.json()
    pk = answer.json()["id"]
    minute = {
        "attended": seats(board, "security", "process_expert", "author"),
        "minute": "Nobody objected.",
        "decision": "approve",
    }
    assert token_api(world.owner).post(reverse("api:meeting-minute", args=[pk]), minute).status_code == 403
    short = minute | {"attended": seats(board, "security")}
    answer = session_api(world.owner).post(reverse("api:meeting-minute", args=[pk]), short)
    assert (answer.status_code, answer.json()["rule"]) == (422, "quorum")
    early = minute | {"held_at": "2026-01-02T10:00:00Z"}
    answer = session_api(world.owner).post(reverse("api:meeting-minute", args=[pk]), early)
    assert (answer.status_code, list(answer.json()["fields"])) == (422, ["held_at"])
    held_at = iso(now())
    minute |= {"held_at": held_at}
    answer = session_api(world.owner).post(reverse("api:meeting-minute", args=[pk]), minute)
    assert answer.status_code == 200, answer.json()
    assert answer.json()["held_at"] == held_at
    assert [row["votes"] for row in answer.json()["attendance"]] == [True, True, False]
    sign = reverse("api:meeting-sign", args=[pk])
    given = {"half": "chair", "digest": answer.json()["digest"], "password": PASSWORD}
    assert token_api(world.security).post(sign, given).status_code == 403
    assert session_api(world.security).post(sign, given).status_code == 200
    answer = session_api(world.process_expert).post(sign, given | {"half": "member"})
    assert (answer.status_code, answer.json()["state"]) == (200, "signed")
    answer = session_api(world.process_expert).post(
        reverse("api:meeting-conditions", args=[pk]), {"reason": "x"}
    )
    assert answer.status_code == 409


def test_lists_hold_exactly_what_one_may_see(world, gate, django_assert_max_num_queries):
    meeting = minuted(world, planned(world, gate, founded(world)))
    for person, seen in (("owner", {meeting.pk}), ("stranger", {meeting.pk}), ("other_developer", set())):
        client = session_api(world.people[person])
        with django_assert_max_num_queries(9):
            answer = client.get(reverse("api:meeting-list"))
        assert {row["id"] for row in answer.json()["results"]} == seen
    answer = session_api(world.stranger).get(reverse("api:seat-list"), {"board": meeting.board_id})
    assert len(answer.json()["results"]) == 4


def test_who_may_not_hears_that_before_anything_of_the_input(world, gate):
    board = founded(world)
    meeting = planned(world, gate, board)
    (seat,) = seats(board, "stranger")
    client = session_api(world.author)
    asked = (
        ("api:board-list", []),
        ("api:board-seats", [board.pk]),
        ("api:seat-refuse", [seat]),
        ("api:seat-end", [seat]),
        ("api:meeting-minute", [meeting.pk]),
        ("api:board-amend", [board.pk]),
        ("api:board-end", [board.pk]),
        ("api:board-change-refuse", [amended(world, board).pk]),
        ("api:meeting-withdraw", [meeting.pk]),
    )
    for name, args in asked:
        answer = client.post(reverse(name, args=args), {"nonsense": "x"}, format="json")
        assert (answer.status_code, bool(answer.json()["eligible"])) == (403, True), name


def test_a_meeting_is_withdrawn_once_with_a_reason(world, gate):
    meeting = planned(world, gate, founded(world))
    address, given = reverse("api:meeting-withdraw", args=[meeting.pk]), {"reason": "The version will change"}
    assert session_api(world.other_developer).post(address, given).status_code == 404
    assert session_api(world.owner).post(address, {}).status_code == 422
    answer = session_api(world.owner).post(address, given)
    assert (answer.status_code, answer.json()["state"]) == (200, "withdrawn"), answer.json()
    assert answer.json()["withdrawn_because"] == "The version will change"
    assert session_api(world.owner).post(address, given).status_code == 409


def test_the_file_beside_a_minute_is_sent_and_fetched_by_who_sees_the_meeting(world, gate):
    board = founded(world)
    meeting = planned(world, gate, board)
    given = {
        "attended": seats(board, "security", "process_expert"),
        "minute": "Nobody objected.",
        "decision": "approve",
        "file": SimpleUploadedFile("C:\\minutes\\M 1.pdf", b"%PDF signed"),
    }
    address = reverse("api:meeting-minute", args=[meeting.pk])
    answer = session_api(world.owner).post(address, given, format="multipart")
    assert answer.status_code == 200, answer.json()
    assert answer.json()["file_name"] == "M 1.pdf"
    fetch = reverse("api:meeting-download", args=[meeting.pk])
    for person in ("owner", "stranger", "inspector"):
        answer = session_api(world.people[person]).post(fetch)
        assert answer.status_code == 200, person
        assert b"".join(answer.streaming_content) == b"%PDF signed" or person == "inspector"
    assert session_api(world.other_developer).post(fetch).status_code == 404
    bare = minuted(world, planned(world, gate, board))
    answer = session_api(world.owner).post(reverse("api:meeting-download", args=[bare.pk]))
    assert (answer.status_code, answer.json()["rule"]) == (409, "meeting-file")
