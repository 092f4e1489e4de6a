"""Review boards in the browser: founded, seated, met, minuted, signed; what is wrong stands beside its field."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.urls import reverse

from apps.approvals import acts
from apps.approvals.board_models import Board, BoardMember, Meeting
from apps.approvals.templates import template_for
from apps.core.clock import now
from apps.registry.acts import add_author
from tests.approvals.boards import founded, minuted, planned, seat, seats
from tests.cast import PASSWORD
from tests.factories.doors import browser, text_of
from tests.factories.evidence import signed, validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("reported")]
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
    return acts.open_gate(world.owner, validated_world(world).version.pk)


def test_a_board_is_founded_and_seated_by_three_people(world):
    answer = browser(world.compliance).post(reverse("web:board_new"), BOARD)
    board = Board.objects.get()
    assert answer.headers["Location"] == f"/boards/{board.pk}/"
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


def test_what_is_wrong_with_a_board_stands_beside_its_field_and_nothing_is_lost(world):
    answer = browser(world.compliance).post(reverse("web:board_new"), BOARD | {"quorum": "1"})
    assert answer.status_code == 422
    assert "Releases of high tier" in text_of(answer)
    assert not Board.objects.exists()


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
        assert "Nobody objected." in text_of(browser(person).get(sign))
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


def test_a_member_without_a_duty_on_the_model_sees_the_meeting_and_not_the_model(world, gate):
    meeting = minuted(world, planned(world, gate, founded(world)))
    shown = reverse("web:meeting", args=[meeting.number])
    assert browser(world.stranger).get(shown).status_code == 200
    assert browser(world.stranger).get(reverse("web:model", args=["lotx"])).status_code == 404
    assert browser(world.other_developer).get(shown).status_code == 404


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
