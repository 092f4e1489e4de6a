"""Duties in time, judged when asked: not yet, now, over; and what is left of a person who leaves."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from apps.access import gate
from apps.access.acts import (
    approve_assignment,
    approve_organisation_assignment,
    create_account,
    create_token,
    deactivate_account,
    end_assignment,
    refuse_assignment,
    request_assignment,
    request_organisation_assignment,
)
from apps.access.models import Assignment
from apps.access.policy import TABLE, policy
from apps.access.queries import candidates
from apps.access.signing import standings
from apps.accounts.models import ApiToken, User
from apps.core.clock import now
from apps.core.errors import Conflict, NotAllowed, NotVisible, WrongState
from apps.registry.models import IntendedUse, Model, Version
from apps.trail import verifier
from apps.validations.acts import write_plan
from tests.access.telling import last, refused
from tests.cast import give
from tests.factories.evidence import plan_input, validated_world
from tests.factories.foundation import signed_use

pytestmark = pytest.mark.django_db
SHORT = 1.0  # seconds: a busy machine must get as far as the approval before it is over


def given_for(world, seconds: float, person="stranger", duty="owner", parent=None) -> Assignment:
    parent = parent or world.model
    asked = request_assignment(
        world.registrar,
        person_id=world.people[person].pk,
        duty=duty,
        scope_kind=parent.subject_kind,
        scope_id=parent.pk,
        ends_at=now() + timedelta(seconds=seconds),
        reason="For a moment",
    )
    return approve_assignment(world.owner, asked.pk)


def run_out(assignment: Assignment) -> Assignment:
    time.sleep(max(0, (assignment.ends_at - now()).total_seconds()) + 0.01)
    return assignment


def test_a_duty_that_runs_out_gives_nothing_from_that_moment(world):
    given = given_for(world, SHORT + 2)
    assert gate.visible(world.stranger, Model).get() == world.model
    assert world.stranger in gate.eligible("registry.write_intended_use", world.model)
    run_out(given)
    assert not gate.visible(world.stranger, Model).exists()
    assert world.stranger not in gate.eligible("registry.write_intended_use", world.model)
    assert gate.offers(world.stranger, world.model) == []
    assert gate.may(world.stranger, "registry.write_intended_use", world.model).status == 404
    with pytest.raises(NotVisible):
        request_assignment(
            world.stranger,
            person_id=world.author.pk,
            duty="monitor",
            scope_kind="registry.model",
            scope_id=world.model.pk,
            reason="x",
        )
    assert Assignment.objects.get(pk=given.pk).state == "approved", "nothing had to happen for it to end"


def test_a_duty_of_tomorrow_gives_nothing_yet(world):
    tomorrow = now() + timedelta(days=1)
    asked = request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="developer",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        starts_at=tomorrow,
        reason="From tomorrow",
    )
    approve_assignment(world.owner, asked.pk)
    assert not gate.visible(world.stranger, Model).exists()
    assert gate.may(world.stranger, "registry.register_version", world.model).status == 404
    assert list(Assignment.objects.active(tomorrow).filter(person=world.stranger)) == [asked]
    with pytest.raises(Conflict) as caught:
        give(world, "stranger", "validator", world.model)
    assert caught.value.rule.startswith("ST8"), "what is to start counts as held"


def test_a_duty_not_yet_started_is_ended_without_having_been_held(world):
    tomorrow = now() + timedelta(days=1)
    asked = request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        starts_at=tomorrow,
        reason="From tomorrow",
    )
    approve_assignment(world.owner, asked.pk)
    ended = end_assignment(world.owner, asked.pk, reason="Plans changed")
    assert (ended.state, ended.starts_at, ended.ends_at) == ("ended", tomorrow, None)
    assert not Assignment.objects.active(tomorrow + timedelta(days=1)).filter(pk=asked.pk).exists()


def test_what_ran_out_is_not_ended_later_than_it_ended(world):
    given = run_out(given_for(world, SHORT))
    over = given.ends_at
    ended = end_assignment(world.owner, given.pk, reason="Tidying up")
    assert (ended.state, ended.ends_at) == ("ended", over)


def test_a_duty_that_ran_out_can_be_asked_for_again(world):
    given = run_out(given_for(world, SHORT, duty="monitor"))
    offered = {c.person.pk: c.because for c in candidates(world.model, "monitor")}
    assert offered[world.stranger.pk] == ""
    again = give(world, "stranger", "monitor", world.model)
    assert again.in_force()
    first = Assignment.objects.get(pk=given.pk)
    assert (first.state, first.end_reason, first.ends_at) == ("ended", "Its time ran out", given.ends_at)
    assert first.history.latest().history_user == world.registrar
    granted = world.model.modeluserpermission_set.filter(user=world.stranger)
    assert granted.count() == 1


def test_a_request_whose_time_is_over_is_refused_not_approved(world):
    asked = request_assignment(
        world.registrar,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        ends_at=now() + timedelta(seconds=SHORT),
        reason="For a moment",
    )
    run_out(asked)
    with refused(WrongState, "assignment-state", act="access.approve_assignment", by=world.owner) as caught:
        approve_assignment(world.owner, asked.pk)
    assert caught.value.fact == "The time it was asked for is over."
    assert refuse_assignment(world.owner, asked.pk, reason="Too late").state == "refused"


@pytest.mark.evidence("frozen")
def test_giving_up_a_duty_clears_nothing(world):
    """Who developed the version may not validate it, though they are a validator today and no developer."""
    evidence = validated_world(world, until="frozen")
    for held in Assignment.objects.filter(person=world.author, state="approved"):
        end_assignment(world.owner, held.pk, reason="Changes sides")
    give(world, "author", "validator", world.model)
    give(world, "author", "validator", world.dataset)
    with refused(Conflict, "DY1", act="validations.write_plan", by=world.author) as caught:
        write_plan(world.author, evidence.version.pk, **plan_input(evidence.test))
    assert "Validator Person" in caught.value.who
    assert not gate.may(world.author, "validations.write_plan", evidence.version).allowed
    assert world.author not in gate.eligible("validations.write_plan", evidence.version)


# Leaving


def test_a_leaver_loses_everything_at_once(world):
    token = create_token(world.author, name="ci")
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {token.secret}")
    assert client.get("/api/v1/me").status_code == 200
    asked = request_assignment(
        world.registrar,
        person_id=world.author.pk,
        duty="process_expert",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="More",
    )
    deactivate_account(world.administrator, world.author.pk, reason="Left")
    assert client.get("/api/v1/me").status_code == 401
    person = User.objects.get(pk=world.author.pk)
    for model in (Model, Version, Assignment, User):
        assert not gate.visible(person, model).exists()
    assert set(person.assignments.values_list("state", flat=True)) == {"ended"}
    assert ApiToken.objects.get(pk=token.pk).ended_at is not None
    assert not world.model.modeluserpermission_set.filter(user=person).exists()
    assert not world.dataset.datasetuserpermission_set.filter(user=person).exists()
    assert person not in gate.eligible("registry.register_version", world.model)
    with pytest.raises(WrongState):
        approve_assignment(world.owner, asked.pk)


def test_the_signatures_of_a_leaver_stay_valid(world):
    use = signed_use(world)
    deactivate_account(world.administrator, world.process_expert.pk, reason="Left")
    use = IntendedUse.objects.get(pk=use.pk)
    assert [(s.signature.username, s.word) for s in standings(use)] == [
        ("process_expert", "valid"),
        ("owner", "valid"),
    ]
    assert verifier.verify().ok


# The administrator


def test_an_administrator_has_no_content_act():
    """An administrator makes accounts and handles duties of the organisation; nothing of a model or dataset.

    What lets somebody in, or changes a rule, they ask for and others decide; what they do alone takes access away.
    """
    own = {row.act for row in TABLE.values() if "administrator" in row.duties}
    asks = {
        "access.propose_link",
        "access.propose_rules",
        "access.replay_rules_again",
        "access.request_inspection",
        "access.request_organisation_assignment",
        "access.request_correction",
        "access.request_erasure",
        "access.request_reset",
        "access.withdraw_correction",
        "access.withdraw_erasure",
        "access.withdraw_reset",
        "access.withdraw_rules",
    }
    ends = {
        "access.deactivate_account",
        "access.end_assignment",
        "access.end_inspection",
        "access.end_link",
        "access.refuse_assignment",
        "access.refuse_service",
        "access.refuse_trust",
    }
    accounts = {"access.create_account", "access.renew_enrolment", "access.unlock_account"}
    assert own == asks | ends | accounts
    assert not any(policy(act).signs for act in own)


@pytest.mark.evidence("frozen")
def test_an_administrator_sees_and_is_offered_no_content(world):
    evidence = validated_world(world, until="frozen")
    for record in (world.model, world.dataset, evidence.version, evidence.test, evidence.use):
        assert gate.offers(world.administrator, record) == []
        assert not gate.visible(world.administrator, type(record)).exists()


def test_an_administrator_cannot_make_themselves_or_a_friend_a_person_of_content(world):
    friend = create_account(
        world.administrator, username="friend", printed_name="A Friend", email="friend@example.org"
    )
    for person in (world.administrator, friend):
        with pytest.raises(NotVisible):
            request_assignment(
                world.administrator,
                person_id=person.pk,
                duty="owner",
                scope_kind="registry.model",
                scope_id=world.model.pk,
                reason="x",
            )
    asked = request_organisation_assignment(
        world.administrator, person_id=friend.pk, duty="compliance", reason="x"
    )
    with pytest.raises(NotAllowed) as caught:
        approve_organisation_assignment(world.administrator, asked.pk)
    assert caught.value.rule == "duty"
    assert last("access.approve_organisation_assignment", "refusal").actor_name == "Ada Administrator"
