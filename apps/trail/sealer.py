"""The sealer gives entries their place in the log and signs its state. It alone numbers leaves.

It takes what is pending, in id order, never "id > last sealed": ids are drawn before commit, so a late commit would be
passed over (25 % lost in our measurements). One sealer at a time, by a database lock, which is held for a small batch
only: leaves are hashed before, and who waits goes before the next batch. Signature acts are sealed right after their
commit, each by itself, so that no signer waits for what others wrote; the sealer's process (sealing.py) does the rest
within a second.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import DatabaseError, connection, transaction
from django.db.models import Subquery

from apps.trail import clocks, erased, fresh, notes, witness
from apps.trail.fresh import Placed
from apps.trail.identity import keys
from apps.trail.keys import KeyMissing
from apps.trail.merkle import Range, inclusion_proof
from apps.trail.models import Checkpoint, Entry, Leaf, Node, Pending
from apps.trail.preimages import HEAD, body_digest, head_line, leaf_hash, sealed_digest, stamp
from apps.trail.tree import STRIDE, StoredTree
from apps.trail.writer import database_now, head_of

log = logging.getLogger("countersign.trail")
# Entries sealed while the lock is held: a signer who comes meanwhile waits for all of them to be written.
BATCH = 100
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
    sealed, last, newest = 0, 0, 0
    while pending := _pending(after=last):
        last = pending[-1][0]["id"]
        if len(pending) == BATCH and not newest:
            newest = Pending.objects.order_by("-entry_id").values_list("entry_id", flat=True).first() or 0
        done = _seal_batch(_prepare(pending), wait)
        if done is None:
            break
        sealed += len(done.places)
        if last >= newest:
            break
    return sealed


def seal_act(act_id: str) -> int:
    """Seal the entries of one act that has committed, however much else is pending; returns how many.

    None when a sealer at work was first: it is waited for. None either when it cannot be sealed now (a full disk, a
    fork): the act stands and is not told to have failed; its entries wait for the sealer's process, which says why.
    """
    try:
        placed = _seal_batch(_prepare(_of_act(act_id)), True)
    except (DatabaseError, OSError, ForkRefused, KeyMissing, ValueError) as error:
        log.warning("act %s stands and is not sealed yet: %s", act_id, error)
        return 0
    if placed is None or not placed.places:
        return 0
    fresh.remember(act_id, placed)
    return len(placed.places)


@dataclass(frozen=True)
class Prepared:
    """A pending entry and its leaf. Neither depends on its place, so both are made before the lock is taken."""

    id: int
    hash: bytes
    body_digest: str


def _prepare(pending: Waiting) -> list[Prepared]:
    own = keys()
    made = []
    for values, salt, body in pending:
        if erased.is_forged(own, values):
            continue  # it stays in the queue, a finding and soon an alarm
        digest = body_digest(salt, body)
        made.append(Prepared(values["id"], leaf_hash(head_line(digest, values)), digest))
    return made


def _seal_batch(batch: list[Prepared], wait: bool) -> Placed | None:
    """As `_seal_locked`; a batch of nothing takes no lock."""
    if not batch:
        return Placed()
    with transaction.atomic():
        return _seal_locked(batch, wait)


def _seal_locked(batch: list[Prepared], wait: bool) -> Placed | None:
    """Give the entries of a batch their places, as far as no other sealer was first; None without the lock.

    Two journeys to the database besides BEGIN and COMMIT: on a busy machine each journey waits for its turn twice, and
    a signer waits for all of them.
    """
    own = keys()
    seen = witness.last(own.origin)
    locked, before, now, still = _look(wait, [one.id for one in batch])
    if not locked:
        return None
    _refuse_fork(seen, before)
    tree = Range(before.size, map(bytes.fromhex, before.frontier.split())) if before else Range()
    if before and tree.root().hex() != before.root:
        raise ForkRefused("The newest checkpoint's frontier does not give its root.")
    start = tree.size
    batch = [one for one in batch if one.id in still]
    if clocks.tell_step_back(before, now):
        # What tells of it, and all that the other clock dated, lies in the same seal.
        batch = _prepare(_pending(most=EVERYTHING))
    if not batch:
        return Placed()
    placed = Placed(tree)
    leaves, nodes = [], []
    for one in batch:
        leaves.append((tree.size, one.id, one.hash.hex(), one.body_digest))
        for level, index, node in placed.push(tree, one.id, one.hash):
            if level % STRIDE == 0:
                nodes.append((level, index, node.hex()))
    state = notes.Checkpoint(own.origin, tree.size, tree.root())
    made = Checkpoint(
        size=tree.size,
        root=tree.root().hex(),
        frontier=" ".join(item.hex() for item in tree.hashes),
        note=notes.sign(state.text(), own.origin, own.signing),
        created_at=now,
    )
    _put(leaves, nodes, made, start)
    transaction.on_commit(lambda: witness.catch_up(own.origin, before.size if before else None, made))
    placed.note = made.note
    return placed


_HEAD_COLUMNS = ", ".join(f'e."{name}"' for name in HEAD)
# By a list of keys, and not by a join: the planner's idea of a queue that fills and empties all the time is always old,
# and it would read every entry there is. (SQLite has no such idea.)
_QUEUE = "SELECT entry_id FROM trail_pending WHERE entry_id > %s ORDER BY entry_id LIMIT %s"
_ENTRIES = f"SELECT {_HEAD_COLUMNS}, e.salt, e.body FROM trail_entry e"
_PENDING = {
    "postgresql": f"{_ENTRIES} WHERE e.id = ANY(ARRAY({_QUEUE})) ORDER BY e.id",
    "sqlite": f"{_ENTRIES} WHERE e.id IN ({_QUEUE}) ORDER BY e.id",
}
_NEWEST = "SELECT size, root, frontier, note, created_at FROM trail_checkpoint ORDER BY size DESC LIMIT 1"
_OF_ACT = (
    f"{_ENTRIES} WHERE e.act_id = %s "
    "AND EXISTS (SELECT 1 FROM trail_pending p WHERE p.entry_id = e.id) ORDER BY e.id"
)
EVERYTHING = 2**62
Waiting = list[tuple[dict[str, Any], str, str]]


def _look(wait: bool, ids: list[int]) -> tuple[bool, Checkpoint | None, datetime, set[int]]:
    """Take the lock, until the end of the transaction; then the newest checkpoint, the time, and which of these
    entries are pending still.

    One sealer at a time: an advisory lock on PostgreSQL, where each statement sees what was committed when it
    began, so what follows the lock is not older than it; the write lock of IMMEDIATE on SQLite.
    """
    if connection.vendor != "postgresql":
        before = Checkpoint.objects.order_by("-size").first()
        there = Pending.objects.filter(entry_id__gte=min(ids), entry_id__lte=max(ids))
        still = set(there.values_list("entry_id", flat=True))
        return True, before, database_now(), still
    lock = "pg_advisory_xact_lock(%s), true" if wait else "true, pg_try_advisory_xact_lock(%s)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT {lock}; {_NEWEST}; SELECT clock_timestamp(); "
            "SELECT entry_id FROM trail_pending WHERE entry_id = ANY(%s::bigint[])",
            [LOCK, ids],
        )
        answers = [cursor.fetchall()]
        while cursor.nextset():
            answers.append(cursor.fetchall())
    ((_, locked),), newest, ((now,),), rows = answers
    columns = ("size", "root", "frontier", "note", "created_at")
    before = Checkpoint(**dict(zip(columns, newest[0], strict=True))) if newest else None
    return locked, before, now.astimezone(UTC), {entry_id for (entry_id,) in rows}


def _read(row: tuple[Any, ...]) -> tuple[dict[str, Any], str, str]:
    values = dict(zip(HEAD, row, strict=False))
    values["at"] = stamp(values["at"])
    return values, row[-2], row[-1]


def _pending(after: int = 0, most: int | None = None) -> Waiting:
    """Head values, salt and body of the next batch of pending entries, by id."""
    with connection.cursor() as cursor:
        cursor.execute(_PENDING[connection.vendor], [after, most or BATCH])
        return list(map(_read, cursor.fetchall()))


def _of_act(act_id: str) -> Waiting:
    """The same of the entries of one act that are pending."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_ACT, [act_id])
        return list(map(_read, cursor.fetchall()))


