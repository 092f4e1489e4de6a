"""Every attack on a real history is found and located; every one is shown to have changed something."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager

import pytest
from django.db import connection

from apps.trail import triggers, verifier
from apps.trail.testing import without_triggers
from tests.trail.attacks import ATTACKS, SIGNATURES, TOKEN_HISTORY, TOKENS, USER_HISTORY, USERS

ATTACKED = [
    *("trail_log", "trail_entry", "trail_leaf", "trail_node", "trail_checkpoint", "trail_pending"),
    *(SIGNATURES, USERS, USER_HISTORY, TOKENS, TOKEN_HISTORY),
]


def dump() -> str:
    """A digest of every table an attack may touch."""
    told = hashlib.sha256()
    with connection.cursor() as cursor:
        for table in ATTACKED:
            cursor.execute(f'SELECT * FROM "{table}" ORDER BY 1')
            told.update(repr(cursor.fetchall()).encode())
    return told.hexdigest()


@contextmanager
def as_owner():
    """The triggers off, as the owner of the tables can have them."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # else the pending checks keep the triggers on
    with without_triggers():
        yield


@pytest.mark.parametrize("each", ATTACKS, ids=lambda each: each.name)
def test_attack_is_found_and_located(each, story, desk):
    if each.only and connection.vendor != each.only:
        pytest.skip(f"only {each.only} has no honest gaps in its ids")
    if each.unsealed:
        desk.rename(story.ben, "Unsealed Cole", by=story.anna)
        desk.event(story.ben)
    assert verifier.verify().findings == []
    with as_owner():
        before = dump()
        row = each.do()
        assert dump() != before, "the attack changed nothing"
    found = [(one.detector, one.table, one.row, one.field) for one in verifier.verify().findings]
    wanted = (each.detector, each.table, "" if row is None else str(row), each.field)
    assert wanted in found, f"wanted {wanted}, found {found}"


def test_edited_history_is_told_with_old_and_new_value(story):
    with as_owner(), connection.cursor() as cursor:
        cursor.execute(f"UPDATE {USER_HISTORY} SET printed_name = 'Somebody Else' WHERE history_id = 2")
    lines = [finding.line() for finding in verifier.verify().findings]
    assert any(
        "'Ben Cole'" in line and "'Somebody Else'" in line and "printed_name" in line for line in lines
    )


def test_missing_and_gutted_triggers_are_found(story):
    triggers.drop(connection, only=[USER_HISTORY])
    missing = verifier.verify().findings
    triggers.install(connection)
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("DROP TRIGGER trail_pend")
            cursor.execute("CREATE TRIGGER trail_pend AFTER INSERT ON trail_entry BEGIN SELECT 1; END")
        else:
            cursor.execute(
                "CREATE OR REPLACE FUNCTION trail_pend() RETURNS trigger LANGUAGE plpgsql "
                "AS $$ BEGIN RETURN NULL; END $$"
            )
    gutted = verifier.verify().findings
    triggers.install(connection)
    assert {(one.detector, one.table) for one in missing} == {("triggers", USER_HISTORY)}
    assert {(one.detector, one.table) for one in gutted} == {("triggers", "trail_entry")}
    assert verifier.verify().findings == []
