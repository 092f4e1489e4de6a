"""Subqueries kept as text: they answer as the ORM does, for each person and at each moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.db.models import Exists
from django.test.utils import CaptureQueriesContext

from apps.access import duties
from apps.access.duties import SEES_ALL
from apps.access.gate import is_visible
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.approvals import board_sight
from apps.approvals.board_models import Board, BoardMember
from apps.core.clock import now
from apps.core.kept_sql import Kept
from apps.datasets.models import Dataset
from apps.registry.models import Model
from tests.approvals.boards import founded

pytestmark = pytest.mark.django_db


def test_everybodys_places_are_those_that_the_orm_finds(world):
    found = 0
    for person in world.people.values():
        held = Assignment.objects.active().filter(person=person)
        for kind, model in ((duties.MODEL, Model), (duties.DATASET, Dataset)):
            kept = set(model.objects.filter(pk__in=Assignment.objects.places(person.pk, kind)))
            assert kept == set(model.objects.filter(pk__in=held.filter(scope_kind=kind).values("scope_id")))
            found += len(kept)
        for wanted in (SEES_ALL, frozenset({"administrator"})):
            every = User.objects.filter(Assignment.objects.holds_for_all(person.pk, wanted)).count()
            rows = held.filter(scope_kind=duties.ORGANISATION, duty__in=wanted)
            assert every == User.objects.filter(Exists(rows)).count(), person
            found += bool(every)
    assert found > 20, "somebody holds something"


def test_the_moment_is_that_of_asking(world, monkeypatch):
    """The text was made before; the inspector's duty ends in sixty days."""
    assert is_visible(world.inspector, world.model)
    monkeypatch.setattr("apps.access.models.now", lambda: now() + timedelta(days=61))
    assert not is_visible(world.inspector, world.model)
    assert is_visible(world.author, world.model), "whose duty has no end"


def test_a_seat_is_of_its_person_and_its_time(world, monkeypatch):
    board = founded(world)

    def boards_of(person) -> set[Board]:
        return set(Board.objects.filter(pk__in=board_sight._kept_boards.ids(person.pk, board_sight.now())))

    assert boards_of(world.stranger) == {board}
    assert boards_of(world.monitor) == set()
    before = BoardMember.objects.earliest("starts_at").starts_at - timedelta(seconds=1)
    monkeypatch.setattr(board_sight, "now", lambda: before)
    assert boards_of(world.stranger) == set()


def test_a_text_is_compiled_once_and_asks_for_a_person(world):
    built = []

    def build(person_id, at):
        built.append(person_id)
        return Assignment.objects.active(at).filter(person_id=person_id).values("scope_id")

    kept = Kept(build)
    with CaptureQueriesContext(connection) as queries:
        for person in (world.author, world.validator):
            assert set(Model.objects.filter(pk__in=kept.ids(person.pk, now()))) == {world.model}
    assert (len(built), len(queries)) == (1, 2)
    with pytest.raises(ValueError, match="one person"):
        Kept(lambda _person, at: Assignment.objects.active(at).values("scope_id")).ids(1, now())
