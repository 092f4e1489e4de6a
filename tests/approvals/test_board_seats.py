"""Seats under the rules that duties obey: kept apart from administrators and inspectors; a minute fills one slot."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access import acts as access
from apps.access.assigning import refuse_unfit_seat, shut_to
from apps.access.duties import SEAT
from apps.access.models import Assignment
from apps.access.rulesfile import newest_shipped
from apps.access.separation import Relation, parse, static_conflicts
from apps.access.staffing import Ground
from apps.access.standing_conflicts import everywhere
from apps.approvals import acts, board_acts, board_seat_acts
from apps.approvals.board_models import BoardMember
from apps.approvals.independence import conflicts_of
from apps.approvals.models import Gate, Slot
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict
from apps.registry.models import Version
from apps.trail.current import opened
from apps.trail.writer import Who, record
from tests.access.telling import refused
from tests.approvals.boards import decided, founded, minuted, planned, seat, signed_by_two
from tests.cast import give
from tests.factories.doors import browser, text_of
from tests.factories.evidence import signed

RULES = parse(newest_shipped())
ASKED = "access.request_organisation_assignment"


def held_before(
    world, person: str, duty: str, scope_kind: str = "organisation", scope_id: int = 0
) -> Assignment:
    """A duty that stood before seats were judged: no act gives it today."""
    with opened("access.request_assignment", user_id=None) as under_way:
        made = Assignment.objects.create(
            person=world.people[person],
            duty=duty,
            scope_kind=scope_kind,
            scope_id=scope_id,
            state=Assignment.State.APPROVED,
            starts_at=now(),
            reason="Given in an earlier year",
            requester=world.registrar,
            requested_at=now(),
            approver=world.compliance,
            decided_at=now(),
        )
        record(
            kind="act",
            act="access.request_assignment",
            act_id=under_way.act_id,
            actor=Who.of(world.registrar),
            subject=made,
            rows=under_way.rows,
        )
    return made


@pytest.mark.parametrize(
    ("held", "rules"),
    [("administrator", {"ST1"}), ("inspector", {"ST2"}), ("developer", set()), ("approver", set())],
)
def test_a_seat_is_kept_apart_as_a_duty_that_signs_is(held, rules):
    for one, two in ((SEAT, held), (held, SEAT)):
        found = static_conflicts(RULES, one, [(two, Relation.ELSEWHERE)])
        assert {rule.id for rule, _ in found} == rules


@pytest.mark.django_db
@pytest.mark.parametrize(("person", "rule"), [("administrator", "ST1"), ("inspector", "ST2")])
def test_who_administers_or_inspects_gets_no_seat(world, person, rule):
    board = founded(world, {})
    with refused(Conflict, rule, act="approvals.request_seat", by=world.registrar) as caught:
        seat(world, board, person, "legal")
    printed = world.people[person].printed_name
    assert caught.value.what == f"{printed} cannot be given a seat on a review board here."
    assert caught.value.fact == f"{printed} holds or was requested the duty {person}."
    assert not BoardMember.objects.exists()


@pytest.mark.django_db
def test_who_has_a_seat_or_is_proposed_for_one_becomes_no_administrator(world):
    board = founded(world, {})
    asked = board_seat_acts.request_seat(
        world.registrar, board.pk, person_id=world.stranger.pk, function="ethics", reason="For the function"
    )
    wanted = {"person_id": world.stranger.pk, "duty": "administrator", "reason": "Runs the server"}
    for _ in ("proposed", "seated"):
        with refused(Conflict, "ST1", act=ASKED, by=world.administrator) as caught:
            access.request_organisation_assignment(world.administrator, **wanted)
        assert caught.value.fact == "Stranger Person holds or was requested a seat on a review board."
        assert caught.value.who == ("somebody who does not hold a seat on a review board",)
        if asked.state == "requested":
            asked = board_seat_acts.approve_seat(world.compliance, asked.pk)
    candidate = Ground(world.model).candidate(world.stranger, "inspector")
    assert candidate.because.startswith("holds or was requested a seat on a review board; ST2")
    board_seat_acts.end_seat(world.compliance, asked.pk, reason="Moves on")
    access.request_organisation_assignment(world.administrator, **wanted)


@pytest.mark.django_db
def test_a_duty_that_came_in_between_stops_the_approval(world):
    board = founded(world, {})
    asked = board_seat_acts.request_seat(
        world.registrar, board.pk, person_id=world.stranger.pk, function="ethics", reason="For the function"
    )
    held_before(world, "stranger", "administrator")
    with refused(Conflict, "ST1", act="approvals.approve_seat", by=world.compliance):
        board_seat_acts.approve_seat(world.compliance, asked.pk)
    assert BoardMember.objects.get(pk=asked.pk).state == "requested"


@pytest.mark.evidence("high_gate")
def test_a_seat_held_beside_such_a_duty_has_no_vote_and_signs_nothing(world, high_gate):
    board = founded(world)
    held_before(world, "stranger", "administrator")
    meeting = minuted(world, planned(world, high_gate, board))
    rows = {each.member.person.username: each for each in meeting.attendance.select_related("member__person")}
    assert (rows["stranger"].votes, rows["stranger"].recused_because[:4]) == (False, "ST1:")
    assert rows["security"].votes
    assert rows["process_expert"].votes
    held_before(world, "process_expert", "inspector")
    with refused(Conflict, "ST2", act="approvals.sign_minute_member", by=world.process_expert) as caught:
        board_acts.sign_minute_member(world.process_expert, meeting.pk, signature=signed(meeting))
    assert caught.value.fact == "You hold the duty inspector besides your seat."


@pytest.mark.django_db
def test_a_seat_beside_an_inspectors_duty_is_told_to_who_gives_duties(world):
    founded(world, {"stranger": ("legal", False)})
    assert everywhere() == []
    held_before(world, "stranger", "inspector", "registry.model", world.model.pk)
    (told,) = everywhere()
    assert (told.person, told.rule[:3]) == (world.stranger, "ST2")
    assert told.fact == "Stranger Person is inspector here and has a seat on a review board too."


@pytest.mark.django_db
def test_an_administrators_duty_beside_a_seat_is_told_on_the_page_of_work(world):
    """Both are of the organisation: no model's people page would tell it."""
    founded(world, {"stranger": ("legal", False)})
    held_before(world, "stranger", "administrator")
    (told,) = everywhere()
    assert (told.person, told.rule[:3], told.path) == (world.stranger, "ST1", "/people/")
    assert (
        told.fact
        == "Stranger Person is administrator in the organisation and has a seat on a review board too."
    )
    page = browser(world.compliance).get("/work/")
    assert told.fact in text_of(page)
    assert '<a href="/people/">People of the organisation</a>' in page.content.decode()


