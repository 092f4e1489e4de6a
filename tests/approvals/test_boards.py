"""Review boards: seats approved by another, quorum of votes, recusal by what was done, a decision that two sign."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from apps.access.acts.leavers import deactivate_account
from apps.access.signing import content_digest
from apps.approvals import acts, board_acts, board_change_acts, board_seat_acts
from apps.approvals.board_facts import meeting_content
from apps.approvals.board_models import BoardMember, Meeting
from apps.approvals.board_rules import quorum_problem
from apps.approvals.evaluation import evaluate
from apps.approvals.models import Gate
from apps.core import blobs
from apps.core.clock import iso, now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.outcomes import CheckState
from apps.registry.acts import add_author
from apps.registry.models import Version
from apps.trail.models import Entry
from tests.approvals.boards import decided, founded, minuted, planned, seat, seats, signed_by_two
from tests.factories.evidence import signed

pytestmark = pytest.mark.evidence("high_gate")


@pytest.fixture
def board(world):
    return founded(world)


def line(gate: Gate):
    rows = evaluate(Version.objects.get(pk=gate.version_id)).rows
    return next(row for row in rows if row.code == "board_minute")


@pytest.mark.parametrize(
    ("quorum", "required", "voting", "missing"),
    [
        (2, [], ["legal", "legal"], ""),
        (3, [], ["legal", "legal"], "The quorum is 3 members with a vote; 2 attended."),
        (2, ["ethics", "domain"], ["domain", "legal"], "Nobody with a vote attended for: ethics."),
        (2, ["ethics"], ["ethics", "ethics"], ""),
    ],
)
@pytest.mark.evidence(None)
def test_a_quorum_counts_votes_and_functions(quorum, required, voting, missing):
    assert quorum_problem(quorum, required, voting) == missing


def test_a_signed_decision_meets_the_gates_line(world, high_gate, board):
    assert line(high_gate).state is CheckState.NOT_STARTED
    meeting = planned(world, high_gate, board)
    assert line(high_gate).state is CheckState.WAITING
    meeting = minuted(world, meeting)
    assert "the chair and a second member" in line(high_gate).outcome.why
    meeting = signed_by_two(world, meeting)
    found = line(high_gate)
    assert found.state is CheckState.MET
    assert meeting.ref in found.outcome.evidence
    assert "Security Person and Process Expert Person" in found.outcome.evidence
    assert meeting.history.count() == 4
    entry = Entry.objects.filter(act="approvals.sign_minute_member", kind="act").latest("pk")
    assert "board_decision" in entry.body


def test_a_typed_minute_counts_no_more_once_there_is_a_board(world, high_gate, board):
    with pytest.raises(WrongState) as refused:
        acts.record_minute(
            world.owner,
            high_gate.pk,
            number="7",
            held_on=now().date(),
            file_name="m.pdf",
            file_digest=blobs.put(b"minute").digest,
        )
    assert "signed decision" in refused.value.fact


def test_a_typed_minute_counts_until_a_board_has_the_seats_of_its_quorum(world, high_gate):
    acts.record_minute(
        world.owner,
        high_gate.pk,
        number="7",
        held_on=now().date(),
        file_name="m.pdf",
        file_digest=blobs.put(b"minute").digest,
    )
    second = founded_second(world)
    seat(world, second, "monitor", "legal")
    assert line(high_gate).state is CheckState.MET
    seat(world, second, "stranger", "ethics", starts_at=now() + timedelta(days=1))
    assert line(high_gate).state is CheckState.MET
    seat(world, second, "security", "security")
    assert line(high_gate).state is CheckState.NOT_STARTED


def test_who_developed_the_version_attends_without_a_vote(world, high_gate, board):
    meeting = minuted(world, planned(world, high_gate, board), "security", "process_expert", "author")
    rows = {each.member.person.username: each for each in meeting.attendance.select_related("member__person")}
    assert {name: row.votes for name, row in rows.items()} == {
        "security": True,
        "process_expert": True,
        "author": False,
    }
    assert rows["author"].recused_because.startswith("DY2")
    with pytest.raises(Conflict) as refused:
        board_acts.sign_minute_member(world.author, meeting.pk, signature=signed(meeting))
    assert refused.value.rule.startswith("DY2")


def test_recused_members_do_not_make_a_quorum(world, high_gate, board):
    with pytest.raises(BadInput) as refused:
        minuted(world, planned(world, high_gate, board), "process_expert", "author")
    assert "The quorum is 2 members with a vote; 1 attended." in refused.value.fields["attended"][0]
    with pytest.raises(BadInput) as refused:
        minuted(world, planned(world, high_gate, board), "security", "stranger")
    assert "domain" in refused.value.fields["attended"][0]


def test_a_member_twice_an_ended_seat_and_a_seat_of_another_board_are_refused(world, high_gate, board):
    meeting = planned(world, high_gate, board)
    (pk,) = seats(board, "security")
    for attended in ([pk, pk], [pk, 10**9], [pk, seat(world, founded_second(world), "monitor", "legal").pk]):
        with pytest.raises(BadInput) as refused:
            minuted(world, meeting, attended=attended)
        assert set(refused.value.fields) == {"attended"}
    (domain,) = seats(board, "process_expert")
    board_seat_acts.end_seat(world.compliance, domain, reason="Left the function")
    later = planned(world, high_gate, board)
    with pytest.raises(BadInput) as refused:
        minuted(world, later)
    assert "in force" in refused.value.fields["attended"][0]


def founded_second(world):
    return founded(world, {}, name="Data board", required=[])


def test_a_seat_that_ended_after_the_meeting_signs_no_more(world, high_gate, board):
    meeting = minuted(world, planned(world, high_gate, board))
    (domain,) = seats(board, "process_expert")
    board_seat_acts.end_seat(world.compliance, domain, reason="Left the function")
    with pytest.raises(NotAllowed) as refused:
        board_acts.sign_minute_member(world.process_expert, meeting.pk, signature=signed(meeting))
    assert refused.value.fact == "Your seat has ended."


@pytest.mark.parametrize("planned_end", [None, timedelta(days=9)])
def test_a_seat_that_was_ended_before_it_began_is_never_in_force(world, board, planned_end):
    start = now() + timedelta(days=1)
    ends_at = start + planned_end if planned_end else None
    held = seat(world, board, "monitor", "legal", starts_at=start, ends_at=ends_at)
    assert held in BoardMember.objects.in_force(start)
    board_seat_acts.end_seat(world.compliance, held.pk, reason="Left before it began")
    for at in (now(), start, start + timedelta(days=2), start + timedelta(days=10)):
        assert held not in BoardMember.objects.in_force(at)


def test_a_seat_that_was_ended_is_in_force_from_its_approval_to_its_end(world, board):
    asked = now()
    held = seat(world, board, "monitor", "legal", starts_at=asked, ends_at=asked + timedelta(days=9))
    ended = board_seat_acts.end_seat(world.registrar, held.pk, reason="Left the function")
    assert (ended.approver, ended.closed_by) == (world.compliance, world.registrar)
    assert (ended.closed_at, ended.end_reason) == (ended.ends_at, "Left the function")
    assert held not in BoardMember.objects.in_force(asked)  # it had begun, and was approved later
    assert held in BoardMember.objects.in_force(held.decided_at)
    assert held not in BoardMember.objects.in_force(ended.ends_at)
    assert held not in BoardMember.objects.in_force(asked + timedelta(days=1))


def test_two_people_sign_and_one_of_them_is_in_the_chair(world, high_gate, board):
    meeting = minuted(world, planned(world, high_gate, board))
    with pytest.raises(NotAllowed, match="You cannot"):
        board_acts.sign_minute_chair(world.process_expert, meeting.pk, signature=signed(meeting))
    board_acts.sign_minute_chair(world.security, meeting.pk, signature=signed(meeting))
    with pytest.raises(Conflict):
        board_acts.sign_minute_member(world.security, meeting.pk, signature=signed(meeting))
    with pytest.raises(NotAllowed):
        board_acts.sign_minute_member(world.approver, meeting.pk, signature=signed(meeting))
    with pytest.raises(NotVisible):
        board_acts.sign_minute_member(world.other_developer, meeting.pk, signature=signed(meeting))
    with pytest.raises(WrongState):
        board_acts.sign_minute_chair(world.security, meeting.pk, signature=signed(meeting))


def test_a_decision_is_about_the_version_as_it_was(world, high_gate, board):
    meeting = minuted(world, planned(world, high_gate, board))
    add_author(world.owner, high_gate.version_id, person_id=world.monitor.pk, reason="Wrote a feature")
    with pytest.raises(WrongState) as refused:
        board_acts.sign_minute_chair(world.security, meeting.pk, signature=signed(meeting))
    assert refused.value.rule == "21 CFR 11.70"
    found = line(high_gate)
    assert found.state is CheckState.OUT_OF_DATE
    assert found.outcome.refs == (meeting.ref,)
    assert found.outcome.needs == (("approvals.plan_meeting", high_gate.subject_kind, high_gate.pk),)
    refusal = replace(signed(meeting), decision="rejected")
    board_acts.sign_minute_chair(world.security, meeting.pk, signature=refusal, reason="The version changed")
    assert Meeting.objects.get(pk=meeting.pk).state == "rejected"
    decided(world, high_gate, board)
    assert line(high_gate).state is CheckState.MET


@pytest.mark.parametrize("first", [planned, lambda *given: minuted(given[0], planned(*given))])
def test_a_meeting_under_way_is_withdrawn_with_a_reason_and_decides_nothing(world, high_gate, board, first):
    meeting = first(world, high_gate, board)
    with pytest.raises(NotAllowed):
        board_acts.withdraw_meeting(world.stranger, meeting.pk, reason="x")
    with pytest.raises(NotVisible):
        board_acts.withdraw_meeting(world.other_developer, meeting.pk, reason="x")
    with pytest.raises(BadInput):
        board_acts.withdraw_meeting(world.owner, meeting.pk)
    done = board_acts.withdraw_meeting(world.owner, meeting.pk, reason="The version will change")
    assert (done.state, done.withdrawn_because) == ("withdrawn", "The version will change")
    assert line(high_gate).state is CheckState.NOT_STARTED
    for again in (
        lambda: board_acts.withdraw_meeting(world.owner, meeting.pk, reason="Again"),
        lambda: minuted(world, meeting),
        lambda: board_acts.sign_minute_chair(world.security, meeting.pk, signature=signed(meeting)),
    ):
        with pytest.raises((WrongState, NotAllowed)):
            again()


def test_a_decision_that_two_signed_is_not_withdrawn(world, high_gate, board):
    meeting = decided(world, high_gate, board)
    with pytest.raises(WrongState) as refused:
        board_acts.withdraw_meeting(world.owner, meeting.pk, reason="I dislike it")
    assert refused.value.rule == "meeting-state"
    assert line(high_gate).state is CheckState.MET


def test_a_change_after_the_decision_shows_it_as_out_of_date(world, high_gate, board):
    decided(world, high_gate, board)
    add_author(world.owner, high_gate.version_id, person_id=world.monitor.pk, reason="Wrote a feature")
    found = line(high_gate)
    assert found.state is CheckState.OUT_OF_DATE
    assert found.outcome.needs[0][0] == "approvals.plan_meeting"


def test_a_rejection_blocks_and_a_condition_waits_until_a_member_confirms_it(world, high_gate, board):
    decided(world, high_gate, board, decision="reject")
    assert line(high_gate).state is CheckState.NOT_MET
    meeting = decided(world, high_gate, board, decision="conditional", conditions="Label the report.")
    assert line(high_gate).state is CheckState.WAITING
    with pytest.raises(NotAllowed):
        board_acts.confirm_conditions(world.owner, meeting.pk, reason="Done")
    board_acts.confirm_conditions(world.stranger, meeting.pk, reason="The report is labelled")
    assert line(high_gate).state is CheckState.MET
    with pytest.raises(WrongState):
        board_acts.confirm_conditions(world.stranger, meeting.pk, reason="Again")


def test_a_rejected_minute_decides_nothing(world, high_gate, board):
    meeting = minuted(world, planned(world, high_gate, board))
    refusal = replace(signed(meeting), decision="rejected")
    board_acts.sign_minute_chair(world.security, meeting.pk, signature=refusal, reason="I did not say that")
    assert Meeting.objects.get(pk=meeting.pk).state == "rejected"
    assert line(high_gate).state is CheckState.NOT_STARTED


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"minute": " "}, "minute"),
        ({"minute": "x" * 20_001}, "minute"),
        ({"decision": "maybe"}, "decision"),
        ({"decision": "conditional"}, "conditions"),
        ({"conditions": "some"}, "conditions"),
        ({"file_digest": "sha256:" + "0" * 64}, "file"),
    ],
)
def test_a_bad_minute_is_told_beside_its_field(world, high_gate, board, changes, field):
    meeting = planned(world, high_gate, board)
    with pytest.raises(BadInput) as refused:
        minuted(world, meeting, **changes)
    assert set(refused.value.fields) == {field}
    assert Meeting.objects.get(pk=meeting.pk).state == "planned"


def test_a_meeting_to_come_has_no_minute_yet(world, high_gate, board):
    meeting = board_acts.plan_meeting(
        world.owner, high_gate.pk, board_id=board.pk, held_at=now() + timedelta(days=1), agenda="Release?"
    )
    with pytest.raises(BadInput) as refused:
        minuted(world, meeting)
    assert "held_at" in refused.value.fields


def test_a_meeting_planned_for_later_and_held_earlier_is_minuted_as_held(world, high_gate, board):
    meeting = board_acts.plan_meeting(
        world.owner, high_gate.pk, board_id=board.pk, held_at=now() + timedelta(days=1), agenda="Release?"
    )
    before, held_at = content_digest(meeting), now()
    meeting = minuted(world, meeting, held_at=held_at)
    assert meeting.held_at == held_at
    assert meeting_content(meeting)["held_at"] == iso(held_at)
    assert content_digest(meeting) != before


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_meeting_was_held_after_the_gate_was_opened_and_before_now(world, high_gate, board, hours):
    meeting = planned(world, high_gate, board)
    start = high_gate.opened_at if hours < 0 else now()
    with pytest.raises(BadInput) as refused:
        minuted(world, meeting, held_at=start + timedelta(hours=hours))
    assert set(refused.value.fields) == {"held_at"}
    assert Meeting.objects.get(pk=meeting.pk).state == "planned"


def test_no_meeting_is_planned_for_a_time_before_its_gate_was_opened(world, high_gate, board):
    early = high_gate.opened_at - timedelta(seconds=1)
    with pytest.raises(BadInput) as refused:
        board_acts.plan_meeting(
            world.owner, high_gate.pk, board_id=board.pk, held_at=early, agenda="Release?"
        )
    assert set(refused.value.fields) == {"held_at"}
    assert not Meeting.objects.exists()


def test_seats_are_judged_when_the_meeting_was_held(world, high_gate):
    board, early = founded(world), now()
    meeting = planned(world, high_gate, board)
    late = seat(world, board, "monitor", "legal", starts_at=early)
    attended = [*seats(board, "security", "process_expert"), late.pk]
    with pytest.raises(BadInput) as refused:
        minuted(world, meeting, attended=attended)
    assert "in force" in refused.value.fields["attended"][0]
    assert minuted(world, meeting, attended=attended, held_at=now()).attendance.count() == 3


def test_who_was_deactivated_since_the_meeting_attended_it_and_counts_no_more_after(world, high_gate, board):
    meeting, held_at = planned(world, high_gate, board), now()
    deactivate_account(world.administrator, world.stranger.pk, reason="Left")
    with pytest.raises(BadInput) as refused:
        minuted(world, meeting, held_at=now())
    assert "in force" in refused.value.fields["attended"][0]
    meeting = minuted(world, meeting, held_at=held_at)
    assert meeting.attendance.filter(member__person=world.stranger, votes=True).exists()


@pytest.mark.evidence("gate")
def test_only_a_gate_with_a_boards_line_is_put_before_one(world, board, gate):
    with pytest.raises(WrongState, match="wants no board"):
        planned(world, gate, board)


def test_a_seat_is_approved_by_a_third_person_and_held_once(world, board):
    with pytest.raises(Conflict):
        board_seat_acts.request_seat(
            world.registrar, board.pk, person_id=world.author.pk, function="legal", reason="Again"
        )
    mine = board_seat_acts.request_seat(
        world.compliance, board.pk, person_id=world.monitor.pk, function="legal", reason="Law"
    )
    with pytest.raises(Conflict) as refused:
        board_seat_acts.approve_seat(world.compliance, mine.pk)
    assert refused.value.rule.startswith("DY17")
    own = board_seat_acts.request_seat(
        world.registrar, board.pk, person_id=world.compliance.pk, function="legal", reason="Law"
    )
    with pytest.raises(Conflict):
        board_seat_acts.approve_seat(world.compliance, own.pk)
    with pytest.raises(NotAllowed):
        board_seat_acts.approve_seat(world.owner, mine.pk)
    board_seat_acts.approve_seat(world.compliance2, mine.pk)
    with pytest.raises(WrongState):
        board_seat_acts.refuse_seat(world.compliance2, mine.pk, reason="Too late")
    refused_seat = board_seat_acts.refuse_seat(world.compliance2, own.pk, reason="One is enough")
    assert refused_seat.state == "refused"
    assert (refused_seat.closed_by, refused_seat.end_reason) == (world.compliance2, "One is enough")
    assert refused_seat.closed_at == refused_seat.decided_at
    assert refused_seat.approver is None
    with pytest.raises(WrongState):
        board_seat_acts.end_seat(world.compliance, own.pk, reason="x")


def test_a_board_has_one_chair(world, board):
    second = board_seat_acts.request_seat(
        world.registrar, board.pk, person_id=world.monitor.pk, function="legal", chair=True, reason="Law"
    )
    with pytest.raises(Conflict, match="has a chair"):
        board_seat_acts.approve_seat(world.compliance, second.pk)
    assert BoardMember.objects.get(pk=second.pk).state == "requested"


def test_chairs_follow_one_another_and_never_meet(world, board):
    board_seat_acts.end_seat(world.compliance, seats(board, "security")[0], reason="Leaves the chair")

    def day(number: int):
        return now() + timedelta(days=number)

    first = seat(world, board, "monitor", "legal", chair=True, starts_at=day(10), ends_at=day(20))
    for who, begins, ends in (("owner", 15, None), ("approver", 0, None), ("validator", 5, 11)):
        with pytest.raises(Conflict, match="has a chair") as refused:
            seat(world, board, who, "legal", chair=True, starts_at=day(begins), ends_at=ends and day(ends))
        assert f"in the chair from {first.starts_at:%Y-%m-%d}" in refused.value.fact
        assert refused.value.rule == "one-chair"
    seat(world, board, "approver2", "legal", chair=True, ends_at=day(9))
    seat(world, board, "colleague", "legal", chair=True, starts_at=day(20))
    for moment in (day(1), day(12), day(30)):
        assert BoardMember.objects.in_force(moment).filter(board=board, chair=True).count() == 1


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": "x" * 101}, "name"),
        ({"name": "release BOARD"}, "name"),
        ({"purpose": ""}, "purpose"),
        ({"quorum": 1}, "quorum"),
        ({"quorum": 31}, "quorum"),
        ({"required": ["astrology"]}, "required"),
        ({"required": ["legal", "legal"]}, "required"),
    ],
)
def test_a_bad_board_is_told_beside_its_field(world, board, changes, field):
    given = {"name": "Other", "purpose": "Releases", "quorum": 2, "required": []} | changes
    with pytest.raises(BadInput) as refused:
        board_change_acts.create_board(world.compliance, **given, reason="Procedure")
    assert set(refused.value.fields) == {field}


def test_boards_are_asked_for_by_compliance_or_registrar_with_a_reason(world):
    given = {"name": "Other", "purpose": "Releases", "quorum": 2}
    with pytest.raises(NotAllowed):
        board_change_acts.create_board(world.owner, **given, reason="x")
    with pytest.raises(BadInput):
        board_change_acts.create_board(world.compliance, **given)
