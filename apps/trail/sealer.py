"""The sealer gives entries their place in the log and signs its state. It alone numbers leaves.

It takes what is pending, in id order, never "id > last": ids are drawn before commit, so a late commit would be
passed over (25 % lost in our measurements). One sealer at a time, by a database lock. Signature acts are sealed
right after their commit; the sealer's process (sealing.py) does the rest within a second.
"""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from apps.trail import clocks, notes, witness
from apps.trail.identity import keys
from apps.trail.merkle import Range, inclusion_proof
from apps.trail.models import Checkpoint, Entry, Leaf, Node, Pending
from apps.trail.preimages import HEAD, body_digest, head_line, leaf_hash, stamp
from apps.trail.tree import STRIDE, StoredTree
from apps.trail.writer import database_now, head_of

BATCH = 5000
# Any constant: PostgreSQL advisory locks are per database.
LOCK = 0x7261696C


class ForkRefused(RuntimeError):
    """The database is behind or beside its witness: signing on would prove a false history."""


class NotSealed(LookupError):
    """The entry has no leaf yet."""


def seal(*, wait: bool = True) -> int:
    """Seal what is pending now; returns the number of entries sealed. `wait=False`: leave it to a sealer at work.

    What comes while it works is the next seal's: a signer would wait as long as others write.
    """
    sealed = 0
    newest = Pending.objects.order_by("-entry_id").values_list("entry_id", flat=True).first()
    while newest is not None and Pending.objects.filter(entry_id__lte=newest).exists():
        with transaction.atomic():
            done = _seal_batch(wait)
        if done == 0:
            break
        sealed += done
    return sealed


def _lock(wait: bool) -> bool:
    """One sealer at a time, until the end of the transaction. SQLite: the write lock of IMMEDIATE does it."""
    if connection.vendor != "postgresql":
        return True
    with connection.cursor() as cursor:
        if wait:
            cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
            return True
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [LOCK])
        return cursor.fetchone()[0]


def _seal_batch(wait: bool) -> int:
    if not _lock(wait):
        return 0
    own = keys()
    before = Checkpoint.objects.order_by("-size").first()
    _refuse_fork(own.origin, before)
    tree = Range(before.size, map(bytes.fromhex, before.frontier.split())) if before else Range()
    if before and tree.root().hex() != before.root:
        raise ForkRefused("The newest checkpoint's frontier does not give its root.")
    start = tree.size
    now = database_now()
    clocks.tell_step_back(before, now)
    leaves, nodes = [], []
    for values, salt, body in _pending_entries():
        digest = body_digest(salt, body)
        hashed = leaf_hash(head_line(digest, values))
        leaves.append(Leaf(index=tree.size, entry_id=values["id"], hash=hashed.hex(), body_digest=digest))
        for level, index, node in tree.push(hashed):
            if level % STRIDE == 0:
                nodes.append(Node(level=level, index=index, hash=node.hex()))
    if not leaves:
        return 0
    Leaf.objects.bulk_create(leaves, batch_size=2000)
    Node.objects.bulk_create(nodes)
    with connection.cursor() as cursor:
        cursor.execute(
            'DELETE FROM trail_pending WHERE entry_id IN (SELECT entry_id FROM trail_leaf WHERE "index" >= %s)',
            [start],
        )
    state = notes.Checkpoint(own.origin, tree.size, tree.root())
    Checkpoint.objects.create(
        size=tree.size,
        root=tree.root().hex(),
        frontier=" ".join(item.hex() for item in tree.hashes),
        note=notes.sign(state.text(), own.origin, own.signing),
        created_at=now,
    )
    transaction.on_commit(lambda: witness.catch_up(own.origin))
    return len(leaves)


def _pending_entries() -> list[tuple[dict[str, Any], str, str]]:
    """Head values, salt and body of the next batch of pending entries, by id."""
    columns = ", ".join(f'e."{name}"' for name in HEAD)
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {columns}, e.salt, e.body FROM trail_pending p JOIN trail_entry e ON e.id = p.entry_id "
            "ORDER BY p.entry_id LIMIT %s",
            [BATCH],
        )
        found = []
        for row in cursor.fetchall():
            values = dict(zip(HEAD, row, strict=False))
            values["at"] = stamp(values["at"])
            found.append((values, row[-2], row[-1]))
        return found


def _refuse_fork(origin: str, before: Checkpoint | None) -> None:
    seen = witness.last(origin)
    if seen is None:
        return
    ours = Checkpoint.objects.filter(size=seen["size"]).first()
    if ours is None or ours.root != seen["root"]:
        have = before.size if before else 0
        raise ForkRefused(
            f"The witness copy holds a checkpoint of {seen['size']} entries that this database ({have}) does not: "
            "a restored backup, or another database with the same keys. Run manage.py verify_trail."
        )


def receipt(entry: Entry) -> dict[str, Any]:
    """What a signer takes away: the entry's two lines, its place, the proof and the signed checkpoint."""
    leaf = Leaf.objects.filter(entry_id=entry.pk).first()
    if leaf is None:
        raise NotSealed(f"Entry {entry.pk} is not sealed yet.")
    checkpoint = Checkpoint.objects.order_by("-size").first()
    assert checkpoint is not None, "a leaf is written together with a checkpoint"
    proof = inclusion_proof(leaf.index, checkpoint.size, StoredTree().node)
    return {
        "head": head_line(body_digest(entry.salt, entry.body), head_of(entry)),
        "body": f"{entry.salt} {entry.body}",
        "index": leaf.index,
        "size": checkpoint.size,
        "proof": [step.hex() for step in proof],
        "checkpoint": checkpoint.note,
        "verifier": keys().verifier,
    }
