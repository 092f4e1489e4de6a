"""The sealer loses nothing, signs no fork, and gives receipts that verify."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from apps.trail import merkle, notes, sealer, verifier, witness
from apps.trail.identity import keys
from apps.trail.models import Checkpoint, Entry, Leaf, Node, Pending
from apps.trail.preimages import leaf_hash
from apps.trail.testing import without_triggers
from apps.trail.writer import record


def events(count):
    with transaction.atomic():
        for number in range(count):
            record(kind="event", act="test.event", body={"number": number})


def test_every_receipt_verifies_and_no_other_entry_passes(story):
    verifier_key = keys().public()
    for entry in Entry.objects.all():
        given = sealer.receipt(entry)
        state = notes.open_checkpoint(given["checkpoint"], verifier_key)
        proof = [bytes.fromhex(step) for step in given["proof"]]
        merkle.verify_inclusion(leaf_hash(given["head"]), given["index"], state.size, proof, state.root)
        changed = given["head"].replace('"kind":"', '"kind":"x', 1)
        with pytest.raises(merkle.BadProof):
            merkle.verify_inclusion(leaf_hash(changed), given["index"], state.size, proof, state.root)


def test_an_unsealed_entry_has_no_receipt(story):
    events(1)
    with pytest.raises(sealer.NotSealed):
        sealer.receipt(Entry.objects.last())


def test_proofs_over_stored_subtrees_equal_those_over_all_leaves(story, monkeypatch):
    monkeypatch.setattr(sealer, "BATCH", 300)
    events(900)
    sealer.seal()
    witness.catch_up(keys().origin)
    assert Node.objects.filter(level=8).count() == 3
    leaves = [bytes.fromhex(text) for text in Leaf.objects.order_by("index").values_list("hash", flat=True)]
    size = len(leaves)

    def node(level, index):
        hashes = leaves[index << level : (index + 1) << level]
        while len(hashes) > 1:
            hashes = [merkle.node_hash(hashes[i], hashes[i + 1]) for i in range(0, len(hashes), 2)]
        return hashes[0]

    stored = sealer.StoredTree().node
    for index in (0, 255, 256, 700, size - 1):
        assert merkle.inclusion_proof(index, size, stored) == merkle.inclusion_proof(index, size, node)
    for old in (1, 256, 300, size):
        assert merkle.consistency_proof(old, size, stored) == merkle.consistency_proof(old, size, node)
    assert verifier.verify().findings == []


def test_an_edited_subtree_is_found(story):
    events(300)
    sealer.seal()
    witness.catch_up(keys().origin)
    with without_triggers(), connection.cursor() as cursor:
        cursor.execute("UPDATE trail_node SET hash = %s", ["ab" * 32])
    assert [(one.table, one.row) for one in verifier.verify().findings] == [("trail_node", "8/0")]


def test_a_crash_while_sealing_loses_nothing(story, monkeypatch):
    events(7)
    waiting = Pending.objects.count()

    def crash(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(notes, "sign", crash)
        with pytest.raises(KeyboardInterrupt):
            sealer.seal()
    assert Pending.objects.count() == waiting == 7
    assert sealer.seal() == 7
    assert Leaf.objects.count() == Entry.objects.count() == Checkpoint.objects.last().size


def test_sealing_nothing_signs_nothing(story):
    before = Checkpoint.objects.count()
    assert sealer.seal() == 0
    assert Checkpoint.objects.count() == before


def test_checkpoints_reach_the_witness_after_a_crash_between(committed, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(witness, "catch_up", lambda *_: 0)
        events(2)
        sealer.seal()
    assert witness.last(keys().origin)["size"] < Checkpoint.objects.order_by("-size").first().size
    events(2)
    sealer.seal()
    seen = [line["size"] for line in witness.lines(keys().origin)]
    assert seen == list(Checkpoint.objects.order_by("size").values_list("size", flat=True))
    assert verifier.verify().findings == []


def test_a_database_behind_its_witness_is_not_sealed_on(story):
    with without_triggers(), connection.cursor() as cursor:
        last = Checkpoint.objects.order_by("-size").first().size
        cursor.execute("DELETE FROM trail_checkpoint WHERE size = %s", [last])
    events(1)
    with pytest.raises(sealer.ForkRefused, match="witness"):
        sealer.seal()


def test_late_commits_are_sealed_too(committed):
    """An id drawn early and committed late: what a sealer reading "id > last" loses. SQLite has one writer."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite writes one transaction at a time")
    drawn, go_on = threading.Event(), threading.Event()

    def slow():
        with transaction.atomic():
            record(kind="event", act="test.slow")
            drawn.set()
            go_on.wait(10)
        connection.close()

    thread = threading.Thread(target=slow)
    thread.start()
    assert drawn.wait(10)
    events(3)
    sealer.seal()
    assert not Entry.objects.filter(act="test.slow").exists()
    go_on.set()
    thread.join()
    sealer.seal()
    late = Entry.objects.get(act="test.slow")
    assert Leaf.objects.get(entry_id=late.pk).index == Leaf.objects.count() - 1
    assert late.pk < Entry.objects.filter(act="test.event").first().pk
    assert verifier.verify().findings == []


