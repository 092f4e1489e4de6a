"""A row written by the statement that is kept is the row that Django's own `save` writes, whatever is empty in it."""

from __future__ import annotations

import itertools

import pytest
from django.db import transaction
from django.utils.safestring import SafeString

from apps.trail import inserting
from apps.trail.inserting import insert
from apps.trail.models import Entry, Kind
from apps.trail.writer import database_now

pytestmark = pytest.mark.django_db


def columns(pk: int) -> dict:
    return {key: value for key, value in Entry.objects.filter(pk=pk).values()[0].items() if key != "id"}


@pytest.mark.parametrize("text", ["", SafeString(""), "50 % of 'it' — %s", SafeString("told")])
@pytest.mark.parametrize("row_id", [None, 0, 7])
def test_it_writes_what_save_writes(text, row_id):
    given = {
        "at": database_now(),
        "kind": Kind.EVENT,
        "body": text or "{}",
        "salt": "0" * 32,
        "row_id": row_id,
    }
    given |= {"act": text, "scope": text, "actor_name": "Anna"}
    mine, theirs = Entry(**given), Entry(**given)
    insert(mine)
    theirs.save(force_insert=True)
    assert mine.pk
    assert mine._state.adding is False
    assert columns(mine.pk) == columns(theirs.pk)


def test_more_patterns_than_are_kept_are_written_all_the_same(monkeypatch):
    monkeypatch.setattr(inserting, "PATTERNS", 2)
    monkeypatch.setattr(inserting, "_made", {})
    for act, scope, name in itertools.product(["", "a"], repeat=3):
        row = Entry(
            at=database_now(),
            kind=Kind.EVENT,
            body="{}",
            salt="0" * 32,
            act=act,
            scope=scope,
            actor_name=name,
        )
        with transaction.atomic():
            insert(row)
        found = columns(row.pk)
        assert (found["act"], found["scope"], found["actor_name"]) == (act, scope, name)
    assert len(inserting._made[Entry][1].statements) == 2
