"""Queries answered from the history: which rows, nothing that was not kept, nothing half written, nothing written."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.apps import apps
from django.db import connection, transaction

from apps.access.acts import end_assignment
from apps.access.models import Assignment
from apps.access.past import today
from apps.accounts.models import Lockout, User
from apps.core import clock
from apps.core.clock import now, real_now
from apps.core.models import Job
from apps.quality.acts import close_deviation, open_deviation
from apps.quality.models import Deviation
from apps.registry.models import Model, Version
from apps.trail import past
from apps.trail.confirmed import confirm
from apps.trail.models import Entry, Signature
from apps.trail.past import CannotRebuild
from tests.factories.evidence import signed, validated_world

pytestmark = [pytest.mark.django_db, pytest.mark.evidence("frozen")]


@pytest.fixture
def evidence(world):
    return validated_world(world, until="frozen")


def opened(world, evidence) -> Deviation:
    return open_deviation(
        world.validator, evidence.version.pk, title="Clock was wrong", description="Two minutes slow."
    )


def close(world, deviation) -> None:
    close_deviation(world.approver, deviation.pk, reason="Set right", signature=signed(deviation))


def test_of_each_record_the_newest_row_by_then(world, evidence):
    none = now()
    deviation = opened(world, evidence)
    open_then = now()
    close(world, deviation)
    seen = []
    for moment in (none, open_then, now()):
        with past.at(moment):
            seen.append(list(Deviation.objects.values_list("state", "title")))
    assert seen == [[], [("open", "Clock was wrong")], [("closed", "Clock was wrong")]]
    assert Deviation.objects.get().state == "closed"


def test_joins_and_filters_and_relations_are_of_then(world, evidence):
    deviation = opened(world, evidence)
    moment = now()
    close(world, deviation)
    with past.at(moment):
        found = Deviation.objects.select_related("version__model", "raised_by").get(state="open")
        assert (found.version.model.slug, found.raised_by.username) == ("lotx", "validator")
        assert list(found.version.deviations.filter(state="open")) == [found]
        assert Version.objects.filter(deviations__state="open").count() == 1
        assert not Version.objects.filter(deviations__state="closed").exists()
        assert not Signature.objects.filter(subject_kind=Deviation.subject_kind).exists()
        assert found.history.count() == 1
    assert found.history.count() == 2


def test_entries_signatures_and_clock_are_of_then(world, evidence):
    moment, count = now(), Entry.objects.count()
    opened(world, evidence)
    with past.at(moment):
        assert now() == clock.as_of() == moment
        assert Entry.objects.count() == count
        assert real_now() > moment
        with today():
            assert now() > moment
            assert Entry.objects.count() > count
    assert clock.as_of() is None


def test_an_act_that_was_being_written_is_not_there_in_parts(world, evidence):
    """Its rows were there, its entry was not: the act had not happened."""
    deviation = opened(world, evidence)
    close(world, deviation)
    row = deviation.history.latest("history_id")
    entry = Entry.objects.get(act_id=row.act_id, kind="act")
    between = row.history_date + (entry.at - row.history_date) / 2
    assert row.history_date <= between
    with past.at(min(between, entry.at - timedelta(microseconds=1))):
        assert Deviation.objects.get().state == "open"
    with past.at(max(row.history_date, entry.at) + timedelta(milliseconds=1)):
        assert Deviation.objects.get().state == "closed"


def test_of_what_keeps_no_history_nothing_is_shown(world, evidence):
    with past.at(now()), pytest.raises(CannotRebuild) as refused:
        list(Lockout.objects.all())
    assert refused.value.fact == "Of a part of it only the present is kept."
    with past.at(now()), pytest.raises(CannotRebuild), connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM accounts_user")
    assert Job.objects.exists()
    with past.at(now()):
        assert not Job.objects.exists()


def test_each_table_is_told_as_it_stood_or_not_at_all(world, evidence):
    """A table that nobody thought of cannot be read: no page of then shows the present by mistake."""
    refused, empty = set(), set()
    with past.at(now()):
        for model in apps.get_models(include_auto_created=True):
            try:
                list(model._base_manager.all()[:1])
            except CannotRebuild:
                refused.add(model._meta.db_table)
                continue
            if model._meta.db_table not in past.TIMELESS | past.EMPTY:
                empty.add(model._meta.db_table)
    assert empty == set(past.tables())
    assert {"accounts_lockout", "core_counter", "trail_pending", "registry_modeluserpermission"} <= refused


def test_nothing_is_written(world, evidence):
    name = world.model.name
    with past.at(now()):
        for write in (
            lambda: Model.objects.filter(slug="lotx").update(name="Changed"),
            lambda: Model.objects.filter(slug="lotx").delete(),
            lambda: (
                list(Model.objects.select_for_update())
                if connection.features.has_select_for_update
                else write_raw()
            ),
            write_raw,
        ):
            with pytest.raises(CannotRebuild), transaction.atomic():
                write()
    assert Model.objects.get(slug="lotx").name == name


def write_raw() -> None:
    with connection.cursor() as cursor:
        cursor.execute("INSERT INTO core_counter (name, value) VALUES ('x', 1)")


def test_a_password_is_of_no_moment(world):
    with past.at(now()):
        found = User.objects.get(username="owner")
    assert (found.password, found.last_login, found.printed_name) == ("", None, "Owner Person")


def test_today_in_the_middle_of_then(world, evidence):
    """Who may see what is asked of today's tables, inside one query about then."""
    held = Assignment.objects.active().get(person=world.colleague, scope_kind="registry.model")
    moment = now()
    end_assignment(world.owner, held.pk, reason="Moved on")
    sql = 'SELECT "a"."id" FROM "access_assignment" INNER JOIN "accounts_user" U0 ON (1 = 1)'
    with past.at(moment) as here:
        assert Assignment.objects.active().filter(pk=held.pk).exists()
        assert past.of_then(past.of_today(sql), here) == past.of_today(sql)
        with today():
            assert not Assignment.objects.active().filter(pk=held.pk).exists()


