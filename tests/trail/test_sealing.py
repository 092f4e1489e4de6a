"""The sealer's process: one at a time, killed anywhere, on a full disk, with a clock set back. Nothing is lost."""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection, transaction

from apps.accounts.models import User
from apps.trail import clocks, sealer, sealing, verifier, witness
from apps.trail.identity import keys
from apps.trail.models import Checkpoint, Entry, Leaf, Pending
from apps.trail.testing import without_triggers
from apps.trail.writer import record
from tests.trail.children import Child, until
from tests.trail.conftest import Desk
from tests.worker import database_url

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """`manage.py seal_trail --watch` on the test's database."""

    def __init__(self, folder: Path) -> None:
        self.ready = folder / f"ready-{random.getrandbits(40)}"
        self.log = self.ready.with_suffix(".log")
        environment = {
            **os.environ,
            "DJANGO_SETTINGS_MODULE": "portal.settings.test",
            "DATABASE_URL": database_url(connection.settings_dict),
            "COUNTERSIGN_BOOTSTRAP": "off",
            "COUNTERSIGN_READY_FILE": str(self.ready),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "seal_trail", "--watch"],
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        until(self.ready.exists, 90, self.said)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")


@pytest.fixture
def start(tmp_path):
    started = []

    def one():
        started.append(Process(tmp_path))
        return started[-1]

    yield one
    for each in started:
        each.process.kill()
        each.process.wait()


def whole():
    """Every entry is sealed, in the witness copy too, and the trail verifies."""
    assert Pending.objects.count() == 0
    assert Leaf.objects.count() == Entry.objects.count() == Checkpoint.objects.order_by("size").last().size
    sizes = [line["size"] for line in witness.lines(keys().origin)]
    assert sizes == list(Checkpoint.objects.order_by("size").values_list("size", flat=True))
    assert verifier.verify().findings == []


def test_two_processes_seal_one_at_a_time_and_the_second_takes_over(committed, desk, start):
    first = start()
    second = start()
    until(lambda: "Another sealer is at work; standing by." in second.said(), told=second.said)
    desk.rename(committed.ben, "Ben First", by=committed.anna)
    until(lambda: not Pending.objects.exists(), told=first.said)
    first.process.kill()
    first.process.wait()
    until(lambda: "Sealing." in second.said(), told=second.said)
    desk.rename(committed.ben, "Ben Second", by=committed.anna)
    until(lambda: not Pending.objects.exists(), told=second.said)
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(20) == 0
    whole()


def test_kill_9_anywhere_loses_nothing(committed, tmp_path):
    """A writer at full speed, and one sealer after another killed at moments of chance."""
    chance = random.Random(20261121)
    acknowledged = tmp_path / "acknowledged"

    def write():
        desk, anna, ben = Desk(), User.objects.get(username="anna"), User.objects.get(username="ben")
        with acknowledged.open("ab", buffering=0) as file:
            for number in range(100_000):
                desk.rename(ben, f"Ben {number}", by=anna)
                file.write(f"{number}\n".encode())

    def seal():
        sealing.INTERVAL = 0.0
        sealing.watch(threading.Event(), lambda _: None)

    writer = Child(write, tmp_path / "writer")
    for number in range(25):
        sealing_child = Child(seal, tmp_path / f"sealer-{number}")
        try:
            threading.Event().wait(chance.uniform(0.03, 0.6))
        finally:
            sealing_child.kill()
        assert sealing_child.text() == ""
    writer.kill()
    assert writer.text() == ""
    told = acknowledged.read_text().splitlines()
    assert len(told) > 20, "the writer wrote"
    # On a busy machine most are killed before they are through with what waits.
    assert Checkpoint.objects.count() > 1, "the sealers sealed"
    sealer.seal()
    witness.catch_up(keys().origin)
    renamed = Entry.objects.filter(kind="act", act="accounts.change", subject_id=str(committed.ben.pk))
    assert renamed.count() - 2 in (len(told), len(told) + 1), "what was acknowledged is there"
    whole()


def limited(bytes_more):
    """A full disk: no file may grow beyond the witness copy plus `bytes_more`."""
    size = witness.path(keys().origin).stat().st_size + bytes_more
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    sealer.seal()


