"""`manage.py verify_trail`: exit codes, JSON, one view of the database while others write."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from apps.trail import history, sealer, triggers, verifier, watched
from apps.trail.current import opened
from apps.trail.detectors import accounts, log, rows
from apps.trail.models import Checkpoint, Entry, Leaf
from apps.trail.testing import without_triggers
from apps.trail.writer import record


def run(*arguments):
    out = io.StringIO()
    code = 0
    try:
        call_command("verify_trail", *arguments, stdout=out)
    except SystemExit as stop:
        code = stop.code
    return code, out.getvalue()


def test_an_honest_trail_exits_0(committed):
    code, told = run()
    assert code == 0
    assert told.startswith("Nothing found. Checked: ")
    code, told = run("--json")
    answer = json.loads(told)
    assert code == 0
    assert answer["ok"]
    assert answer["findings"] == []
    assert answer["checked"]["leaves"] == Leaf.objects.count() > 0
    assert answer["checked"]["signatures"] == 1


def test_an_edit_behind_the_portal_exits_1_and_names_row_and_field(committed):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_user SET email = 'x@example.org' WHERE username = 'anna'")
    code, told = run()
    assert code == 1
    assert f"accounts_user row {committed.anna.pk}, field email" in told
    assert "'anna@example.org'" in told
    assert "'x@example.org'" in told
    code, told = run("--json")
    [finding] = json.loads(told)["findings"]
    assert code == 1
    assert (finding["detector"], finding["table"], finding["row"], finding["field"]) == (
        "live",
        "accounts_user",
        str(committed.anna.pk),
        "email",
    )


def test_since_reads_only_what_came_after(committed):
    first = Checkpoint.objects.order_by("size").first()
    code, told = run("--json", "--since", str(first.size))
    answer = json.loads(told)
    assert code == 0
    assert answer["checked"]["leaves"] == Leaf.objects.count() - first.size
    with without_triggers(), connection.cursor() as cursor:
        last = Entry.objects.filter(kind="act").last().pk
        cursor.execute(
            "UPDATE trail_entry SET body = replace(body, 'because', 'by order') WHERE id = %s", [last]
        )
    assert run("--since", str(first.size))[0] == 1


def test_bad_input_exits_2(committed):
    with pytest.raises(CommandError) as told:
        run("--since", "3")
    assert told.value.returncode == 2


def test_the_act_that_asks_is_not_a_finding(story, desk):
    """A gate checks the trail inside its own act, whose entry is not written yet."""
    with transaction.atomic(), opened("approvals.evaluate", user_id=story.anna.pk) as act:
        story.ben.printed_name = "Ben Again"
        story.ben.save()
        assert verifier.verify().findings == []
        record(kind="act", act=act.name, act_id=act.act_id, rows=act.rows)


def test_progress_is_told(story):
    told = {}
    verifier.verify(progress=told.__setitem__)
    assert told["leaves"] == Leaf.objects.count()


@pytest.mark.parametrize(
    "detector", [log, rows, accounts], ids=lambda module: module.__name__.rpartition(".")[2]
)
def test_writers_are_not_stopped_and_make_no_false_alarm(committed, desk, monkeypatch, detector):
    """An act committed and sealed in the middle of a verification is not half-seen."""
    original = detector.run

    def in_between(*given):
        desk.rename(committed.ben, "Ben Meanwhile", by=committed.anna)
        sealer.seal()
        original(*given)

    monkeypatch.setattr(detector, "run", in_between)
    assert verifier.verify().findings == []
    monkeypatch.undo()
    assert verifier.verify().findings == []


def test_rows_older_than_a_column_are_checked_by_the_columns_of_their_time(story, desk, monkeypatch):
    """As after a migration that added `title` (on SQLite the trigger tells the columns it was made for)."""
    if connection.vendor != "sqlite":
        pytest.skip("PostgreSQL's trigger tells whatever columns the table has")

    now = history.covered

    def before(model):
        return tuple(each for each in now(model) if each[1] != "title")

    def watched_before():
        return [replace(one, columns=tuple(set(one.columns) - {"title"})) for one in watched.watched_tables()]

    with monkeypatch.context() as patch:
        patch.setattr(history, "covered", before)
        patch.setattr(triggers, "watched_tables", watched_before)
        triggers.install(connection)
        desk.rename(story.ben, "Ben Before", by=story.anna)
    triggers.install(connection)
    old = Entry.objects.filter(kind="row").last()
    assert "title" not in json.loads(old.body)["row"]
    assert verifier.verify().findings == []
    with without_triggers(), connection.cursor() as cursor:
        cursor.execute("UPDATE accounts_historicaluser SET email = 'x' WHERE history_id = %s", [old.row_id])
    found = {(one.detector, one.field) for one in verifier.verify().findings}
    assert {("history", "email"), ("mac", "mac")} <= found
