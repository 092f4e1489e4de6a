"""Two people at the same instant: real threads, real connections, and the databases' own locks."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from apps.access import acts
from apps.access.models import Assignment
from apps.accounts.models import ApiToken, User
from apps.approvals.board_models import BoardMember
from apps.approvals.board_seat_acts import request_seat
from apps.core.clock import now
from apps.core.errors import Refused
from apps.trail import verifier
from apps.trail.current import opened
from apps.trail.models import Entry
from apps.trail.writer import Who, record
from tests.access.people import crowd
from tests.approvals.boards import founded
from tests.cast import give

pytestmark = pytest.mark.django_db(transaction=True)


def together(*calls):
    """Run the calls at one barrier; each answer is a result or the Refused it met."""
    barrier, answers = threading.Barrier(len(calls)), [None] * len(calls)

    def one(index, call):
        barrier.wait()
        try:
            answers[index] = call()
        except Refused as refused:
            answers[index] = refused
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert all(answer is not None for answer in answers), "each call ended with a result or a refusal"
    return answers


def asking(world, person, duty, by="registrar", parent=None):
    parent = parent or world.model
    return lambda: acts.request_assignment(
        world.people[by],
        person_id=world.people[person].pk,
        duty=duty,
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        reason="Needed for the work",
    )


def slip_in(world, duty) -> Assignment:
    """A request as two requests at the same instant leave it: each was asked for before the other was there."""
    with transaction.atomic(durable=True), opened("access.request_assignment", user_id=None) as under_way:
        made = Assignment.objects.create(
            person=world.stranger,
            duty=duty,
            scope_kind=world.model.subject_kind,
            scope_id=world.model.pk,
            starts_at=now(),
            reason="x",
            requester=world.registrar,
            requested_at=now(),
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


def held(person) -> list[str]:
    return list(Assignment.objects.active().filter(person=person).values_list("duty", flat=True))


def test_of_two_requests_that_conflict_one_is_refused(world):
    answers = together(
        asking(world, "stranger", "developer"), asking(world, "stranger", "approver", by="owner")
    )
    refused = [a for a in answers if isinstance(a, Refused)]
    assert [a.rule.split(":")[0] for a in refused] == ["ST3"], "the person's row puts them in order"
    for asked in answers:
        if isinstance(asked, Assignment):
            acts.approve_assignment(world.compliance, asked.pk)
    assert len(held(world.stranger)) == 1
    assert verifier.verify().ok


def test_two_approvals_that_together_conflict_are_not_both_given(world):
    first, second = slip_in(world, "developer"), slip_in(world, "approver")
    answers = together(
        lambda: acts.approve_assignment(world.owner, first.pk),
        lambda: acts.approve_assignment(world.compliance, second.pk),
    )
    assert [a.rule.split(":")[0] for a in answers] == ["ST3", "ST3"]
    assert held(world.stranger) == [], "each still stands in the other's way"
    acts.refuse_assignment(world.owner, first.pk, reason="One of the two")
    acts.approve_assignment(world.compliance, second.pk)
    assert held(world.stranger) == ["approver"]
    assert verifier.verify().ok


def test_a_seat_and_an_administrators_duty_asked_for_at_once_are_not_both_asked_for(world):
    board = founded(world, {})
    answers = together(
        lambda: request_seat(
            world.registrar,
            board.pk,
            person_id=world.stranger.pk,
            function="ethics",
            reason="For the function",
        ),
        lambda: acts.request_organisation_assignment(
            world.administrator, person_id=world.stranger.pk, duty="administrator", reason="Runs the server"
        ),
    )
    refused = [a for a in answers if isinstance(a, Refused)]
    assert [a.rule.split(":")[0] for a in refused] == ["ST1"], "the person's row puts them in order"
    seats = BoardMember.objects.filter(person=world.stranger).count()
    asked = Assignment.objects.filter(person=world.stranger, duty="administrator").count()
    assert seats + asked == 1
    assert verifier.verify().ok


def test_one_request_approved_twice_at_once_is_approved_once(world):
    asked = asking(world, "stranger", "monitor")()
    answers = together(
        lambda: acts.approve_assignment(world.owner, asked.pk),
        lambda: acts.approve_assignment(world.compliance, asked.pk),
    )
    refused = [a for a in answers if isinstance(a, Refused)]
    assert [(r.status, r.rule) for r in refused] == [(409, "assignment-state")]
    assert Entry.objects.filter(kind="act", act="access.approve_assignment", subject_id=asked.pk).count() == 1
    assert world.model.modeluserpermission_set.filter(user=world.stranger).count() == 1


def test_approval_and_deactivation_at_once_leave_no_duty(world):
    asked = asking(world, "stranger", "monitor")()
    together(
        lambda: acts.approve_assignment(world.owner, asked.pk),
        lambda: acts.deactivate_account(world.administrator, world.stranger.pk, reason="Left"),
    )
    assert held(world.stranger) == []
    assert Assignment.objects.get(pk=asked.pk).state == "ended"
    assert not world.model.modeluserpermission_set.filter(user=world.stranger).exists()


def test_the_same_username_twice_at_once_is_one_account(world):
    def make(name):
        return lambda: acts.create_account(
            world.administrator, username=name, printed_name="Nina Novak", email=f"{name}@example.org"
        )

    answers = together(make("nnovak"), make("nnovak"))
    assert len([a for a in answers if isinstance(a, User)]) == 1
    assert [a.status for a in answers if isinstance(a, Refused)] in ([409], [422])
    assert User.objects.filter(username__iexact="nnovak").count() == 1


def test_a_double_click_makes_one_token(world):
    def click():
        return acts.create_token(world.author, name="ci", idempotency_key="one-form")

    answers = together(click, click, click)
    assert {getattr(a, "pk", a) for a in answers} == {ApiToken.objects.get().pk}


def test_two_who_approve_each_others_duty_at_the_same_instant_do_not_both(world):
    """Each locks the row of its receiver and refers to that of its approver, so that the two meet (EN4)."""
    for attempt in range(5):
        names = [f"ann{attempt}", f"ben{attempt}"]
        crowd(world, names)
        ann, ben = (world.people[name] for name in names)
        for name in names:
            give(world, name, "owner", world.model, by="compliance")
        for_ben, for_ann = (asking(world, name, "process_expert")() for name in (names[1], names[0]))
        answers = together(
            lambda ann=ann, asked=for_ben: acts.approve_assignment(ann, asked.pk),
            lambda ben=ben, asked=for_ann: acts.approve_assignment(ben, asked.pk),
        )
        refused = [a for a in answers if isinstance(a, Refused)]
        assert [a.rule.split(":")[0] for a in refused] == ["EN4"]
    assert verifier.verify().ok
