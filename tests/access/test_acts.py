"""Acts on duties: works, wrong person, wrong duty, wrong state, conflict of duties, bad input."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.access import gate
from apps.access.actors import Actor
from apps.access.acts import (
    approve_assignment,
    approve_organisation_assignment,
    deactivate_account,
    end_assignment,
    install_organisation,
    refuse_assignment,
    request_assignment,
    request_organisation_assignment,
)
from apps.access.acts.install import installer
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.registry.models import Model
from tests.access.telling import assert_history, assert_told, body_of, refused
from tests.cast import PASSWORD, give

pytestmark = pytest.mark.django_db

REQUEST, APPROVE = "access.request_assignment", "access.approve_assignment"
REQUEST_ORG, APPROVE_ORG = "access.request_organisation_assignment", "access.approve_organisation_assignment"
REFUSE, END = "access.refuse_assignment", "access.end_assignment"


def ask(world, person="stranger", duty="monitor", by="registrar", parent=None, **more) -> Assignment:
    parent = parent or world.model
    given = {
        "person_id": world.people[person].pk,
        "duty": duty,
        "scope_kind": parent.subject_kind,
        "scope_id": parent.pk,
        "reason": "Needed for the work",
    }
    return request_assignment(world.people[by], **given | more)


def ask_organisation(world, person="stranger", duty="inspector", by="administrator", **more) -> Assignment:
    given = {"person_id": world.people[person].pk, "duty": duty, "reason": "Audit"}
    given |= {"ends_at": now() + timedelta(days=5)} if duty == "inspector" else {}
    given |= more
    return request_organisation_assignment(world.people[by], **given)


def sees_model(person) -> bool:
    return gate.visible(person, Model).exists()


# Request


@pytest.mark.parametrize("by", ["owner", "registrar", "compliance"])
def test_request_on_a_model(world, by):
    asked = ask(world, by=by)
    told = {"act": REQUEST, "by": world.people[by], "reason": "Needed for the work"}
    entry = assert_told(**told, about=asked)
    assert_history(asked, **told)
    assert body_of(entry)["facts"] == {"person": "stranger", "duty": "monitor", "on": world.model.ref}
    assert (asked.state, asked.requester, asked.approver) == ("requested", world.people[by], None)
    assert not sees_model(world.stranger), "what is only requested gives nothing"


def test_request_on_the_organisation(world):
    asked = ask_organisation(world)
    told = {"act": REQUEST_ORG, "by": world.administrator, "reason": "Audit"}
    assert_told(**told, about=asked)
    assert_history(asked, **told)
    assert not sees_model(world.stranger)


def test_request_refused_to_the_wrong_person_and_duty(world):
    with refused(NotVisible, "visibility", act=REQUEST, by=world.stranger):
        ask(world, by="stranger")
    with refused(NotVisible, "visibility", act=REQUEST, by=world.owner):
        ask(world, by="owner", parent=world.other_model)
    with refused(NotVisible, "visibility", act=REQUEST, by=world.administrator):
        ask(world, by="administrator")
    for name, rule in (
        ("author", "duty"),
        ("validator", "duty"),
        ("approver", "duty"),
        ("inspector", "PC07"),
    ):
        with refused(NotAllowed, rule, act=REQUEST, by=world.people[name]):
            ask(world, by=name)
    for name, rule in (("owner", "duty"), ("registrar", "duty"), ("inspector", "PC07"), ("stranger", "duty")):
        with refused(NotAllowed, rule, act=REQUEST_ORG, by=world.people[name]):
            ask_organisation(world, by=name)
    with refused(BadInput, "reason", act=REQUEST, by=world.owner):
        ask(world, by="owner", reason=" ")


def test_request_on_what_is_not_there(world):
    for kind, pk in (("registry.model", 10**9), ("registry.version", world.model.pk), ("organisation", 0)):
        with refused(NotVisible, "visibility", act=REQUEST, by=world.compliance):
            ask(world, by="compliance", scope_kind=kind, scope_id=pk)
    with refused(NotVisible, "visibility", act=REQUEST, by=world.owner):
        ask(world, by="owner", person_id=10**9)


def test_bad_duties(world):
    for duty, said in (
        ("king", "There is no duty 'king'"),
        ("", "There is no duty ''"),
        ("Monitor", "There is no duty 'Monitor'"),
        ("administrator", "The duty administrator is not held on a model."),
        ("curator", "The duty data curator is not held on a model."),
    ):
        with refused(BadInput, "assignment", act=REQUEST, by=world.owner) as caught:
            ask(world, by="owner", duty=duty)
        assert caught.value.fields["duty"][0].startswith(said)
    with refused(BadInput, "assignment", act=REQUEST, by=world.owner) as caught:
        ask(world, by="owner", duty="approver", parent=world.dataset)
    assert caught.value.fields["duty"] == ["The duty QA approver is not held on a dataset."]
    with refused(BadInput, "assignment", act=REQUEST_ORG, by=world.administrator) as caught:
        ask_organisation(world, duty="owner")
    assert caught.value.fields["duty"] == ["The duty owner is not held on the organisation."]


def test_bad_times_and_people(world):
    moment = now()
    for ends_at in (moment, moment - timedelta(days=1)):
        with refused(BadInput, "assignment", act=REQUEST, by=world.owner) as caught:
            ask(world, by="owner", starts_at=moment, ends_at=ends_at)
        assert set(caught.value.fields) == {"ends_at"}
    with refused(BadInput, "assignment", act=REQUEST, by=world.owner) as caught:
        ask(world, by="owner", starts_at=moment - timedelta(days=3), ends_at=moment - timedelta(days=1))
    assert caught.value.fields == {"ends_at": ["The end has passed already."]}
    worker = Actor.service("worker").user
    with refused(BadInput, "assignment", act=REQUEST, by=world.owner) as caught:
        ask(world, by="owner", person_id=worker.pk)
    assert caught.value.fields == {"person": ["A service account may never fill a human duty."]}
    deactivate_account(world.administrator, world.stranger.pk, reason="Left")
    with refused(BadInput, "assignment", act=REQUEST, by=world.owner) as caught:
        ask(world, by="owner")
    assert caught.value.fields == {"person": ["This account is deactivated."]}


def test_the_same_duty_twice_is_a_conflict(world):
    ask(world)
    with pytest.raises(Conflict) as caught:
        ask(world, by="owner")
    assert caught.value.rule == "once-only"
    with pytest.raises(Conflict):
        ask(world, person="author", duty="developer")


@pytest.mark.parametrize(
    ("person", "duty", "parent", "rule"),
    [
        ("author", "approver", "model", "ST3"),
        ("approver", "developer", "model", "ST3"),
        ("author", "approver", "other_model", "ST3"),
        ("validator", "developer", "model", "ST8"),
        ("author", "validator", "model", "ST8"),
        ("author", "curator", "dataset", "ST4"),
        ("author", "steward", "dataset", "ST5"),
        ("administrator", "owner", "model", "ST1"),
        ("inspector", "monitor", "model", "ST2"),
    ],
)
def test_static_conflicts_are_refused_at_the_request(world, person, duty, parent, rule):
    with refused(Conflict, rule, act=REQUEST, by=world.registrar):
        ask(world, person=person, duty=duty, parent=getattr(world, parent))


def test_static_conflicts_on_the_organisation(world):
    for person, duty, rule in (
        ("owner", "administrator", "ST1"),
        ("administrator", "compliance", "ST1"),
        ("author", "inspector", "ST2"),
        ("inspector", "registrar", "ST2"),
    ):
        with refused(Conflict, rule, act=REQUEST_ORG, by=world.compliance):
            ask_organisation(world, person=person, duty=duty, by="compliance")


def test_a_family_rule_lets_the_same_person_work_in_another_family(world):
    """ST8 keeps apart in one model; the validator of one may develop another."""
    asked = ask(world, person="validator", duty="developer", parent=world.other_model)
    assert approve_assignment(world.other_owner, asked.pk).state == "approved"


# Approve


def test_approve(world):
    asked = ask(world)
    approved = approve_assignment(world.owner, asked.pk, reason="Agreed")
    told = {"act": APPROVE, "by": world.owner, "reason": "Agreed"}
    assert_told(**told, about=approved, wrote=1)
    assert_history(approved, **told)
    assert (approved.state, approved.approver) == ("approved", world.owner)
    assert sees_model(world.stranger)


def _granted(world) -> set[str]:
    grants = world.model.modeluserpermission_set.filter(user=world.stranger)
    return set(grants.values_list("permission__codename", flat=True))


def test_the_guardian_grant_follows_the_assignment(world):
    asked = ask(world)
    assert _granted(world) == set()
    approve_assignment(world.owner, asked.pk)
    assert _granted(world) == {"act_as_monitor"}
    end_assignment(world.owner, asked.pk, reason="Done")
    assert _granted(world) == set()


def test_approve_on_the_organisation(world):
    asked = ask_organisation(world)
    approved = approve_organisation_assignment(world.compliance, asked.pk)
    assert_told(APPROVE_ORG, by=world.compliance, about=approved)
    assert sees_model(world.stranger)


def test_approve_refused_to_the_wrong_person_and_duty(world):
    asked = ask(world)
    for name in ("stranger", "author", "validator", "registrar"):
        with refused(NotAllowed, "duty", act=APPROVE, by=world.people[name]):
            approve_assignment(world.people[name], asked.pk)
    for name in ("administrator", "other_owner", "other_developer"):
        with refused(NotVisible, "visibility", act=APPROVE, by=world.people[name]):
            approve_assignment(world.people[name], asked.pk)
    with refused(NotVisible, "visibility", act=APPROVE, by=world.owner):
        approve_assignment(world.owner, 10**9)


def test_an_owner_approves_nothing_on_the_organisation(world):
    asked = ask_organisation(world)
    for verb, act in ((approve_assignment, APPROVE), (approve_organisation_assignment, APPROVE_ORG)):
        with refused(NotVisible, "visibility", act=act, by=world.owner):
            verb(world.owner, asked.pk)


@pytest.mark.parametrize("verb", [approve_assignment, approve_organisation_assignment])
def test_the_requester_never_approves_through_either_door(world, verb):
    asked = ask(world, by="compliance")
    act = f"access.{verb.__name__}"
    with refused(Conflict, "DY17", act=act, by=world.compliance) as caught:
        verb(world.compliance, asked.pk)
    assert caught.value.fact == "You requested this duty."
    assert "Cora Compliance" not in caught.value.who


@pytest.mark.parametrize("verb", [approve_assignment, approve_organisation_assignment])
def test_the_receiver_never_approves_through_either_door(world, verb):
    asked = ask(world, person="compliance", duty="monitor", by="registrar")
    with refused(Conflict, "DY17", act=f"access.{verb.__name__}", by=world.compliance) as caught:
        verb(world.compliance, asked.pk)
    assert caught.value.fact == "You would receive this duty."


@pytest.mark.parametrize("verb", [approve_assignment, approve_organisation_assignment])
@pytest.mark.parametrize(("by", "person"), [("compliance", "stranger"), ("administrator", "compliance")])
def test_requester_and_receiver_on_the_organisation(world, verb, by, person):
    duty = "registrar"
    asked = ask_organisation(world, person=person, duty=duty, by=by)
    with refused(Conflict, "DY17", act=f"access.{verb.__name__}", by=world.compliance):
        verb(world.compliance, asked.pk)


def test_the_database_itself_refuses_an_approver_who_is_requester_or_receiver(world):
    asked = ask(world)
    for person in (world.registrar, world.stranger):
        with pytest.raises(IntegrityError, match="assignment_approver_is_third"), transaction.atomic():
            Assignment.objects.filter(pk=asked.pk).update(approver=person)


def test_a_decided_request_is_not_decided_again(world):
    approved, declined, ended = ask(world), ask(world, duty="process_expert"), ask(world, duty="security")
    approve_assignment(world.owner, approved.pk)
    refuse_assignment(world.owner, declined.pk, reason="No need")
    end_assignment(world.owner, ended.pk, reason="Withdrawn")
    for asked in (approved, declined, ended):
        with refused(WrongState, "assignment-state", act=APPROVE, by=world.owner):
            approve_assignment(world.owner, asked.pk)
        with refused(WrongState, "assignment-state", act=REFUSE, by=world.owner):
            refuse_assignment(world.owner, asked.pk, reason="No need")
    for asked in (declined, ended):
        with refused(WrongState, "assignment-state", act=END, by=world.owner):
            end_assignment(world.owner, asked.pk, reason="Again")


# Refuse and end


def test_refuse(world):
    asked = ask(world)
    with refused(BadInput, "reason", act=REFUSE, by=world.owner):
        refuse_assignment(world.owner, asked.pk)
    declined = refuse_assignment(world.owner, asked.pk, reason="No need")
    told = {"act": REFUSE, "by": world.owner, "reason": "No need"}
    assert_told(**told, about=declined)
    assert_history(declined, **told)
    assert (declined.state, declined.end_reason) == ("refused", "No need")
    assert not sees_model(world.stranger)


def test_end(world):
    given = give(world, "stranger", "monitor", world.model)
    assert sees_model(world.stranger)
    with refused(BadInput, "reason", act=END, by=world.owner):
        end_assignment(world.owner, given.pk)
    for name in ("author", "stranger"):
        with refused(NotAllowed, "duty", act=END, by=world.people[name]):
            end_assignment(world.people[name], given.pk, reason="x")
    with refused(NotVisible, "visibility", act=END, by=world.administrator):
        end_assignment(world.administrator, given.pk, reason="x")
    ended = end_assignment(world.owner, given.pk, reason="Moved on")
    told = {"act": END, "by": world.owner, "reason": "Moved on"}
    assert_told(**told, about=ended)
    assert_history(ended, **told)
    assert ended.ends_at <= now()
    assert not sees_model(world.stranger)
    assert not ended.in_force()


def test_an_organisation_duty_is_ended_by_an_administrator(world):
    held = Assignment.objects.get(person=world.registrar, duty="registrar")
    with refused(NotVisible, "visibility", act=END, by=world.owner):
        end_assignment(world.owner, held.pk, reason="x")
    end_assignment(world.administrator, held.pk, reason="Moved on")
    assert_told(END, by=world.administrator, about=held, reason="Moved on")
    with refused(NotVisible, "visibility", act=REQUEST, by=world.registrar):
        ask(world)


# Installing


def test_the_organisation_is_installed_once(world):
    people = {
        who: {"username": f"{who}9", "printed_name": who, "password": PASSWORD}
        for who in ("administrator", "compliance")
    }
    service = installer()
    act = "access.install_organisation"
    with refused(WrongState, "install", act=act, by=service.user):
        install_organisation(service, **people)
    with refused(NotAllowed, "service", act=act, by=world.administrator):
        install_organisation(world.administrator, **people)
    assert not User.objects.filter(username="administrator9").exists()
