"""A column that comes later changes nothing of what was written before it, and what comes after is covered whole."""

from __future__ import annotations

import inspect
import json
import uuid

import pytest
from django.db import connection, models, transaction
from django.db.migrations.operations import AddField, AlterField

from apps.accounts.models import User
from apps.core import registries
from apps.trail import added, history, past, rowmac, sealer, standing, verifier
from apps.trail.confirmed import confirm
from apps.trail.identity import keys
from apps.trail.models import Checkpoint, Entry, Signature
from apps.trail.statements import signature_mac_content
from apps.trail.testing import without_triggers
from apps.trail.watched import history_models
from apps.trail.writer import database_now
from tests.trail.later import PAST, a_column_more


def macs():
    return dict(PAST.objects.values_list("history_id", "mac"))


def findings():
    return [(each.detector, each.row, each.field) for each in verifier.verify().findings]


def sql(text, *values):
    with without_triggers(), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(text, values)


def test_a_column_added_later_breaks_nothing_and_is_covered_from_then_on(committed, desk):
    before, statements = macs(), list(Signature.objects.values_list("pk", "statement_digest", "mac"))
    moment, size = database_now(), Checkpoint.objects.latest("size").size
    sealed = list(Entry.objects.order_by("id").values_list("id", "digest", "mac"))
    old = rowmac.columns_now(PAST)
    with a_column_more():
        now = rowmac.columns_now(PAST)
        assert set(now.columns) - set(old.columns) == {"badge"}
        assert now.name != old.name

        # What was written is as it was: row MACs, entries, signatures; whatever looks at them finds nothing.
        assert macs() == before
        assert list(Entry.objects.order_by("id").values_list("id", "digest", "mac"))[: len(sealed)] == sealed
        assert list(Signature.objects.values_list("pk", "statement_digest", "mac")) == statements
        for row in Signature.objects.all():
            assert keys().mac(signature_mac_content(row)) == row.mac
        assert findings() == []
        assert standing.faults(User.objects.get(pk=committed.anna.pk)) == []
        with past.at(moment) as then:
            assert User.objects.get(pk=committed.ben.pk).badge == "none yet"
        assert confirm(then).faults == ()

        # What comes now is covered with the new column.
        ben = User.objects.get(pk=committed.ben.pk)
        ben.badge = "green"
        desk.act("accounts.change", lambda: desk._saved(ben), by=committed.anna)
        newest = PAST.objects.filter(id=ben.pk).latest("history_id")
        assert rowmac.named(newest.mac) == now.name
        assert findings() == []
        sealer.seal()
        assert verifier.verify(since=size).findings == []

        # On a new row it cannot be changed, nor on an old one, where the migration put it.
        table = PAST._meta.db_table
        sql(f'UPDATE "{table}" SET badge = %s WHERE history_id = %s', "red", newest.pk)
        assert ("mac", str(newest.pk), "mac") in findings()
        sql(f'UPDATE "{table}" SET badge = %s WHERE history_id = %s', "green", newest.pk)
        first = PAST.objects.get(pk=min(before))
        sql(f'UPDATE "{table}" SET printed_name = %s WHERE history_id = %s', "Eve", first.pk)
        assert ("mac", str(first.pk), "mac") in findings()
        sql(f'UPDATE "{table}" SET printed_name = %s WHERE history_id = %s', first.printed_name, first.pk)
        assert findings() == []

        # On a row of before, the new column holds what the migration put: an edit is seen, here and as of then.
        gone = PAST.objects.filter(id=ben.pk).exclude(pk=newest.pk).latest("history_id")
        assert rowmac.named(gone.mac) == old.name
        sql(f'UPDATE "{table}" SET badge = %s WHERE history_id = %s', "forged", gone.pk)
        assert findings() == [("history", str(gone.pk), "badge")]
        with past.at(moment) as then:
            assert User.objects.get(pk=committed.ben.pk).badge == "forged"
        assert [fault.table for fault in confirm(then).faults] == [table]
        sql(f'UPDATE "{table}" SET badge = %s WHERE history_id = %s', "none yet", gone.pk)
        assert findings() == []

    # The release before cannot tell what the newer one wrote: said for each row, by the name of the column.
    told = [each for each in verifier.verify().findings if each.detector == "mac"]
    assert [each.row for each in told] == [str(newest.pk)]
    assert told[0].detail.endswith("columns that are gone: badge")


@pytest.fixture
def row(db, desk):
    anna = desk.person("anna", "Anna Berg")
    return PAST.objects.get(id=anna.pk)


