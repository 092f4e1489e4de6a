"""The kernel on its feet: install, assign, refuse, record."""

from __future__ import annotations

import pytest

from apps.access import gate
from apps.access.acts import approve_assignment, request_assignment
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core.errors import Conflict, NotAllowed, NotVisible
from apps.registry.models import Model
from apps.trail.current import WriteOutsideAct
from apps.trail.models import Entry


def test_the_world_stands_and_every_act_is_in_the_trail(world):
    acts = set(Entry.objects.filter(kind="act").values_list("act", flat=True))
    assert {
        "access.install_organisation",
        "access.create_account",
        "access.approve_assignment",
        "registry.register_model",
    } <= acts
    written = Entry.objects.filter(kind="row", act_id="").count()
    assert written == 0


def test_visibility_is_an_exact_set(world):
    def seen(person):
        return set(gate.visible(person, Model).values_list("slug", flat=True))

    assert seen(world.author) == {"lotx"}
    assert seen(world.stranger) == set()
    assert seen(world.administrator) == set()
    assert seen(world.inspector) == {"lotx", "visc"}
    assert seen(world.other_developer) == {"visc"}


def test_a_write_outside_an_act_is_impossible(world):
    world.author.printed_name = "Somebody Else"
    with pytest.raises(WriteOutsideAct):
        world.author.save()
    assert User.objects.get(pk=world.author.pk).printed_name != "Somebody Else"


def test_who_requests_a_duty_may_not_approve_it(world):
    asked = request_assignment(
        world.owner,
        person_id=world.stranger.pk,
        duty="monitor",
        scope_kind="registry.model",
        scope_id=world.model.pk,
        reason="Help",
    )
    with pytest.raises(Conflict) as refused:
        approve_assignment(world.owner, asked.pk)
    assert refused.value.rule.startswith("DY17")
    assert "Cora Compliance" in refused.value.who
    refusal = Entry.objects.filter(kind="refusal").latest("id")
    assert (refusal.act, refusal.subject_id) == ("access.approve_assignment", str(asked.pk))
    assert Assignment.objects.get(pk=asked.pk).state == "requested"


def test_static_conflict_is_refused_when_asked_for(world):
    with pytest.raises(Conflict) as refused:
        request_assignment(
            world.owner,
            person_id=world.author.pk,
            duty="approver",
            scope_kind="registry.model",
            scope_id=world.model.pk,
            reason="Help",
        )
    assert refused.value.rule.startswith("ST3")


def test_wrong_duty_and_wrong_person(world):
    asked = {
        "person_id": world.stranger.pk,
        "duty": "monitor",
        "scope_kind": "registry.model",
        "scope_id": world.model.pk,
        "reason": "x",
    }
    with pytest.raises(NotAllowed) as refused:
        request_assignment(world.author, **asked)
    assert refused.value.rule == "duty"
    with pytest.raises(NotVisible):
        request_assignment(world.stranger, **asked)
