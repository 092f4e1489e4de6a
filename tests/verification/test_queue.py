"""Requirements that wait for approval: on whose page, shut to whom, mailed to whom, at what cost."""

from __future__ import annotations

import pytest

from apps.access.actors import as_actor
from apps.access.reminding import remind_all
from apps.access.waiting import queues_for
from apps.core.errors import Conflict
from apps.core.jobs import run_queued
from apps.registry.acts import add_author
from apps.verification.acts import approve_requirement
from tests.access.test_queues import blocked, mails_about, waiting
from tests.cast import EVERYBODY
from tests.factories.evidence import signed, validated_world
from tests.factories.verification import requirement

pytestmark = pytest.mark.evidence("frozen")


@pytest.fixture
def version(world):
    return validated_world(world, until="frozen").version


def test_a_draft_waits_for_each_approver_and_is_mailed_to_them_once(world, version, mailoutbox):
    for name in EVERYBODY:
        type(world.people[name]).objects.filter(pk=world.people[name].pk).update(email=f"{name}@example.org")
    made = requirement(world)
    told = [f"{made.ref} of lotx"]
    approvers = set(waiting(world, "requirements"))
    assert approvers >= {"approver"}
    assert waiting(world, "requirements") == dict.fromkeys(approvers, told)
    assert not {"author", "process_expert", "owner", "stranger"} & approvers
    remind_all()
    run_queued()
    subject = f"Requirement to approve: {made.ref} of lotx"
    assert mails_about(made, mailoutbox) == {f"{name}@example.org": subject for name in approvers}
    [mail] = [each for each in mailoutbox if each.to == ["approver@example.org"] and made.ref in each.subject]
    assert f"/requirements/{made.number}/1/" in mail.body
    assert f"asked for by {world.process_expert.printed_name}" in mail.body
    assert made.text not in mail.body
    assert remind_all() == 0
    approve_requirement(world.approver, made.pk, signature=signed(made))
    assert waiting(world, "requirements") == {}


def test_who_developed_a_version_of_the_model_sees_that_it_is_shut_to_them(world, version):
    made = requirement(world)
    add_author(world.owner, version.pk, person_id=world.approver.pk, reason="Helped to train it")
    assert "approver" not in waiting(world, "requirements")
    assert blocked(world, "requirements")["approver"] == ["DY9"]
    with pytest.raises(Conflict, match=made.ref):
        approve_requirement(world.approver, made.pk, signature=signed(made))


def test_three_drafts_of_a_model_cost_what_one_does(world, version, django_assert_max_num_queries):
    requirement(world)
    for person in (world.approver, world.owner):
        with django_assert_max_num_queries(16):
            queues_for(as_actor(person))
    for _ in range(2):
        requirement(world)
    for person in (world.approver, world.owner):
        with django_assert_max_num_queries(16):
            queues_for(as_actor(person))
