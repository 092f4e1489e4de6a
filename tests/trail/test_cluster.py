"""kill -9 of a whole PostgreSQL cluster under load: nothing acknowledged is missing, no history without its entry."""

from __future__ import annotations

import random
import shutil
import threading

import pytest
from django.conf import settings as live_settings
from django.db import connection

from apps.accounts.models import User
from apps.trail import identity, sealer, sealing, verifier, witness
from apps.trail.identity import keys
from tests.trail.children import Child
from tests.trail.clusters import Cluster, own_database
from tests.trail.conftest import Desk

ROUNDS, WRITERS = 6, 2


@pytest.fixture
def cluster(committed, settings, tmp_path):
    """The story in a cluster of its own, with keys and witness copy of its own."""
    if connection.vendor != "postgresql":
        pytest.skip("its tables are a dump of the test's own database")
    own = tmp_path / "data"
    for place in ("keys", "witness"):
        shutil.copytree(live_settings.COUNTERSIGN_DATA / place / keys().origin, own / place / keys().origin)
    made = Cluster()
    try:
        made.start()
        made.copy(own_database(), "desk")
        settings.COUNTERSIGN_DATA = own
        yield made
    finally:
        made.stop()
        identity.forget()


def looked(cluster, database, folder, acknowledged):
    """In a process of its own: seal what waits, verify, and find every name that was acknowledged."""

    def look():
        cluster.connect(database)
        sealer.seal()
        witness.catch_up(keys().origin)
        assert verifier.verify().findings == []
        there = set(User.history.values_list("printed_name", flat=True))
        missing = [name for name in acknowledged if name not in there]
        assert missing == []

    child = Child(look, folder / f"looked-{random.getrandbits(40)}")
    code = child.wait()
    assert (code, child.text()) == (0, "")


@pytest.mark.soak
def test_kill_9_of_the_cluster_loses_nothing_acknowledged(cluster, tmp_path):
    chance, told = random.Random(20261122), tmp_path / "acknowledged"

    def write(who):
        def work():
            cluster.connect("desk")
            desk, anna = Desk(), User.objects.get(username="anna")
            person = desk.person(f"writer{who}", f"Writer {who}", by=anna)
            with told.open("ab", buffering=0) as file:
                for number in range(1_000_000):
                    name = f"Writer {who} {number}"
                    desk.rename(person, name, by=anna)
                    file.write(f"{name}\n".encode())

        return work

    def seal():
        cluster.connect("desk")
        sealing.INTERVAL = 0.01
        sealing.watch(threading.Event(), lambda _: None)

    for turn in range(ROUNDS):
        children = [
            Child(write(f"{turn}-{number}"), tmp_path / f"writer-{turn}-{number}")
            for number in range(WRITERS)
        ]
        children.append(Child(seal, tmp_path / f"sealer-{turn}"))
        threading.Event().wait(chance.uniform(3, 8))
        cluster.kill()
        for child in children:
            child.kill()
        cluster.start()
        looked(cluster, "desk", tmp_path, told.read_text().splitlines())
    acknowledged = told.read_text().splitlines()
    print(f"{ROUNDS} kills, {len(acknowledged)} acts acknowledged, none missing")
    assert len(acknowledged) > 10 * ROUNDS
    # Backup and restore into another database: nothing is found there either.
    cluster.copy(cluster.at("desk"), "restored")
    looked(cluster, "restored", tmp_path, acknowledged)
