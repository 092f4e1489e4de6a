"""Two people do not empower each other (engine rule 4): what one approved for the other is not paid back.

DY17 keeps requester and receiver from approving. It does not see that the approver's own duty came from the receiver:
EN4 does. A third person in between is the second approver that the engine rule asks for.
"""

from __future__ import annotations

import pytest

from apps.access import acts
from apps.access.gate import ORGANISATION_PAIR, eligible, may
from apps.access.models import Assignment
from apps.access.owing import Empowered, owed
from apps.approvals import board_seat_acts
from apps.core.errors import Conflict
from tests.access.people import crowd
from tests.access.telling import refused
from tests.approvals.boards import approved, proposed, seat
from tests.cast import give

pytestmark = pytest.mark.django_db
APPROVE = "access.approve_assignment"
SEAT = "approvals.approve_seat"
ORGANISATION = "access.approve_organisation_assignment"


def asked(world, person: str, duty: str, by: str = "registrar", parent=None) -> Assignment:
    parent = parent or world.model
    return acts.request_assignment(
        world.people[by],
        person_id=world.people[person].pk,
        duty=duty,
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        reason="Needed for the work",
    )


def test_who_was_empowered_by_the_receiver_does_not_approve_in_return(world):
    """The compliance officer approved the owner's duty; the owner then approves one for the compliance officer."""
    back = asked(world, "compliance", "process_expert")
    with refused(Conflict, "EN4", act=APPROVE, by=world.owner) as caught:
        acts.approve_assignment(world.owner, back.pk)
    assert "hold the duty owner" in caught.value.fact
    assert "which Cora Compliance approved" in caught.value.fact
    # compliance2 was made compliance officer by the same person: no second approver either.
    assert may(world.compliance2, APPROVE, back).rule.startswith("EN4")
    assert eligible(APPROVE, back) == []


def test_a_third_person_in_between_may(world):
    crowd(world, ["officer"])
    third = acts.request_organisation_assignment(
        world.administrator, person_id=world.officer.pk, duty="compliance", reason="A second officer"
    )
    acts.approve_organisation_assignment(world.compliance2, third.pk)
    back = asked(world, "compliance", "process_expert")
    assert acts.approve_assignment(world.officer, back.pk).approver == world.officer


def test_each_approving_the_other_on_one_model_is_refused_the_second_time(world):
    crowd(world, ["ann", "ben"])
    give(world, "ann", "owner", world.model, by="compliance")
    give(world, "ben", "owner", world.model, by="compliance")
    mine, yours = asked(world, "ben", "process_expert"), asked(world, "ann", "process_expert")
    acts.approve_assignment(world.ann, mine.pk)
    with refused(Conflict, "EN4", act=APPROVE, by=world.ben):
        acts.approve_assignment(world.ben, yours.pk)
    assert {p.username for p in eligible(APPROVE, yours)} >= {"owner", "compliance"}


def test_a_duty_elsewhere_or_one_that_ended_empowers_nobody(world):
    give(world, "owner", "process_expert", world.other_model, by="compliance")
    crowd(world, ["ann", "ben"])
    first = give(world, "ann", "owner", world.model, by="compliance")
    ben = give(world, "ben", "monitor", world.other_model, by="other_owner")
    assert ben.approver == world.other_owner
    back = asked(world, "other_owner", "process_expert")
    assert may(world.ann, APPROVE, back).allowed, "what was approved on another model does not count here"
    mine = asked(world, "compliance", "process_expert")
    assert may(world.ann, APPROVE, mine).rule.startswith("EN4")
    acts.end_assignment(world.owner, first.pk, reason="Moves on")
    assert may(world.ann, APPROVE, mine).status in (403, 404)


def test_on_the_organisation_too(world):
    again = acts.request_organisation_assignment(
        world.administrator, person_id=world.compliance.pk, duty="registrar", reason="Both"
    )
    with refused(Conflict, "EN4", act=ORGANISATION, by=world.compliance2):
        acts.approve_organisation_assignment(world.compliance2, again.pk)


def test_two_opposite_approvals_at_once_are_told_one_after_the_other(world):
    """Each request stands open when the other is approved: the second to be approved is the one that is refused."""
    crowd(world, ["ann", "ben"])
    give(world, "ann", "owner", world.model, by="compliance")
    give(world, "ben", "owner", world.model, by="compliance")
    mine, yours = asked(world, "ben", "process_expert"), asked(world, "ann", "process_expert")
    assert may(world.ann, APPROVE, mine).allowed
    assert may(world.ben, APPROVE, yours).allowed
    acts.approve_assignment(world.ben, yours.pk)
    assert may(world.ann, APPROVE, mine).rule.startswith("EN4")


@pytest.mark.parametrize(
    ("place", "told"),
    [
        (ORGANISATION_PAIR, "hold the seat BM-3 on Release board, which Ann approved"),
        (("registry.model", 8), ""),
    ],
)
def test_whoever_holds_what_the_receiver_approved_owes_it_where_it_counts(place, told):
    """A seat counts as a duty does: on the organisation everywhere, on another model not."""
    seat = Empowered("uuid-of-ben", place, "the seat BM-3 on Release board")
    here = {("registry.model", 7), ORGANISATION_PAIR}
    deeds = owed("access.assignment", 5, "Ann", here, [seat])
    assert [(d.person, d.verb, d.told) for d in deeds] == (
        [("uuid-of-ben", "owe_duty", told)] if told else []
    )


def test_a_seat_is_paid_back_neither_by_a_duty_nor_by_a_seat(world):
    """The officer's own duty came from another; the seat came from who would now receive something."""
    crowd(world, ["officer"])
    first = acts.request_organisation_assignment(
        world.administrator, person_id=world.officer.pk, duty="compliance", reason="A second officer"
    )
    acts.approve_organisation_assignment(world.compliance2, first.pk)
    board = approved(world, proposed(world))
    own = seat(world, board, "officer", "legal")
    back = asked(world, "compliance", "process_expert")
    with refused(Conflict, "EN4", act=APPROVE, by=world.officer) as caught:
        acts.approve_assignment(world.officer, back.pk)
    assert f"hold the seat {own.ref} on Release board, which Cora Compliance approved" in caught.value.fact
    wanted = board_seat_acts.request_seat(
        world.registrar, board.pk, person_id=world.compliance.pk, function="ethics", reason="Ethics"
    )
    for person in (world.officer, world.compliance2):  # one by the seat, one by the duty
        assert may(person, SEAT, wanted).rule.startswith("EN4")
    board_seat_acts.end_seat(world.compliance2, own.pk, reason="Leaves the board")
    assert may(world.officer, SEAT, wanted).allowed, "a seat that ended empowers nobody"
    assert acts.approve_assignment(world.officer, back.pk).approver == world.officer
