"""A replaced or emptied database beside the folders of an older log is a finding, until an operator retires it."""

from __future__ import annotations

import json
import shutil

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from apps.access.acts import retire_log
from apps.access.acts.install import installer
from apps.trail import identity, keys, others, sealer, sealing, triggers, verifier
from apps.trail.models import Entry
from apps.trail.testing import without_triggers
from tests.trail.conftest import tell_story


def findings():
    return {(each.detector, each.row) for each in verifier.verify().findings}


def replaced(desk):
    """The database emptied by its owner, who lets the portal begin a new log and carry on."""
    former = identity.keys().origin
    with without_triggers(), connection.cursor() as cursor:
        for table in ("trail_log", "trail_entry", "trail_leaf", "trail_node", "trail_checkpoint"):
            cursor.execute(f"DELETE FROM {table}")
        for table in ("trail_pending", "trail_signature", "accounts_apitoken", "accounts_historicaluser"):
            cursor.execute(f"DELETE FROM {table}")
        for table in ("accounts_historicalapitoken", "accounts_user"):
            cursor.execute(f"DELETE FROM {table}")
        if connection.vendor == "sqlite":
            cursor.execute("DELETE FROM sqlite_sequence")
    identity.forget()
    identity.establish()
    assert identity.keys().origin != former
    tell_story(desk)
    return former


def test_a_replaced_database_is_found(story, desk):
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert findings() == set()
    former = replaced(desk)
    assert findings() == {("other log", former)}
    shutil.rmtree(keys.folder(former))
    assert findings() == {("other log", former)}, "the witness copy alone tells it"
    others.retire(former, by="root", reason="Moved to another machine", log=identity.keys().origin)
    assert findings() == set()


def test_a_retired_file_that_cannot_be_read_is_a_finding(story):
    others.retired_path().write_text("{}\n")
    assert findings() == {("other log", "retired")}
    others.retired_path().write_text("not JSON\n")
    assert findings() == {("other log", "retired")}


@pytest.fixture
def former(world, settings, tmp_path):
    """The world's own log in a data folder of its own, beside the folders of another log."""
    present = identity.keys().origin
    for place in others.PLACES:
        source = settings.COUNTERSIGN_DATA / place / present
        if source.exists():
            shutil.copytree(source, tmp_path / place / present)
    settings.COUNTERSIGN_DATA = tmp_path
    return keys.create(keys.new_origin()).origin


def test_the_operator_retires_a_log(former, django_capture_on_commit_callbacks, capsys):
    assert ("other log", former) in findings()
    with django_capture_on_commit_callbacks(execute=True):
        call_command("retire_log", former, reason="The test installation of last week")
    assert former in capsys.readouterr().out
    assert ("other log", former) not in findings()
    line = others.retired()[former]
    assert line["reason"] == "The test installation of last week"
    assert line["log"] == identity.keys().origin
    assert line["by"]
    entry = Entry.objects.get(act="access.retire_log", kind="act")
    facts = json.loads(entry.body)
    assert facts["reason"] == line["reason"]
    assert facts["facts"] == {"origin": former, "operator": line["by"]}


@pytest.mark.parametrize("origin", ["present", "countersign-0000000000000000", "../keys"])
def test_what_cannot_be_retired_exits_2(former, origin):
    origin = identity.keys().origin if origin == "present" else origin
    with pytest.raises(CommandError) as told:
        call_command("retire_log", origin, reason="because")
    assert told.value.returncode == 2
    assert not others.retired_path().exists()


def test_no_log_is_retired_without_a_reason_or_by_a_person(former, world):
    from apps.core.errors import BadInput, NotAllowed

    with pytest.raises(BadInput):
        retire_log(installer(), origin=former, operator="root", reason=" ")
    with pytest.raises(NotAllowed):
        retire_log(world.administrator, origin=former, operator="root", reason="because")


def test_refusals_are_sealed_at_once(committed, desk):
    """An attempt that changed nothing cannot be taken out of the queue: it never waits there."""
    from django.db import transaction

    from apps.trail.models import Leaf, Pending
    from apps.trail.writer import Who, record

    for kind in ("refusal", "event"):
        with transaction.atomic():
            entry = record(kind=kind, act="access.sign_in", actor=Who.of(committed.ben))
        assert Leaf.objects.filter(entry_id=entry.pk).exists()
    desk.rename(committed.ben, "Ben Waiting", by=committed.anna)
    assert Pending.objects.exists(), "what its rows remember may wait for the sealer"
    assert sealer.seal() == 2
    assert triggers.faults(connection) == []


def test_the_sealer_seals_within_a_second_and_beat_stands_behind_it(settings):
    assert sealing.INTERVAL <= 1
    assert settings.CELERY_BEAT_SCHEDULE["trail.seal"]["schedule"] <= 15
