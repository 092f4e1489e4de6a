"""A minute of a board outside the portal never stands in for what a board in the portal was asked about the gate."""

from __future__ import annotations

import pytest

from apps.access.actors import Actor
from apps.access.acts import create_token
from apps.approvals import acts, board_acts, board_seat_acts
from apps.approvals.board_checks import has_board
from apps.approvals.evaluation import evaluate
from apps.approvals.models import Gate, Minute
from apps.core import blobs
from apps.core.clock import now
from apps.core.errors import NotAllowed, WrongState
from apps.core.outcomes import CheckState
from apps.registry.models import Version
from tests.approvals.boards import decided, founded, minuted, planned, seats
from tests.factories.evidence import signed

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("high_gate")]


@pytest.fixture
def gate(high_gate) -> Gate:
    return high_gate


def line(gate: Gate):
    rows = evaluate(Version.objects.get(pk=gate.version_id)).rows
    return next(row for row in rows if row.code == "board_minute")


def typed(world, gate: Gate, by=None) -> Minute:
    paper = blobs.put(b"minute").digest
    return acts.record_minute(
        by or world.owner, gate.pk, number="7", held_on=now().date(), file_name="m.pdf", file_digest=paper
    )


def without_quorum(world, board) -> None:
    (domain,) = seats(board, "process_expert")
    board_seat_acts.end_seat(world.registrar, domain, reason="Changes department")
    assert not has_board()


def assert_refused(world, gate: Gate) -> None:
    with pytest.raises(WrongState) as refused:
        typed(world, gate)
    assert refused.value.what == "A minute cannot be typed in here."
    assert refused.value.fact.startswith("This gate was put before a review board")
    assert refused.value.rule == "G7"
    assert "plan a meeting of the board" in refused.value.who[0]


@pytest.mark.parametrize("before", [False, True], ids=["afterwards", "typed before"])
def test_ending_a_seat_does_not_turn_a_signed_rejection_into_an_open_line(world, gate, before):
    if before:
        typed(world, gate)
    board = founded(world)
    decided(world, gate, board, decision="reject")
    without_quorum(world, board)
    assert_refused(world, gate)
    assert line(gate).state is CheckState.NOT_MET


def test_a_meeting_under_way_or_with_a_rejected_minute_still_counts(world, gate):
    typed(world, gate)
    board = founded(world)
    meeting = minuted(world, planned(world, gate, board))
    without_quorum(world, board)
    assert_refused(world, gate)
    assert line(gate).state is CheckState.WAITING
    board_acts.sign_minute_chair(
        world.security, meeting.pk, signature=signed(meeting, decision="rejected"), reason="Not what was said"
    )
    assert_refused(world, gate)
    assert line(gate).outcome.why == "No meeting of a review board is planned."


def test_a_withdrawn_meeting_leaves_the_gate_to_a_typed_minute(world, gate):
    board = founded(world)
    meeting = planned(world, gate, board)
    without_quorum(world, board)
    board_acts.withdraw_meeting(world.owner, meeting.pk, reason="It cannot meet")
    typed(world, gate)
    assert line(gate).state is CheckState.MET


def test_no_token_types_a_minute(world, gate):
    token = create_token(world.owner, name="ci", days=30)
    with pytest.raises(NotAllowed) as refused:
        typed(world, gate, Actor.of(world.owner, "api", token=token))
    assert "token" in refused.value.fact
    assert not Minute.objects.exists()
