"""A review board is founded, amended and ended by two people; what stood at a meeting stays what it was."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.access.gate import eligible, visible
from apps.access.signing import content_digest, standings
from apps.approvals import board_acts, board_change_acts, board_seat_acts
from apps.approvals.board_checks import has_board
from apps.approvals.board_models import Board, BoardChange, BoardMember, Meeting
from apps.approvals.board_terms import terms_at
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, WrongState
from apps.trail.models import Entry
from tests.approvals.boards import (
    amended,
    approved,
    decided,
    founded,
    minuted,
    open_change,
    planned,
    proposed,
    seat,
    seats,
)

pytestmark = pytest.mark.evidence("high_gate")
ENTRY = "approvals.approve_board_change"


def approve(person, board: Board) -> BoardChange:
    return board_change_acts.approve_board_change(person, open_change(board).pk)


def end(world, board: Board) -> BoardChange:
    return board_change_acts.end_board(world.registrar, board.pk, reason="Two boards are one")


def test_a_board_takes_no_seat_and_no_meeting_before_another_person_approved_it(world, high_gate):
    board = proposed(world)
    assert (board.state, board.version) == ("proposed", 1)
    with pytest.raises(WrongState) as refused:
        seat(world, board, "monitor", "legal")
    assert (refused.value.fact, refused.value.rule) == ("Its state is: proposed.", "board-state")
    with pytest.raises(BadInput) as refused:
        planned(world, high_gate, board)
    assert set(refused.value.fields) == {"board"}
    for wrong in (world.owner, world.registrar, world.stranger):
        with pytest.raises(NotAllowed):
            approve(wrong, board)
    approve(world.compliance, board)
    board.refresh_from_db()
    change = board.changes.get()
    assert (board.state, change.state, change.decided_by) == ("in_force", "approved", world.compliance)
    assert change.after == {
        "name": "Release board",
        "purpose": "Releases of high tier",
        "quorum": 2,
        "required": ["domain"],
    }
    with pytest.raises(WrongState, match="decided already"):
        board_change_acts.approve_board_change(world.compliance2, change.pk)
    assert (board.history.count(), change.history.count()) == (2, 2)
    entry = Entry.objects.get(act=ENTRY, kind="act")
    assert (entry.subject_id, "Release board" in entry.body) == (str(change.pk), True)


def test_who_asked_for_a_board_does_not_approve_it(world):
    board = board_change_acts.create_board(
        world.compliance, name="Own board", purpose="Mine", quorum=2, reason="I want one"
    )
    change = open_change(board)
    with pytest.raises(Conflict) as refused:
        board_change_acts.approve_board_change(world.compliance, change.pk)
    assert refused.value.rule.startswith("DY17")
    assert refused.value.fact == "You asked for this change."
    assert [p.username for p in eligible(ENTRY, change)] == ["compliance2"]
    board_change_acts.approve_board_change(world.compliance2, change.pk)
    assert Board.objects.get().state == "in_force"


def test_the_database_knows_that_two_people_change_a_board(world):
    board = proposed(world)
    with pytest.raises(IntegrityError), transaction.atomic():
        BoardChange.objects.filter(board=board).update(state="approved", decided_by=world.registrar)


def test_a_refused_board_leaves_its_name_free(world):
    board = proposed(world)
    with pytest.raises(BadInput):
        board_change_acts.refuse_board_change(world.compliance, open_change(board).pk)
    with pytest.raises(NotAllowed):
        board_change_acts.refuse_board_change(world.owner, open_change(board).pk, reason="No")
    refused = board_change_acts.refuse_board_change(world.compliance, open_change(board).pk, reason="No need")
    assert (refused.state, refused.decided_by, refused.decision_reason) == (
        "refused",
        world.compliance,
        "No need",
    )
    assert Board.objects.get(pk=board.pk).state == "refused"
    with pytest.raises(WrongState):
        board_change_acts.refuse_board_change(world.compliance2, refused.pk, reason="Again")
    assert approved(world, proposed(world)).name == board.name


def test_an_amendment_is_in_force_once_another_person_without_a_seat_approves_it(world):
    board = founded(world)
    seat(world, board, "compliance2", "legal")
    change = amended(world, board, name="Board of releases", required=["domain", "ethics"])
    assert Board.objects.get().quorum == 2
    with pytest.raises(Conflict) as refused:
        board_change_acts.approve_board_change(world.compliance2, change.pk)
    assert refused.value.fact == "You have a seat on this board."
    for other in (amended, end):
        with pytest.raises(Conflict, match="No other change"):
            other(world, board)
    board_change_acts.approve_board_change(world.compliance, change.pk)
    board.refresh_from_db()
    assert (board.name, board.quorum, board.version) == ("Board of releases", 3, 2)
    assert board.required == ["domain", "ethics"]
    assert open_change_count(board) == 0


def test_who_will_sit_or_would_sit_on_a_board_does_not_approve_its_amendment(world):
    board = founded(world)
    later = now() + timedelta(days=3)
    mine = board_seat_acts.request_seat(
        world.registrar,
        board.pk,
        person_id=world.compliance2.pk,
        function="legal",
        starts_at=later,
        reason="Law",
    )
    change = amended(world, board)
    told = "You would receive a seat on this board.", "You have a seat on this board."
    for fact in told:
        with pytest.raises(Conflict) as refused:
            board_change_acts.approve_board_change(world.compliance2, change.pk)
        assert (refused.value.fact, refused.value.rule[:4]) == (fact, "DY17")
        if fact == told[0]:
            board_seat_acts.approve_seat(world.compliance, mine.pk)
    board_seat_acts.end_seat(world.compliance, mine.pk, reason="Sits elsewhere")
    board_change_acts.approve_board_change(world.compliance2, change.pk)
    assert Board.objects.get(pk=board.pk).quorum == 3


def open_change_count(board: Board) -> int:
    return board.changes.filter(state="requested").count()


def test_an_amendment_that_changes_nothing_or_takes_a_name_is_refused(world):
    board, other = founded(world, {}), founded(world, {}, name="Data board")
    for changes, field in (
        ({"quorum": 2}, "name"),
        ({"name": "data BOARD"}, "name"),
        ({"quorum": 1}, "quorum"),
    ):
        with pytest.raises(BadInput) as refused:
            amended(world, board, **changes)
        assert set(refused.value.fields) == {field}
    with pytest.raises(NotAllowed):
        board_change_acts.amend_board(
            world.owner, board.pk, name="X", purpose="Y", quorum=2, reason="I gain by it"
        )
    amended(world, board, name="Third board")
    amended(world, other, name="Third board")
    approve(world.compliance, board)
    with pytest.raises(WrongState) as refused:
        approve(world.compliance, other)
    assert refused.value.fact == "Another board has been named Third board meanwhile."


def test_a_meeting_is_judged_by_the_quorum_in_force_when_it_was_held(world, high_gate):
    board = founded(world)
    meeting = planned(world, high_gate, board)
    before = now()
    amended(world, board, quorum=4, name="Board of releases")
    approve(world.compliance, board)
    board.refresh_from_db()
    assert (terms_at(board, before)[0], terms_at(board, before)[1].name) == (1, "Release board")
    assert (terms_at(board, now())[0], terms_at(board, now())[1].quorum) == (2, 4)
    with pytest.raises(BadInput) as refused:
        minuted(world, meeting, held_at=now())
    assert "The quorum is 4 members" in refused.value.fields["attended"][0]
    done = minuted(world, meeting, held_at=before)
    assert done.quorum == {"members": 2, "functions": ["domain"], "board": "Release board", "version": 1}


def test_what_was_signed_stays_valid_when_the_board_gets_another_name(world, high_gate):
    board = founded(world)
    meeting = decided(world, high_gate, board)
    digest = content_digest(meeting)
    amended(world, board, name="Board of releases")
    approve(world.compliance, board)
    meeting = Meeting.objects.select_related("board").get(pk=meeting.pk)
    assert meeting.board.name == "Board of releases"
    assert content_digest(meeting) == digest
    assert all(each.valid for each in standings(meeting, meeting.signatures))


def test_a_minute_from_before_versions_of_boards_is_called_as_its_board_was_then(world, high_gate):
    board = founded(world)
    meeting = minuted(world, planned(world, high_gate, board))
    meeting.quorum = {"members": 2, "functions": ["domain"]}
    digest = content_digest(meeting)
    amended(world, board, name="Board of releases")
    approve(world.compliance, board)
    meeting.board.refresh_from_db()
    assert content_digest(meeting) == digest


def test_a_board_ends_with_its_seats_once_another_person_approves(world, high_gate):
    board = founded(world)
    asked = board_seat_acts.request_seat(
        world.registrar, board.pk, person_id=world.monitor.pk, function="legal", reason="Law"
    )
    assert has_board()
    meeting = planned(world, high_gate, board)
    with pytest.raises(WrongState) as refused:
        end(world, board)
    assert meeting.ref in refused.value.fact
    board_acts.withdraw_meeting(world.owner, meeting.pk, reason="The board ends")
    with pytest.raises(NotAllowed):
        board_change_acts.end_board(world.owner, board.pk, reason="I dislike it")
    change = end(world, board)
    again = planned(world, high_gate, board)
    with pytest.raises(WrongState):
        board_change_acts.approve_board_change(world.compliance, change.pk)
    board_acts.withdraw_meeting(world.owner, again.pk, reason="The board ends")
    held = list(BoardMember.objects.in_force().filter(board=board))
    assert len(held) == 4
    approve(world.compliance, board)
    board.refresh_from_db()
    assert board.state == "ended"
    assert not BoardMember.objects.in_force().exists()
    assert BoardMember.objects.in_force(board.ended_at - timedelta(milliseconds=1)).count() == 4
    for member in BoardMember.objects.filter(board=board):
        assert (member.state, member.closed_by) == ("ended", world.compliance)
        assert member.end_reason == f"{board.ref} Release board was ended"
    assert BoardMember.objects.get(pk=asked.pk).ends_at is not None
    assert not has_board()
    for late in (
        lambda: end(world, board),
        lambda: amended(world, board),
        lambda: seat(world, board, "owner", "legal"),
    ):
        with pytest.raises(WrongState, match="is not in force"):
            late()
    with pytest.raises(BadInput):
        planned(world, high_gate, board)
    assert founded(world, {}).name == board.name  # the name is free


CONDITIONS = {"decision": "conditional", "conditions": "Label the report."}


def test_a_board_does_not_end_while_conditions_wait_that_only_its_members_confirm(world, high_gate):
    board = founded(world)
    change = end(world, board)
    meeting = decided(world, high_gate, board, **CONDITIONS)
    with pytest.raises(WrongState) as refused:
        board_change_acts.approve_board_change(world.compliance, change.pk)
    assert refused.value.rule == "board-state"
    told = f"The conditions of {meeting.ref} on {high_gate.ref} are not confirmed as met yet."
    assert refused.value.fact == told
    board_change_acts.refuse_board_change(world.compliance, change.pk, reason="Its conditions wait")
    with pytest.raises(WrongState, match="cannot be ended"):
        end(world, board)
    board_acts.confirm_conditions(world.stranger, meeting.pk, reason="The report is labelled")
    end(world, board)
    approve(world.compliance, board)
    assert Board.objects.get(pk=board.pk).state == "ended"


def test_conditions_that_bind_no_gate_any_more_hold_no_board(world, high_gate):
    board = founded(world)
    decided(world, high_gate, board, **CONDITIONS)
    with pytest.raises(WrongState, match="cannot be ended"):
        end(world, board)
    decided(world, high_gate, board)
    end(world, board)
    assert open_change_count(board) == 1


def test_everybody_sees_boards_and_changes_and_nobody_without_an_account(world):
    board = founded(world, {})
    amended(world, board)
    assert set(visible(world.stranger, BoardChange)) == set(board.changes.all())
    assert len(set(visible(world.stranger, BoardChange))) == 2
    world.stranger.is_active = False
    assert not visible(world.stranger, BoardChange).exists()
    assert seats(board) == []