def _put(leaves: list[tuple], nodes: list[tuple], made: Checkpoint, start: int) -> None:
    """Write leaves, subtrees and checkpoint, and take from the queue what has its leaf now."""
    if connection.vendor != "postgresql":
        Leaf.objects.bulk_create(
            [
                Leaf(index=index, entry_id=entry_id, hash=hashed, body_digest=digest)
                for index, entry_id, hashed, digest in leaves
            ],
            batch_size=2000,
        )
        Node.objects.bulk_create(
            Node(level=level, index=index, hash=hashed) for level, index, hashed in nodes
        )
        with connection.cursor() as cursor:
            cursor.execute(
                'DELETE FROM trail_pending WHERE entry_id IN (SELECT entry_id FROM trail_leaf WHERE "index" >= %s)',
                [start],
            )
        made.save(force_insert=True)
        return
    # Hashes, digests and numbers of our own, in columns; a note is text that ends in a newline.
    statements = [
        'INSERT INTO trail_leaf ("index", entry_id, hash, body_digest) '
        "SELECT * FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[])",
        "DELETE FROM trail_pending WHERE entry_id = ANY(%s::bigint[])",
        "INSERT INTO trail_checkpoint (size, root, frontier, note, created_at) VALUES (%s, %s, %s, %s, %s)",
    ]
    parameters: list[Any] = [*map(list, zip(*leaves, strict=True)), [leaf[1] for leaf in leaves]]
    parameters += [made.size, made.root, made.frontier, made.note, made.created_at]
    if nodes:
        statements.append(
            'INSERT INTO trail_node (level, "index", hash) '
            "SELECT * FROM unnest(%s::smallint[], %s::bigint[], %s::text[])"
        )
        parameters += map(list, zip(*nodes, strict=True))
    with connection.cursor() as cursor:
        cursor.execute("; ".join(statements), parameters)


