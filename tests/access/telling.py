"""What an act leaves behind, asked of the database: the entry, its row entries, the history rows, the refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from apps.accounts.models import User
from apps.core.errors import BadInput, Refused
from apps.trail.models import Entry


def body_of(entry: Entry) -> dict[str, Any]:
    return json.loads(entry.body)


def last(act: str, kind: str = "act") -> Entry:
    return Entry.objects.filter(act=act, kind=kind).latest("id")


def assert_told(act: str, *, by: User, about: Any, reason: str = "", wrote: int = 1) -> Entry:
    """The newest entry of `act` names actor, subject and reason, and accounts for `wrote` or more written rows."""
    entry = last(act)
    facts = body_of(entry)
    assert (entry.actor_uuid, entry.actor_name) == (str(by.uuid), by.printed_name)
    assert (entry.subject_kind, entry.subject_id) == (about.subject_kind, str(about.pk))
    assert facts["reason"] == reason
    assert len(facts["rows"]) >= wrote
    told = Entry.objects.filter(kind="row", act_id=entry.act_id).values_list("table_name", "row_id")
    assert {(table, row) for table, row, _mac in facts["rows"]} <= set(told)
    return entry


def assert_history(record: Any, *, act: str, by: User, reason: str = "") -> None:
    """The newest history row of `record` carries the act's id, the person and the reason."""
    row = record.history.latest()
    assert row.act_id == last(act).act_id
    assert row.act_id
    assert (row.history_user_id, row.history_change_reason) == (by.pk, reason)


@contextmanager
def refused(kind: type[Refused], rule: str, *, act: str, by: User) -> Iterator[pytest.ExceptionInfo]:
    """The block is refused by `rule`; the refusal stands in the trail with its four parts, and no act does."""
    acts = Entry.objects.filter(kind__in=["act", "row"]).count()
    refusals = Entry.objects.filter(kind="refusal").count()
    with pytest.raises(kind) as caught:
        yield caught
    error = caught.value
    assert error.rule.split(":")[0] == rule, error.rule
    assert Entry.objects.filter(kind__in=["act", "row"]).count() == acts
    if kind is BadInput:
        assert Entry.objects.filter(kind="refusal").count() == refusals
        return
    assert Entry.objects.filter(kind="refusal").count() == refusals + 1
    entry = last(act, "refusal")
    assert entry.actor_uuid == str(by.uuid)
    assert body_of(entry)["facts"].items() >= {**error.parts(), "status": error.status}.items()