def test_writers_and_sealers_at_once_leave_no_gap(committed):
    """Four writers and two sealers on real connections."""
    stop, errors = threading.Event(), []

    def run(work):
        try:
            work()
        except Exception as error:
            errors.append(error)
        finally:
            connection.close()

    def write():
        for _ in range(12):
            events(3)

    def seal():
        while not stop.is_set():
            sealer.seal(wait=False)

    sealers = [threading.Thread(target=run, args=[seal]) for _ in range(2)]
    writers = [threading.Thread(target=run, args=[write]) for _ in range(4)]
    for thread in [*sealers, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in sealers:
        thread.join()
    sealer.seal()
    assert errors == []
    assert Entry.objects.filter(act="test.event").count() == 144
    assert list(Leaf.objects.order_by("index").values_list("index", flat=True)) == list(
        range(Entry.objects.count())
    )
    assert verifier.verify().findings == []


def test_an_act_is_sealed_alone_however_much_waits(story, desk):
    """A signer waits for no other's entries, and the rest keeps its place in the queue."""
    desk.rename(story.ben, "Waiting One", by=story.anna)
    waiting = set(Pending.objects.values_list("entry_id", flat=True))
    desk.sign(story.anna, story.ben)
    signed = Entry.objects.filter(act="approvals.sign").latest("pk")
    own = set(Entry.objects.filter(act_id=signed.act_id).values_list("pk", flat=True))
    desk.rename(story.ben, "Waiting Two", by=story.anna)
    assert sealer.seal_act(signed.act_id) == len(own) == 2
    assert set(Leaf.objects.order_by("-index").values_list("entry_id", flat=True)[:2]) == own
    assert waiting < set(Pending.objects.values_list("entry_id", flat=True))
    assert sealer.receipt(signed)["size"] == Leaf.objects.count()
    assert sealer.seal_act(signed.act_id) == 0, "sealed once"
    sealer.seal()
    assert verifier.verify().findings == []


def test_a_signer_waits_for_a_small_batch_only(committed, desk, monkeypatch):
    """While others' entries are sealed the lock is free between batches, and who waited is next."""
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no queue of those who wait")
    monkeypatch.setattr(sealer, "BATCH", 5)
    for number in range(20):
        desk.rename(committed.ben, f"Ben {number}", by=committed.anna)
    waiting = Pending.objects.order_by("entry_id").values_list("entry_id", flat=True)[0]
    desk.sign(committed.anna, committed.ben)
    signed = Entry.objects.filter(act="approvals.sign").latest("pk")
    put, first = sealer._put, threading.Event()
    signer: list[threading.Thread] = []

    def sign():
        sealer.seal_act(signed.act_id)
        connection.close()

    def slow(*asked):
        if threading.current_thread() is threading.main_thread() and not first.is_set():
            first.set()
            signer.append(threading.Thread(target=sign))
            signer[0].start()
            with connection.cursor() as cursor:
                while True:
                    cursor.execute(
                        "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
                    )
                    if cursor.fetchone()[0]:
                        break
        put(*asked)

    monkeypatch.setattr(sealer, "_put", slow)
    sealer.seal()
    signer[0].join()
    before = Leaf.objects.get(entry_id=waiting).index
    assert 0 < Leaf.objects.get(entry_id=signed.pk).index - before <= 5 + 2
    assert Pending.objects.count() == 0
    witness.catch_up(keys().origin)
    assert verifier.verify().findings == []


def test_nothing_is_hashed_while_the_lock_is_held(story, monkeypatch):
    events(3)
    held, hashed = [], []
    look, prepare = sealer._look, sealer._prepare
    monkeypatch.setattr(sealer, "_look", lambda *asked: held.append(1) or look(*asked))
    monkeypatch.setattr(sealer, "_prepare", lambda pending: hashed.append(len(held)) or prepare(pending))
    assert sealer.seal() == 3
    assert (held, hashed) == ([1], [0])


def test_what_another_sealer_was_first_with_is_sealed_once(story):
    events(4)
    batch = sealer._prepare(sealer._pending())
    assert sealer.seal() == 4
    assert not sealer._seal_batch(batch, True).places
    events(1)
    mixed = batch + sealer._prepare(sealer._pending())
    assert len(sealer._seal_batch(mixed, True).places) == 1
    witness.catch_up(keys().origin)
    assert verifier.verify().findings == []


@pytest.mark.parametrize("before", range(18))
def test_the_proof_made_at_the_seal_is_the_one_of_the_stored_tree(story, desk, before):
    events(before)
    sealer.seal()
    desk.sign(story.anna, story.ben)
    signed = Entry.objects.filter(act="approvals.sign").latest("pk")
    assert sealer.seal_act(signed.act_id) == 2
    size = Leaf.objects.count()
    with CaptureQueriesContext(connection) as asked:
        given = sealer.receipt(signed)
    assert len(asked) == 0
    assert given == sealer.receipt(signed), "the second is told from the database"
    assert given["size"] == size
    events(1)
    sealer.seal()
    assert sealer.receipt(signed)["size"] == size + 1