def _refuse_fork(seen: dict[str, Any] | None, before: Checkpoint | None) -> None:
    """`seen`: the newest line of the witness copy, read before the lock was taken."""
    if seen is None:
        return
    same = before is not None and before.size == seen["size"]
    ours = before if same else Checkpoint.objects.filter(size=seen["size"]).first()
    if ours is None or ours.root != seen["root"]:
        have = before.size if before else 0
        raise ForkRefused(
            f"The witness copy holds a checkpoint of {seen['size']} entries that this database ({have}) does not: "
            "a restored backup, or another database with the same keys. Run manage.py verify_trail."
        )


def receipt(entry: Entry) -> dict[str, Any]:
    """What a signer takes away: the entry's two lines, its place, the proof and the signed checkpoint."""
    index, proof, size, note = fresh.taken(entry.act_id, entry.pk) or _stored_proof(entry)
    return {
        "head": head_line(sealed_digest(entry.salt, entry.body, entry.digest), head_of(entry)),
        "body": f"{entry.salt} {entry.body}",
        "index": index,
        "size": size,
        "proof": [step.hex() for step in proof],
        "checkpoint": note,
        "verifier": keys().verifier,
    }


def _stored_proof(entry: Entry) -> fresh.Proof:
    """The entry's place, its proof under the newest checkpoint, and that checkpoint."""
    place = Leaf.objects.filter(entry_id=entry.pk).values("index")[:1]
    checkpoint = Checkpoint.objects.annotate(leaf=Subquery(place)).order_by("-size").first()
    if checkpoint is None or checkpoint.leaf is None:
        raise NotSealed(f"Entry {entry.pk} is not sealed yet.")
    index: int = checkpoint.leaf
    tree = StoredTree()
    tree.load_for(index, checkpoint.size)
    return index, inclusion_proof(index, checkpoint.size, tree.node), checkpoint.size, checkpoint.note
