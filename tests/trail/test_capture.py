"""What is written, by whom it may be written, and that nothing written is changed: on the database itself."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from uuid import UUID

import pytest
from django.db import DatabaseError, connection, models, transaction
from simple_history.utils import bulk_create_with_history

from apps.accounts.models import ApiToken, User
from apps.trail import triggers
from apps.trail.checks import triggers_stand
from apps.trail.current import WriteOutsideAct, opened
from apps.trail.history import stable
from apps.trail.models import Checkpoint, Entry, Leaf, Log, Pending, Signature
from apps.trail.preimages import body_digest, stamp
from apps.trail.watched import watched_tables
from apps.trail.writer import NoTransaction, Who, database_now, record


def test_an_act_leaves_a_row_entry_and_an_act_entry(story):
    entry = Entry.objects.filter(kind="act", act="accounts.change").first()
    rows = list(Entry.objects.filter(kind="row", act_id=entry.act_id))
    history = User.history.model.objects.get(act_id=entry.act_id)
    body = json.loads(entry.body)
    assert body["rows"] == [["accounts_historicaluser", history.history_id, history.mac]]
    assert body["actor"]["name"] == "Anna Berg"
    assert body["actor"]["duties"] == ["approver on registry.model:1"]
    assert (entry.actor_name, entry.subject_kind, entry.scope) == (
        "Anna Berg",
        "accounts.user",
        "organisation:0",
    )
    assert entry.digest == body_digest(entry.salt, entry.body)
    assert [(row.table_name, row.row_id, row.subject_kind, row.subject_id) for row in rows] == [
        ("accounts_historicaluser", history.history_id, "accounts.user", str(story.ben.pk))
    ]
    assert json.loads(rows[0].body)["row"]["printed_name"] == "Benjamin Cole"
    assert (history.history_user, history.history_change_reason) == (story.anna, "because")


def test_the_time_is_the_databases(story):
    before = database_now()
    with transaction.atomic():
        entry = record(kind="event", act="accounts.sign_in", actor=Who.of(story.ben))
    entry.refresh_from_db()
    assert before <= entry.at <= database_now()
    assert before.tzinfo is not None


def test_a_record_with_history_is_not_written_outside_an_act(story):
    story.ben.printed_name = "Nobody"
    with pytest.raises(WriteOutsideAct), transaction.atomic():
        story.ben.save()
    story.ben.refresh_from_db()
    assert story.ben.printed_name == "Ben Cole"


def test_rows_without_an_entry_do_not_commit(story):
    story.ben.printed_name = "Nobody"
    with (
        pytest.raises(WriteOutsideAct, match="without its entry"),
        transaction.atomic(),
        opened("accounts.change", user_id=story.anna.pk),
    ):
        story.ben.save()
    story.ben.refresh_from_db()
    assert story.ben.printed_name == "Ben Cole"


def test_acts_do_not_nest(story):
    with opened("a.b", user_id=None), pytest.raises(WriteOutsideAct), opened("c.d", user_id=None):
        raise AssertionError("not reached")


def test_an_entry_needs_a_transaction(transactional_db):
    with pytest.raises(NoTransaction):
        record(kind="event", act="accounts.sign_in")


def test_an_entry_takes_no_floats(story):
    with pytest.raises(ValueError, match="float"), transaction.atomic():
        record(kind="event", act="analysis.run", body={"share": 0.1})


def test_bulk_helpers_without_an_act_are_refused_by_the_database(story):
    people = [User(username="eve", printed_name="Eve", created_at=database_now())]
    with pytest.raises(DatabaseError, match="without an act"), transaction.atomic():
        bulk_create_with_history(people, User, default_change_reason="By hand")
    assert not User.objects.filter(username="eve").exists()


def test_a_raw_insert_into_history_is_told_by_the_trigger(story):
    table = User.history.model._meta.db_table
    with connection.cursor() as cursor:
        names = [each.name for each in connection.introspection.get_table_description(cursor, table)]
        columns = ", ".join(f'"{name}"' for name in names if name != "history_id")
        cursor.execute(f"INSERT INTO {table} ({columns}) SELECT {columns} FROM {table} WHERE history_id = 2")
    told = Entry.objects.filter(kind="row", table_name=table).last()
    assert told.row_id == User.history.model.objects.order_by("history_id").last().history_id
    assert Pending.objects.filter(pk=told.pk).exists()


def frozen_rows():
    return [
        (Entry, "act", "x"),
        (Leaf, "hash", "x"),
        (Checkpoint, "note", "x"),
        (Log, "origin", "x"),
        (Signature, "reason", "x"),
        (User.history.model, "printed_name", "x"),
        (ApiToken.history.model, "name", "x"),
    ]


@pytest.mark.parametrize(
    ("model", "column", "value"), frozen_rows(), ids=lambda value: getattr(value, "__name__", "")
)
def test_trail_and_history_are_append_only(story, model, column, value):
    rows = model._default_manager.all()
    assert rows.exists()
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        rows.update(**{column: value})
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        rows._raw_delete(using="default")
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else PostgreSQL refuses for another reason
            with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
                cursor.execute(f'TRUNCATE "{model._meta.db_table}" CASCADE')


def test_grants_and_memberships_are_told_with_changes_and_the_act(story):
    """Tables without an act column: the trigger asks for the act under way."""
    groups = User.groups.through
    from django.contrib.auth.models import Group

    group = Group.objects.create(name="inspectors")
    with opened("access.assign", user_id=story.anna.pk) as act:
        story.ben.groups.add(group)
        story.ben.groups.remove(group)
    told = Entry.objects.filter(table_name=groups._meta.db_table)
    assert [(json.loads(entry.body)["op"], entry.act_id) for entry in told] == [
        ("insert", act.act_id),
        ("delete", act.act_id),
    ]


def test_every_history_table_is_watched_and_frozen():
    tables = {one.table for one in watched_tables()}
    assert {"accounts_historicaluser", "trail_signature", "accounts_user_groups"} <= tables
    assert any(table.startswith("guardian_") or "permission" in table for table in tables)


def test_the_system_check_tells_of_a_missing_trigger(story):
    assert triggers_stand(databases=["default"]) == []
    triggers.drop(connection, only=["accounts_historicaluser"])
    messages = triggers_stand(databases=["default"])
    triggers.install(connection)
    assert messages
    assert all(message.is_serious() and "accounts_historicaluser" in message.msg for message in messages)


@pytest.mark.parametrize(
    ("field", "written", "read"),
    [
        (models.DecimalField(max_digits=9, decimal_places=3), Decimal("1.5"), Decimal("1.500")),
        (models.DecimalField(max_digits=9, decimal_places=3), "1.5", 1.5),
        (
            models.DateTimeField(),
            datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9))),
            datetime(2026, 1, 1, tzinfo=UTC),
        ),
        (models.JSONField(), {"b": 1.0, "a": (1, 2)}, {"a": [1, 2], "b": 1}),
        (models.JSONField(), {1: 1e20}, {"1": 100000000000000000000}),
        (models.JSONField(), [1.5e300], [15 * 10**299]),
        (models.BooleanField(), True, 1),
        (models.UUIDField(), UUID(int=5), str(UUID(int=5))),
        (models.FloatField(), 0.1, "0.1"),
        (models.IntegerField(null=True), None, None),
        (models.DateField(), "2026-01-01", date(2026, 1, 1)),
    ],
)
def test_values_have_one_form_before_writing_and_after_reading(field, written, read):
    assert stable(field, written) == stable(field, read)


def test_different_values_have_different_forms():
    decimal = models.DecimalField(max_digits=9, decimal_places=3)
    assert stable(decimal, "1.5") != stable(decimal, "1.501")
    assert stable(models.JSONField(), [1]) != stable(models.JSONField(), ["1"])


def test_stamps_of_both_databases_agree():
    when = datetime(2026, 11, 21, 10, 19, 20, 120000, tzinfo=UTC)
    assert stamp(when) == stamp("2026-11-21 10:19:20.12") == "2026-11-21T10:19:20.120000Z"
    assert stamp("2026-11-21 10:19:20") == "2026-11-21T10:19:20.000000Z"