def test_moments_do_not_nest(world):
    with past.at(now()), pytest.raises(RuntimeError), past.at(now()):
        pass


def test_every_record_that_was_read_is_checked_and_no_other(world, evidence):
    deviation = opened(world, evidence)
    with past.at(now()) as here:
        found = Deviation.objects.select_related("version").get()
        Model.objects.count()
    assert here.seen == {Deviation: {deviation.pk}, Version: {found.version_id}}
    checked = confirm(here)
    assert (checked.records, checked.faults, checked.verified) == (2, (), True)


def test_more_records_than_one_query_takes_are_all_checked(world, evidence, monkeypatch):
    monkeypatch.setattr("apps.trail.confirmed.MANY", 3)
    with past.at(now()) as here:
        people = {person.pk for person in User.objects.all()}
        list(Assignment.objects.all())
    assert len(people) > 3
    checked = confirm(here)
    assert checked.records == len(people) + Assignment.objects.count()
    assert checked.verified


def test_confirming_costs_one_query_a_kind_and_two(world, evidence, django_assert_num_queries):
    with past.at(now()) as here:
        list(User.objects.all())
        list(Assignment.objects.all())
    with django_assert_num_queries(4):
        confirm(here)


def test_a_table_is_found_by_its_place_alone():
    """A column that has a table's name before it is no table, and an alias stays."""
    here = past.World(now())
    rest = 'WHERE NOT (U0."a" IS DISTINCT FROM "registry_model"."b")'
    sql = f'SELECT "registry_model"."id" FROM "registry_model" U0 {rest}'
    made = past.of_then(sql, here)
    assert made.startswith('SELECT "registry_model"."id" FROM (SELECT h."id"')
    assert made.endswith(f") U0 {rest}")
    assert len(re.findall("registry_historicalmodel", made)) == 2