@pytest.mark.django_db
def test_two_duties_of_the_organisation_that_no_longer_go_together_are_told(world):
    held_before(world, "compliance2", "administrator")
    assert {(each.person.username, each.rule[:3], each.place) for each in everywhere()} == {
        ("compliance2", "ST1", "the organisation")
    }


@pytest.mark.evidence("high_gate")
def test_who_may_not_vote_is_found_in_as_many_queries_for_three_as_for_one(world, high_gate, monkeypatch):
    """The seats of a meeting are judged on one version: what it has in common is read once."""
    board = founded(world)
    counted = []
    for people in (["security"], ["security", "process_expert", "stranger"]):
        meeting = planned(world, high_gate, board)
        monkeypatch.setattr(board_acts.rules, "quorum_problem", lambda *_: "Too few.")
        with CaptureQueriesContext(connection) as queries, pytest.raises(BadInput, match="not recorded"):
            minuted(world, meeting, *people)
        counted.append(len(queries))
    assert counted[0] == counted[1]


@pytest.mark.django_db
def test_only_duties_that_count_now_shut_a_seat(world):
    give(world, "stranger", "validator", world.model)
    people = [world.stranger.pk, world.administrator.pk, world.inspector.pk]
    shut = shut_to(people, SEAT)
    assert {pk: rule.id for pk, (rule, _) in shut.items()} == {
        world.administrator.pk: "ST1",
        world.inspector.pk: "ST2",
    }
    refuse_unfit_seat(world.stranger)


# ---------------------------------------------------------------- one person, one slot (DY20)


def slot_of(gate: Gate, code: str) -> Slot:
    return gate.slots.get(code=code)


@pytest.mark.evidence("high_gate")
def test_who_signed_a_boards_minute_fills_no_other_slot_of_the_gate(world, high_gate):
    decided(world, high_gate, founded(world))
    slot = slot_of(high_gate, "security")
    with refused(Conflict, "DY20", act="approvals.sign_security", by=world.security) as caught:
        acts.sign_security(world.security, slot.pk, signature=signed(slot))
    assert "signed a review board's decision as chair" in caught.value.fact


@pytest.mark.evidence("high_gate")
def test_who_filled_a_slot_signs_no_minute_at_that_gate(world, high_gate):
    board = founded(world)
    meeting = minuted(world, planned(world, high_gate, board))
    slot = slot_of(high_gate, "security")
    acts.sign_security(
        world.security, slot.pk, signature=signed(slot, decision="rejected"), reason="The report is unclear"
    )
    with refused(Conflict, "DY20", act="approvals.sign_minute_chair", by=world.security):
        board_acts.sign_minute_chair(world.security, meeting.pk, signature=signed(meeting))


@pytest.mark.evidence("high_gate")
def test_the_same_two_sign_the_next_minute_at_the_gate_as_well(world, high_gate):
    board = founded(world)
    first = minuted(world, planned(world, high_gate, board), decision="reject")
    signed_by_two(world, first)
    signed_by_two(world, minuted(world, planned(world, high_gate, board)))
    assert conflicts_of(Version.objects.get(pk=high_gate.version_id)) == []
