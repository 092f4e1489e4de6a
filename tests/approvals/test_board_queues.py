"""What waits of review boards: exactly who approves a change or a seat, and who signs a minute."""

from __future__ import annotations

import pytest

from apps.access.actors import as_actor
from apps.access.waiting import deciders, queues_for
from apps.approvals import board_acts
from apps.approvals.board_acts import sign_minute_chair, sign_minute_member
from apps.approvals.board_models import BoardChange, Meeting
from apps.approvals.board_seat_acts import request_seat
from apps.approvals.queries import work_for
from tests.access.test_queues import blocked, everything, waiting
from tests.approvals.boards import founded, minuted, planned, proposed
from tests.factories.evidence import signed

pytestmark = pytest.mark.django_db


def test_a_board_and_a_seat_wait_for_officers_who_did_not_ask(world):
    board = proposed(world)
    change = BoardChange.objects.get(board=board)
    asker = change.requester.username
    officers = {"compliance", "compliance2"} - {asker}
    assert set(waiting(world, "board_changes")) == officers
    assert blocked(world, "board_changes") == ({asker: ["DY17"]} if asker.startswith("compliance") else {})
    [told] = {item for items in waiting(world, "board_changes").values() for item in items}
    assert told.startswith(f"{change.ref}: ")


@pytest.mark.evidence("gate")
def test_a_minute_waits_for_who_voted_until_both_have_signed(world, gate, monkeypatch):
    monkeypatch.setattr(board_acts, "wants_board", lambda gate: True)  # the gate is of medium tier
    meeting = minuted(world, planned(world, gate, founded(world)))
    voted = {row.member.person.username: row.member.chair for row in meeting.attendance.filter(votes=True)}
    told = [f"{meeting} on {gate.version.ref}"]
    assert waiting(world, "minutes") == dict.fromkeys(voted, told)
    assert {p.username for _q, record, _s, able in deciders() if record == meeting for p in able} <= set(
        voted
    )
    chair = next(name for name, chairs in voted.items() if chairs)
    fresh = Meeting.objects.get(pk=meeting.pk)
    sign_minute_chair(world.people[chair], meeting.pk, signature=signed(fresh), reason="Read")
    assert set(waiting(world, "minutes")) == set(voted) - {chair}
    second = next(name for name in voted if name != chair)
    sign_minute_member(
        world.people[second], meeting.pk, signature=signed(Meeting.objects.get()), reason="Read"
    )
    assert waiting(world, "minutes") == {}


def test_a_seat_waits_for_officers_who_did_not_ask(world):
    board = founded(world, {})
    asked = request_seat(
        world.compliance,
        board.pk,
        person_id=world.stranger.pk,
        function="ethics",
        reason="Sits for ethics",
    )
    told = [f"{asked.ref}: {world.stranger.printed_name} on {board}, ethics"]
    assert waiting(world, "seats") == {"compliance2": told}
    assert blocked(world, "seats") == {"compliance": ["DY17"]}


@pytest.mark.evidence("gate")
def test_work_with_one_of_everything_costs_at_most_thirty_queries(world, gate, django_assert_max_num_queries):
    everything(world)
    board = proposed(world)
    assert board
    for person in (world.compliance, world.owner, world.approver, world.validator):
        with django_assert_max_num_queries(30):
            work_for(as_actor(person))
    assert {each.queue.key for each in queues_for(as_actor(world.compliance))} >= {
        "duties", "waivers", "inspections", "services", "trusts", "resets", "unmarkings",
    }  # fmt: skip