@pytest.mark.parametrize("bytes_more", [0, 30])
def test_a_disk_that_fills_up_while_sealing_loses_nothing(committed, desk, tmp_path, bytes_more):
    """On SQLite the database itself cannot be written, on PostgreSQL the witness copy is cut in a line."""
    desk.rename(committed.ben, "Ben Full", by=committed.anna)
    waiting = Pending.objects.count()
    child = Child(lambda: limited(bytes_more), tmp_path / "said")
    assert child.wait() == 1
    assert "File too large" in child.text() or "disk" in child.text(), child.text()
    if connection.vendor == "sqlite":
        assert Pending.objects.count() == waiting
    assert verifier.verify().findings == []
    stop = threading.Event()
    threading.Timer(1.0, stop.set).start()
    sealing.watch(stop, lambda _: None)
    whole()


def test_a_line_cut_off_by_a_kill_is_written_again(committed, desk):
    place = witness.path(keys().origin)
    text = place.read_bytes()
    place.write_bytes(text[:-20])
    assert len(list(witness.lines(keys().origin))) == len(text.splitlines()) - 1
    desk.rename(committed.ben, "Ben Cut", by=committed.anna)
    sealer.seal()
    assert place.read_bytes().startswith(text)
    whole()


@pytest.mark.parametrize("fault", ["fork", "keys", "database"])
def test_what_stops_the_sealer_is_said_and_it_stays(committed, desk, monkeypatch, fault):
    from django.db import OperationalError

    from apps.trail.keys import KeyMissing

    errors = {
        "fork": sealer.ForkRefused("The witness copy holds more."),
        "keys": KeyMissing("The keys cannot be read."),
        "database": OperationalError("the database is away"),
    }
    desk.rename(committed.ben, "Ben Stopped", by=committed.anna)
    said, stop, tried = [], threading.Event(), []

    def failing(**_):
        tried.append(1)
        if len(tried) == 3:
            monkeypatch.undo()
            stop.set()
        raise errors[fault]

    monkeypatch.setattr(sealing, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(sealer, "seal", failing)
    sealing.watch(stop, said.append)
    assert said == [f"Nothing is sealed: {errors[fault]} What waits is kept."], "said once"
    assert len(tried) == 3
    sealer.seal()
    whole()


def test_a_clock_set_back_is_told_in_the_trail(story, desk, monkeypatch):
    desk.rename(story.ben, "Ben Late", by=story.anna)
    look = sealer._look

    def earlier(*asked):
        locked, before, now, still = look(*asked)
        return locked, before, now - timedelta(hours=2), still

    with monkeypatch.context() as patch:
        patch.setattr(sealer, "_look", earlier)
        assert sealer.seal() == 3
    desk.rename(story.ben, "Ben Later", by=story.anna)
    told = Entry.objects.get(act=clocks.ACT)
    assert told.kind == "seal"
    assert '"size":' in told.body
    assert Leaf.objects.filter(entry_id=told.pk).exists()
    sealer.seal()
    witness.catch_up(keys().origin)
    assert verifier.verify().findings == []


def test_a_step_back_that_nobody_told_is_a_finding(story):
    sealer.seal()
    newest = Checkpoint.objects.order_by("size").last()
    with without_triggers():
        at = newest.created_at - timedelta(days=3)
        Checkpoint.objects.filter(pk=newest.pk).update(created_at=at)
    found = verifier.verify().findings
    assert {one.detector for one in found} == {"clock"}
    assert ("trail_checkpoint", str(newest.size), "created_at") in {
        (one.table, one.row, one.field) for one in found
    }
    assert "trail_entry" in {one.table for one in found}


def test_the_command_seals_once_and_says_how_many(committed, desk, capsys):
    from django.core.management import call_command

    desk.rename(committed.ben, "Ben Once", by=committed.anna)
    count = Pending.objects.count()
    call_command("seal_trail")
    assert f"Sealed {count} entries." in capsys.readouterr().out
    with transaction.atomic():
        record(kind="event", act="test.event")
    call_command("seal_trail")
    assert "Sealed 0 entries." in capsys.readouterr().out
