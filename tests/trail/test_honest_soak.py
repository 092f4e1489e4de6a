"""No false alarm: honest acts, rolled-back and crashed ones, backup and restore, a column that comes later."""

from __future__ import annotations

import os
import random
import sqlite3
from contextlib import ExitStack, closing, suppress

import pytest
from django.db import connection, connections, transaction

from apps.accounts.models import User
from apps.trail import sealer, verifier, witness
from apps.trail.identity import keys
from apps.trail.models import Entry
from tests.trail.children import Child
from tests.trail.later import a_column_more

SAMPLE, SOAK = 120, 100_000
LOOKS = 4


class GaveUp(Exception):
    """The act that is taken back."""


class Day:
    """Operations drawn by chance, and how often each was carried out."""

    def __init__(self, committed, desk, folder, seed):
        self.people, self.desk, self.folder = committed, desk, folder
        self.random = random.Random(seed)
        self.done = dict.fromkeys(("act", "event", "signature", "rolled back", "crash"), 0)

    def carry_out(self, count):
        kinds = ["act"] * 60 + ["event"] * 20 + ["rolled back"] * 10 + ["signature"] * 10
        crashes = {self.random.randrange(count) for _ in range(max(1, count // 2000))}
        for number in range(count):
            kind = "crash" if number in crashes else self.random.choice(kinds)
            getattr(self, kind.replace(" ", "_"))()
            self.done[kind] += 1
            if self.random.random() < 0.05:
                sealer.seal()

    def act(self):
        self.desk.rename(self.people.ben, f"Ben {self.random.getrandbits(60)} é", by=self.people.anna)

    def event(self):
        self.desk.event(self.people.ben)

    def signature(self):
        self.desk.sign(self.people.anna, self.people.ben)

    def rolled_back(self):
        with suppress(GaveUp), transaction.atomic():
            self.act()
            self.event()
            raise GaveUp

    def crash(self):
        """A process that ends between an act's writes and its commit."""

        def work():
            with transaction.atomic():
                self.act()
                os._exit(9)

        assert Child(work, self.folder / "crash").wait() == 9


def nothing_found():
    sealer.seal()
    witness.catch_up(keys().origin)
    result = verifier.verify()
    assert result.findings == []
    assert result.checked["entries"] == Entry.objects.count()


def back_up_and_restore(folder):
    """SQLite: into a file and back. (PostgreSQL: test_cluster.py, by pg_dump into another database.)"""
    live, kept = connection.settings_dict["NAME"], folder / "backup.sqlite3"
    connections.close_all()
    for one, other in ((live, kept), (kept, live)):
        with closing(sqlite3.connect(one)) as source, closing(sqlite3.connect(other)) as target:
            source.backup(target)


def a_long_day(committed, desk, folder, count):
    day = Day(committed, desk, folder, seed=20261122)
    with ExitStack() as later:
        for look in range(LOOKS):
            if look == LOOKS // 2:
                if connection.vendor == "sqlite":
                    back_up_and_restore(folder)
                    nothing_found()
                later.enter_context(a_column_more())  # the rest is written by the release that has it
                nothing_found()
                day.people.anna, day.people.ben = (
                    User.objects.get(pk=each.pk) for each in (committed.anna, committed.ben)
                )
            day.carry_out(count // LOOKS)
            nothing_found()
    assert sum(day.done.values()) == count // LOOKS * LOOKS
    print(f"{sum(day.done.values())} operations, {Entry.objects.count()} entries, no finding: {day.done}")


def test_a_sample_of_honest_operations_raises_no_alarm(committed, desk, tmp_path):
    a_long_day(committed, desk, tmp_path, SAMPLE)


@pytest.mark.soak
def test_a_hundred_thousand_honest_operations_raise_no_alarm(committed, desk, tmp_path):
    a_long_day(committed, desk, tmp_path, SOAK)
