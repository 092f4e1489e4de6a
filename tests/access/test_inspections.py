"""Inspectors: a scope and an end, nothing seen outside it, nothing changed by them, given by two people."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.apps import apps
from django.db import IntegrityError, transaction

from apps.access import gate
from apps.access.actors import Actor
from apps.access.acts import (
    approve_inspection,
    create_account,
    end_assignment,
    end_inspection,
    refuse_inspection,
    request_inspection,
    request_organisation_assignment,
    set_password,
)
from apps.access.duties import DATASET, MODEL
from apps.access.inspection_models import Inspection
from apps.access.looking import own_affairs
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.access.queries import coverage, on_parent
from apps.accounts.models import User
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.subjects import models_by_kind
from apps.datasets.models import Dataset, DatasetVersion
from apps.packs.models import Pack
from apps.registry.models import Model, Version
from apps.trail.models import Entry
from tests.access.telling import assert_history, assert_told, refused
from tests.cast import PASSWORD
from tests.factories.evidence import validated_world

pytestmark = pytest.mark.django_db
REQUEST, APPROVE = "access.request_inspection", "access.approve_inspection"
WHY = "Announced GMP inspection"


@pytest.fixture
def visitor(world) -> User:
    """An account that holds nothing yet."""
    made = create_account(
        world.administrator, username="visitor", printed_name="Vera Visitor", email="vera@agency.example"
    )
    world.people["visitor"] = set_password(made, made.pk, password=PASSWORD)
    return world.visitor


def asked(world, by="administrator", **more) -> Inspection:
    given = {
        "person_id": world.visitor.pk,
        "authority": "Agency of Somewhere",
        "places": [(MODEL, world.model.pk)],
        "ends_at": now() + timedelta(days=3),
        "reason": WHY,
    }
    return request_inspection(world.people[by], **given | more)


def opened(world, **more) -> Inspection:
    found = approve_inspection(world.compliance, asked(world, **more).pk)
    world.people["visitor"] = User.objects.get(username="visitor")
    return found


def test_from_request_to_approval(world, visitor):
    found = asked(world)
    assert_told(REQUEST, by=world.administrator, about=found, reason=WHY, wrote=2)
    assert_history(found, act=REQUEST, by=world.administrator, reason=WHY)
    assert not gate.visible(visitor, Model).exists(), "what is only asked for gives nothing"
    assert not User.objects.get(pk=visitor.pk).inspects
    approve_inspection(world.compliance, found.pk)
    found.refresh_from_db()
    assert_told(APPROVE, by=world.compliance, about=found, wrote=4)
    given = Assignment.objects.get(person=visitor)
    assert (given.duty, given.scope, given.ends_at) == ("inspector", world.model.scope, found.ends_at)
    assert (given.requester, given.approver) == (world.administrator, world.compliance)
    assert found.places.get().assignment == given
    assert User.objects.get(pk=visitor.pk).inspects
    assert visitor.has_perm("registry.act_as_inspector", world.model) is False  # guardian's backend stays out
    from guardian.shortcuts import get_perms

    assert get_perms(visitor, world.model) == ["act_as_inspector"]


@pytest.mark.evidence("frozen")
def test_outside_the_scope_nothing_is_seen(world, visitor):
    mine = validated_world(world, until="frozen").version
    opened(world)
    visitor = world.visitor
    assert set(gate.visible(visitor, Model)) == {world.model}
    assert Model.objects.count() == 2
    assert set(gate.visible(visitor, Version)) == {mine}
    # What the model was made of is part of its dossier: seen by name and digest, never its rows.
    made_of = {link.dataset_version.dataset_id for link in mine.data.select_related("dataset_version")}
    assert {d.pk for d in gate.visible(visitor, Dataset)} == made_of
    assert world.other_dataset.pk not in made_of
    assert gate.may(visitor, "registry.register_version", world.other_model).status == 404
    everything = set(
        Entry.objects.exclude(scope=world.model.scope).exclude(scope="").values_list("scope", flat=True)
    )
    seen = set(
        gate.visible(visitor, Entry).exclude(subject_id=str(visitor.pk)).values_list("scope", flat=True)
    )
    assert world.other_model.scope in everything
    assert world.other_model.scope not in seen
    assert "organisation:0" not in seen
    assert {p.pk for p in gate.visible(visitor, User)} == {visitor.pk}
    assert set(gate.visible(visitor, Pack)) == set()


def test_a_dataset_alone(world, visitor):
    opened(world, places=[(DATASET, world.dataset.pk)])
    assert set(gate.visible(world.visitor, Dataset)) == {world.dataset}
    assert not gate.visible(world.visitor, Model).exists()
    versions = set(DatasetVersion.objects.filter(dataset=world.dataset))
    assert set(gate.visible(world.visitor, DatasetVersion)) == versions


def test_everything_and_until_its_end(world, visitor, monkeypatch):
    found = opened(world, everything=True, places=[])
    assert set(gate.visible(world.visitor, Model)) == {world.model, world.other_model}
    later = found.ends_at + timedelta(seconds=1)
    monkeypatch.setattr("apps.access.models.now", lambda: later)
    assert not gate.visible(world.visitor, Model).exists()
    assert gate.may(world.visitor, "packs.request_pack", registered_of(world)).status == 404


def registered_of(world) -> Version:
    return Version.objects.first() or Version(model=world.model, pk=1)


def test_no_act_of_the_table_but_reading_is_open_to_an_inspector(world, visitor):
    """The whole table, on a record of each kind: whatever a duty would give, an inspector is refused."""
    opened(world, everything=True, places=[])
    inspector, tried = world.visitor, set()
    subjects = {**models_by_kind()}
    for row in TABLE.values():
        if row.service or row.reads or own_affairs(row):
            continue
        kind = row.subject
        if kind in ("organisation", ""):
            subject = gate.ORGANISATION_SUBJECT
        elif kind == "*":
            subject = world.model
        else:
            subject = subjects[kind]._default_manager.first()
        if subject is None:
            verdict_of = refused_without_record(inspector, row)
            assert verdict_of, row.act
            tried.add(row.act)
            continue
        verdict = gate.may(inspector, row.act, subject)
        assert not verdict.allowed, row.act
        assert verdict.status in (403, 404), row.act
        tried.add(row.act)
    assert len(tried) > 40
    assert "registry.register_model" in tried


def refused_without_record(person, row) -> bool:
    from apps.access.looking import refused_to_inspector

    return refused_to_inspector(person, row) is not None


def test_the_table_gives_inspectors_reading_acts_only():
    for row in TABLE.values():
        assert row.reads or "inspector" not in row.duties, row.act
        assert not (row.reads and row.signs), row.act


def test_a_second_duty_opens_nothing_while_one_inspects(world, visitor):
    """ST2 refuses to give it. Were it there all the same, it would open nothing."""
    opened(world)
    slipped = Assignment(
        person=world.visitor,
        duty="owner",
        scope_kind=MODEL,
        scope_id=world.model.pk,
        state="approved",
        starts_at=now() - timedelta(days=1),
        reason="x",
        requester=world.owner,
        requested_at=now(),
    )
    Assignment.objects.bulk_create([slipped])  # behind the acts
    verdict = gate.may(world.visitor, "registry.write_intended_use", world.model)
    assert (verdict.allowed, verdict.status) == (False, 403)
    assert verdict.rule.startswith("PC07")
    assert "you look and take copies" in verdict.fact
    assert world.visitor not in [p for p in gate.eligible("packs.request_pack", world.model) if p.pk == 0]


def test_who_may_ask_and_approve(world, visitor):
    for name in ("owner", "inspector", "author"):
        with refused(
            NotAllowed, "duty" if name != "inspector" else "PC07", act=REQUEST, by=world.people[name]
        ):
            asked(world, by=name)
    found = asked(world, by="compliance")
    with refused(Conflict, "DY17", act=APPROVE, by=world.compliance):
        approve_inspection(world.compliance, found.pk)
    with refused(NotAllowed, "duty", act=APPROVE, by=world.administrator):
        approve_inspection(world.administrator, found.pk)
    with refused(NotVisible, "visibility", act=APPROVE, by=world.owner):
        approve_inspection(world.owner, found.pk)
    approve_inspection(world.compliance2, found.pk)
    with refused(WrongState, "inspection-state", act=APPROVE, by=world.compliance2):
        approve_inspection(world.compliance2, found.pk)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("ends_at", {"ends_at": None}),
        ("ends_at", {"ends_at": now() - timedelta(days=1)}),
        ("ends_at", {"ends_at": now() + timedelta(days=400)}),
        ("ends_at", {"starts_at": now() + timedelta(days=9)}),
        ("authority", {"authority": "  "}),
        ("authority", {"authority": "x" * 161}),
        ("authority", {"authority": "a\x00b"}),
        ("places", {"places": []}),
        ("places", {"everything": True}),
        ("places", {"places": [(MODEL, n) for n in range(201)]}),
        ("places", {"places": [(MODEL, 99999)]}),
        ("places", {"places": [("packs.pack", 1)]}),
        ("reason", {"reason": ""}),
    ],
)
def test_bad_input(world, visitor, field, given):
    with pytest.raises(BadInput) as caught:
        asked(world, **given)
    assert list(caught.value.fields) == [field]
    assert not Inspection.objects.exists()


def test_one_request_at_a_time_and_who_works_here_does_not_inspect(world, visitor):
    asked(world)
    with refused(WrongState, "inspection-state", act=REQUEST, by=world.administrator):
        asked(world)
    with refused(Conflict, "ST2", act=REQUEST, by=world.administrator):
        asked(world, person_id=world.author.pk)
    twin = Inspection(
        person=visitor,
        authority="x",
        purpose="x",
        starts_at=now(),
        ends_at=now() + timedelta(days=1),
        requester=world.administrator,
        requested_at=now(),
    )
    with pytest.raises(IntegrityError), transaction.atomic():  # what the lock keeps apart, the table refuses
        Inspection.objects.bulk_create([twin])


def test_refused_and_ended(world, visitor):
    found = asked(world)
    refuse_inspection(world.compliance, found.pk, reason="Not announced")
    assert_told("access.refuse_inspection", by=world.compliance, about=found, reason="Not announced")
    with refused(WrongState, "inspection-state", act="access.refuse_inspection", by=world.compliance):
        refuse_inspection(world.compliance, found.pk, reason="Twice")
    found = opened(world)
    assert gate.visible(world.visitor, Model).exists()
    with refused(NotAllowed, "PC07", act="access.end_inspection", by=world.visitor):
        end_inspection(world.visitor, found.pk, reason="Enough")
    end_inspection(world.administrator, found.pk, reason="They left")
    assert_told("access.end_inspection", by=world.administrator, about=found, reason="They left", wrote=2)
    assert not gate.visible(world.visitor, Model).exists()
    from guardian.shortcuts import get_perms

    assert get_perms(world.visitor, world.model) == []
    with refused(WrongState, "inspection-state", act="access.end_inspection", by=world.compliance):
        end_inspection(world.compliance, found.pk, reason="Twice")


def test_a_newer_inspection_of_the_same_place_takes_over(world, visitor):
    first = opened(world)
    second = opened(world, ends_at=now() + timedelta(days=9), authority="The same, longer")
    held = Assignment.objects.active().get(person=visitor)
    assert held == second.places.get().assignment
    assert first.places.get().assignment.state == "ended"


def test_one_place_can_be_ended_alone(world, visitor):
    found = opened(world, places=[(MODEL, world.model.pk), (MODEL, world.other_model.pk)])
    one = found.places.get(scope_id=world.other_model.pk).assignment
    end_assignment(world.other_owner, one.pk, reason="Not this one")
    assert set(gate.visible(world.visitor, Model)) == {world.model}


def test_the_duty_on_the_organisation_needs_an_end_too(world, visitor):
    with pytest.raises(BadInput) as caught:
        request_organisation_assignment(
            world.administrator, person_id=visitor.pk, duty="inspector", reason="Audit"
        )
    assert list(caught.value.fields) == ["ends_at"]


def test_who_sees_inspections(world, visitor):
    mine = opened(world)
    other = asked(world, person_id=world.stranger.pk)
    for name, seen in {
        "visitor": {mine},
        "inspector": set(),
        "stranger": {other},
        "owner": set(),
        "compliance": {mine, other},
        "administrator": {mine, other},
        "registrar": {mine, other},
    }.items():
        assert set(gate.visible(world.people[name], Inspection)) == seen, name


def test_every_kind_registered_has_a_visibility_for_scoped_inspectors(world, visitor):
    """Deny by default: asked for any model of ours, a scoped inspector gets an answer, never an error or all rows."""
    opened(world)
    for model in apps.get_models():
        if registries.visibility[model._meta.label]:
            rows = gate.visible(world.visitor, model)
            rows.exists()


def test_the_people_page_of_a_model_tells_of_its_inspectors(world, visitor):
    actor = Actor.of(world.owner)
    before = {c.duty for c in coverage(world.model, on_parent(actor, world.model))}
    assert "inspector" not in before
    opened(world)
    found = {c.duty: c for c in coverage(world.model, on_parent(actor, world.model))}
    assert [a.person for a in found["inspector"].held] == [visitor]