def test_a_mac_names_its_columns(row):
    now = rowmac.columns_now(PAST)
    name, code = row.mac.split(":")
    assert (name, len(code), len(row.mac)) == (now.name, 56, 64)
    assert "printed_name" in now.columns
    assert not {"history_id", "mac"} & set(now.columns)
    assert rowmac.columns_of(PAST._meta.db_table, reversed(now.columns)) == now
    assert rowmac.columns_of("another", now.columns).name != now.name
    assert rowmac.Judge(PAST, keys()).fault_of(row) == ""


@pytest.mark.parametrize(
    ("mac", "fault"),
    [
        ("0000000:{code}", rowmac.UNKNOWN),
        ("{code}{code}", rowmac.FORGED),
        ("", rowmac.FORGED),
        ("{name}:é{code}", rowmac.FORGED),
        ("{name}:{flipped}", rowmac.FORGED),
    ],
)
def test_a_mac_that_names_nothing_known_does_not_hold(row, mac, fault):
    name, code = row.mac.split(":")
    flipped = ("0" if code[0] != "0" else "1") + code[1:]
    row.mac = mac.format(name=name, code=code, flipped=flipped)
    assert rowmac.Judge(PAST, keys()).fault_of(row) == fault


def test_a_set_of_columns_is_believed_only_when_its_name_fits(row):
    """Who owns the database may let an entry tell other columns: the name is their digest, the code covers it."""
    known = json.loads(Entry.objects.get(kind="row", row_id=row.pk, table_name=PAST._meta.db_table).body)[
        "row"
    ]
    fewer = rowmac.columns_of(PAST._meta.db_table, set(known) - {"is_active"})
    assert fewer.name != rowmac.columns_now(PAST).name
    assert rowmac.find_columns(PAST, fewer.name) is None


def test_every_content_that_is_signed_names_its_schema():
    """A content lists its fields by name, under a schema: a column added later is in none of them."""
    assert len(list(registries.content)) > 15
    for kind in registries.content:
        assert f'"{kind}/' in inspect.getsource(registries.content[kind]), kind


def test_what_a_migration_put_is_read_from_the_migrations():
    """Of every column that came to a history table later, by the files; a default of today is not asked."""
    told = {}
    for model in history_models():
        fields = {field.name.lower(): field for field in model._meta.concrete_fields}
        for (app, name, field), operations in added._operations().items():
            of_this = (app, name) == (model._meta.app_label, model._meta.model_name)
            if of_this and field in fields and any(isinstance(each, AddField) for each in operations):
                told[model._meta.db_table, field] = added.put(model, fields[field])
    assert len(told) > 5
    assert told["accounts_historicaluser", "password_mark"] == ""
    assert all(value is None or isinstance(value, str | int | bool | list | dict) for value in told.values())


@pytest.mark.parametrize(
    ("operations", "value"),
    [
        ([AddField("a", "x", models.CharField(default="old"))], "old"),
        ([AddField("a", "x", models.CharField(null=True))], None),
        (
            [
                AddField("a", "x", models.CharField(null=True)),
                AlterField("a", "x", models.CharField(default="new")),
            ],
            "new",
        ),
        (
            [
                AddField("a", "x", models.CharField(default="old")),
                AlterField("a", "x", models.CharField(default="b")),
            ],
            "old",
        ),
        ([AddField("a", "x", models.JSONField(default=list))], []),
        ([AddField("a", "x", models.UUIDField(default=uuid.uuid4))], added.UNTOLD),
        ([], "of today"),
    ],
)
def test_the_value_of_a_column_that_came_later(monkeypatch, operations, value):
    field = models.CharField(default="of today")
    field.set_attributes_from_name("x")
    place = (PAST._meta.app_label, PAST._meta.model_name, "x")
    monkeypatch.setattr(added, "_operations", lambda: {place: operations})
    assert added.put(PAST, field) == value


def test_what_a_migration_does_not_tell_again_is_at_least_one_value(monkeypatch):
    monkeypatch.setattr(added, "put", lambda _model, _field: added.UNTOLD)
    covered = [each for each in history.covered(PAST) if each[1] in ("email", "username")]
    judge = added.Added(PAST, covered)
    assert list(judge.faults(["username"], ["a@b", "anna"])) == []
    assert list(judge.faults(["username"], ["a@b", "ben"])) == []
    assert [column for column, _ in judge.faults(["username"], ["c@d", "ben"])] == ["email"]
