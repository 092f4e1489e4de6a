"""What an act reads twice under the same locks is read once, and nothing known before a lock or a write outlives it."""

from __future__ import annotations

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.access.acts import end_assignment
from apps.access.gate import may
from apps.access.models import Assignment
from apps.access.sharing import afresh, gathered, once, shared, within_act
from apps.core.errors import NotAllowed, NotVisible
from apps.core.models import Counter
from apps.registry.acts import write_intended_use
from apps.registry.models import Model
from tests.factories.foundation import USE

pytestmark = pytest.mark.django_db


def names(*keys):
    return gathered(
        "names", keys, lambda ids: dict(Model.objects.filter(pk__in=ids).values_list("pk", "name"))
    )


def asked(work):
    with CaptureQueriesContext(connection) as queries:
        work()
    return len(queries)


def test_what_is_only_read_is_asked_once(world):
    pk = world.model.pk
    with within_act():
        assert asked(lambda: names(pk)) == 1
        assert asked(lambda: names(pk)) == 0
    assert asked(lambda: names(pk)) == 1  # nothing is kept beyond the act


def test_a_write_forgets(world):
    pk = world.model.pk
    with within_act():
        names(pk)
        with transaction.atomic():
            Counter.objects.create(kind="of this test")
        assert asked(lambda: names(pk)) == 1


def test_a_lock_forgets(world):
    pk = world.model.pk
    with within_act(), transaction.atomic():
        names(pk)
        Model.objects.select_for_update().get(pk=pk)
        # SQLite has no row locks: whoever writes there holds the whole database already.
        assert asked(lambda: names(pk)) == (1 if connection.features.has_select_for_update else 0)


def test_a_step_taken_back_forgets(world):
    with within_act():
        once("answer", lambda: 1)
        with pytest.raises(RuntimeError), transaction.atomic():
            raise RuntimeError
        assert once("answer", lambda: 2) == 2


def test_an_act_begins_with_nothing_that_the_page_around_it_knew(world):
    pk = world.model.pk
    with shared():
        names(pk)
        with within_act():
            assert asked(lambda: names(pk)) == 1
        assert asked(lambda: names(pk)) == 0, "the act only read: the page keeps what it knew"
        with within_act(), transaction.atomic():
            Counter.objects.create(kind="of this test")
        assert asked(lambda: names(pk)) == 1, "the act wrote: the page asks anew"


def test_what_is_written_while_asking_afresh_is_forgotten_by_the_act(world):
    pk = world.model.pk
    with within_act():
        names(pk)
        with afresh():
            assert asked(lambda: names(pk)) == 1
        assert asked(lambda: names(pk)) == 0
        with afresh(), transaction.atomic():
            Counter.objects.create(kind="of this test")
        assert asked(lambda: names(pk)) == 1


def test_an_act_inside_a_page_judges_by_what_stands_now(world):
    """The page knew the person's duty; it ended since; the act refuses, and asks for itself before it as well."""
    with shared():
        assert may(world.owner, "registry.write_intended_use", world.model).allowed
        for held in Assignment.objects.filter(person=world.owner, state="approved"):
            end_assignment(world.compliance, held.pk, reason="Moved on")
        with pytest.raises((NotAllowed, NotVisible)):
            write_intended_use(world.owner, world.model.pk, given=USE, reason="Late")
