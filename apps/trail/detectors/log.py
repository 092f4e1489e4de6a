"""Entries against leaves, leaves against signed checkpoints, checkpoints against the witness copy."""

from __future__ import annotations

import json
from typing import Any

from apps.trail import erased, notes
from apps.trail.clocks import Clock
from apps.trail.detectors import accounts
from apps.trail.findings import Session
from apps.trail.merkle import Range
from apps.trail.models import Checkpoint, Node
from apps.trail.preimages import HEAD, body_digest, erased_by, head_line, leaf_hash, mac_line, stamp
from apps.trail.tree import STRIDE

ENTRY, LEAF, CHECKPOINT, PENDING = "trail_entry", "trail_leaf", "trail_checkpoint", "trail_pending"
_COLUMNS = ", ".join(f'e."{name}"' for name in HEAD)
# Where the body repeats a column, so that the edited column can be named.
_REPEATED = {
    "kind": ("kind",),
    "act": ("act",),
    "act_id": ("act_id",),
    "scope": ("scope",),
    "actor_uuid": ("actor", "uuid"),
    "actor_name": ("actor", "name"),
    "on_behalf_uuid": ("on_behalf", "uuid"),
    "on_behalf_name": ("on_behalf", "name"),
    "subject_kind": ("subject", "kind"),
    "subject_id": ("subject", "id"),
}


def run(session: Session, witnessed: list[dict[str, Any]]) -> None:
    """Everything about the log itself, in one pass over the leaves. `witnessed`: lines of the witness copy."""
    marks = _marks(session, witnessed)
    vouched = erased.vouched(session.keys, session.alias)
    _walk(session, marks, vouched)
    _queue(session)
    _copies(session)
    _gaps(session)


def _marks(session: Session, witnessed: list[dict[str, Any]]) -> dict[int, list[tuple[str, str]]]:
    """size -> [(where, root hex)] of every checkpoint whose note and columns hold, here and at the witness."""
    marks: dict[int, list[tuple[str, str]]] = {}
    public = session.keys.public()
    here = set()
    last = 0
    for row in Checkpoint.objects.using(session.alias).order_by("size").iterator():
        session.count("checkpoints")
        here.add(row.size)
        last = row.size
        root = _note_root(session, CHECKPOINT, row.size, row.note, row.root)
        if root is None:
            continue
        try:
            frontier = Range(row.size, map(bytes.fromhex, row.frontier.split())).root().hex()
        except ValueError:
            frontier = ""
        if frontier != root:
            session.report("checkpoint", CHECKPOINT, row.size, "frontier", "does not give the signed root")
        marks.setdefault(row.size, []).append((CHECKPOINT, root))
    for line in witnessed:
        session.count("witnessed")
        try:
            root = notes.open_checkpoint(line["note"], public).root.hex()
        except notes.BadNote as error:
            session.report(
                "witness", "witness", line["size"], "note", f"the witnessed note does not verify: {error}"
            )
            continue
        if line["size"] not in here:
            cut = line["size"] > last
            detail = (
                f"the witness copy knows {line['size']} entries, the database {last}: "
                "the tail was cut or an older backup restored"
                if cut
                else "a checkpoint that the witness copy holds is missing"
            )
            session.report("tail" if cut else "checkpoint", CHECKPOINT, line["size"], "", detail)
        marks.setdefault(line["size"], []).append(("witness", root))
        # The walk below compares the witness's root with the leaves where there are that many.
        public_root = {root for _, root in marks[line["size"]]}
        if len(public_root) > 1:
            session.report(
                "witness", CHECKPOINT, line["size"], "root", "differs from the witness copy: a fork"
            )
    return marks


def _note_root(session: Session, table: str, size: int, note: str, root: str) -> str | None:
    try:
        signed = notes.open_checkpoint(note, session.keys.public())
    except notes.BadNote as error:
        session.report("checkpoint", table, size, "note", f"the signature does not hold: {error}")
        return None
    if signed.size != size:
        session.report("checkpoint", table, size, "size", f"the signed note says {signed.size}")
        return None
    if signed.root.hex() != root:
        session.report("checkpoint", table, size, "root", "differs from the signed note")
    return signed.root.hex()


def _is_hash(text: str) -> bool:
    return len(text) == 64 and not set(text) - set("0123456789abcdef")


class _Trees:
    """The tree of the stored leaf hashes and, from the first difference on, that of the recomputed ones."""

    def __init__(self, start: Range) -> None:
        self.stored = start
        self.computed: Range | None = None

    def push(self, stored: bytes, computed: bytes) -> list[tuple[int, int, bytes]]:
        if self.computed is None and stored != computed:
            self.computed = Range(self.stored.size, self.stored.hashes)
        if self.computed is not None:
            self.computed.push(computed)
        return self.stored.push(stored)


def _start(session: Session) -> Range:
    if not session.since:
        return Range()
    row = Checkpoint.objects.using(session.alias).get(size=session.since)
    return Range(row.size, map(bytes.fromhex, row.frontier.split()))


def _walk(
    session: Session, marks: dict[int, list[tuple[str, str]]], vouched: dict[int, erased.Vouched]
) -> None:
    trees = _Trees(_start(session))
    clock = Clock(session)
    nodes = {
        (level, index): text
        for level, index, text in Node.objects.using(session.alias).values_list("level", "index", "hash")
    }
    suspects: list[tuple[int, Any, str]] = []
    whole, last_good, batch_id = True, session.since, 0
    sql = (
        f'SELECT l."index", l.hash, l.body_digest, l.entry_id, e.salt, e.body, e.digest, e.mac, {_COLUMNS} '
        f'FROM trail_leaf l LEFT JOIN trail_entry e ON e.id = l.entry_id WHERE l."index" >= %s ORDER BY l."index"'
    )
    for index, stored, kept, entry_id, salt, body, digest, mac, *head in session.stream(sql, [session.since]):
        session.count("leaves")
        if not _is_hash(stored):
            session.report("leaf", LEAF, index, "hash", "is no hash")
            stored = "00" * 32
        if index != trees.stored.size and whole:
            session.report(
                "leaf", LEAF, trees.stored.size, "", f"the leaves from here to {index - 1} are missing"
            )
            whole = False
        if salt is None:
            session.report("deleted", ENTRY, entry_id, "", f"the entry of leaf {index} is missing")
            computed = bytes.fromhex(stored)
        else:
            values = dict(zip(HEAD, head, strict=True))
            values["at"] = stamp(values["at"])
            clock.see(index, entry_id, values)
            now = body_digest(salt, body)
            if entry_id in vouched or erased_by(body):
                now = _of_before(session, entry_id, salt, body, kept, now, vouched.get(entry_id))
            computed = leaf_hash(head_line(now, values))
            if computed.hex() != stored:
                suspects.append((index, entry_id, _edited_field(values, body, now != kept)))
            elif now != kept:
                session.report("leaf", LEAF, index, "body_digest", "differs from the entry's body")
            _check_entry(session, values, body, now, digest, mac)
            accounts.name(session, values, body)
        if not whole:
            continue
        for level, place, node in trees.push(bytes.fromhex(stored), computed):
            if level % STRIDE == 0 and nodes.pop((level, place), None) != node.hex():
                session.report(
                    "leaf", "trail_node", f"{level}/{place}", "hash", "differs from the leaves below it"
                )
        if entry_id < batch_id:
            session.report(
                "order", LEAF, index, "entry_id", f"entry {entry_id} stands after entry {batch_id}"
            )
        batch_id = entry_id
        if trees.stored.size in marks:
            good = _compare(session, marks.pop(trees.stored.size), trees, suspects, last_good)
            last_good = trees.stored.size if good else last_good
            whole, batch_id, suspects = good, 0, []
    clock.end()
    for _, entry_id, name in suspects:
        session.report("edited", ENTRY, entry_id, name, "differs from its sealed leaf")
    if whole and any(size > trees.stored.size for size in marks if size > session.since):
        session.report(
            "leaf", LEAF, trees.stored.size, "", "leaves that a signed checkpoint covers are missing"
        )
    elif whole and trees.stored.size > last_good:
        session.report("leaf", LEAF, last_good, "", "leaves from here on are covered by no signed checkpoint")


def _compare(
    session: Session, signed: list[tuple[str, str]], trees: _Trees, suspects: list, last_good: int
) -> bool:
    """Roots at one checkpoint; tells whether the entry or its leaf was edited. False ends the comparison of roots."""
    roots = {root for _, root in signed}
    stored = trees.stored.root().hex() in roots
    computed = trees.computed is not None and trees.computed.root().hex() in roots
    for index, entry_id, name in suspects:
        if computed and not stored:
            session.report(
                "leaf", LEAF, index, "hash", f"edited; entry {entry_id} itself is as it was sealed"
            )
        else:
            session.report("edited", ENTRY, entry_id, name, f"differs from its sealed leaf {index}")
    if computed and not stored and trees.computed is not None:
        trees.stored, trees.computed = trees.computed, None
        return True
    trees.computed = None
    if not stored:
        size = trees.stored.size
        session.report(
            "root",
            CHECKPOINT,
            size,
            "root",
            f"the leaves {last_good} to {size - 1} do not give the signed root: "
            "replaced, reordered, inserted or removed",
        )
    return stored


def _edited_field(values: dict[str, Any], body: str, body_changed: bool) -> str:
    """The column that was edited: the body, one the body repeats, else the time."""
    if body_changed:
        return "body"
    try:
        facts = json.loads(body)
    except ValueError:
        return "body"
    if values["kind"] == "row" and "row" in facts:
        told = {"table_name": facts["table"]}
        if "act_id" in facts["row"]:
            told["act_id"] = facts["row"]["act_id"]
        names = [name for name, value in told.items() if values[name] != value]
    else:
        names = [name for name, path in _REPEATED.items() if values[name] != _at(facts, path)]
    return names[0] if names else "at"


def _at(facts: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        facts = facts.get(step, {}) if isinstance(facts, dict) else {}
    return facts if facts != {} else ""


def _check_entry(
    session: Session, values: dict[str, Any], body: str, digest: str, kept: str, mac: str
) -> None:
    """The MAC and digest of an entry written in Python; a row entry has none, and a digest once words were erased."""
    session.count("entries")
    if values["kind"] == "row":
        # Triggers leave both empty; erasing keeps the digest that was sealed, and exports say it of the entry.
        for name, have, wanted in (("digest", kept, digest if erased_by(body) else ""), ("mac", mac, "")):
            if have != wanted:
                session.report("edited", ENTRY, values["id"], name, "is not what the portal left there")
        return
    if session.keys.mac(mac_line(digest, values)) != mac:
        named = _edited_field(values, body, digest != kept)
        session.report("mac", ENTRY, values["id"], named, "the entry is not as the portal wrote it")
    elif kept != digest:
        session.report("mac", ENTRY, values["id"], "digest", "differs from the body")


def _of_before(
    session: Session,
    entry_id: int,
    salt: str,
    body: str,
    kept: str,
    now: str,
    known: erased.Vouched | None,
) -> str:
    """The digest of the body that was sealed, of an entry whose words were erased, or which says so."""
    if wrong := erased.fault(known, salt, body, kept):
        session.report("erased", ENTRY, entry_id, "body", wrong)
    return kept if erased_by(body) else now


def _queue(session: Session) -> None:
    """Every entry is exactly one of sealed and pending; a pending one still has its MAC."""
    sql = (
        f"SELECT p.entry_id, e.salt, e.body, e.digest, e.mac, {_COLUMNS} FROM trail_pending p "
        "LEFT JOIN trail_entry e ON e.id = p.entry_id ORDER BY p.entry_id"
    )
    for entry_id, salt, body, digest, mac, *head in session.stream(sql):
        session.count("pending")
        if salt is None:
            session.report("deleted", ENTRY, entry_id, "", "an entry waiting to be sealed is missing")
            continue
        values = dict(zip(HEAD, head, strict=True))
        values["at"] = stamp(values["at"])
        if erased_by(body):
            session.report("erased", ENTRY, entry_id, "body", "nothing is erased of what is not sealed yet")
        _check_entry(session, values, body, body_digest(salt, body), digest, mac)
        accounts.name(session, values, body)
    loose = (
        "SELECT e.id, l.entry_id FROM trail_entry e LEFT JOIN trail_leaf l ON l.entry_id = e.id "
        "LEFT JOIN trail_pending p ON p.entry_id = e.id "
        "WHERE (l.entry_id IS NULL AND p.entry_id IS NULL) OR (l.entry_id IS NOT NULL AND p.entry_id IS NOT NULL)"
    )
    for entry_id, leaf in session.stream(loose):
        detail = (
            "neither sealed nor waiting: inserted behind the portal, or its leaf was removed"
            if leaf is None
            else "sealed and still waiting: the queue was tampered with"
        )
        session.report("queue", ENTRY, entry_id, "", detail)


def _copies(session: Session) -> None:
    """Entries with the MAC of an earlier one. It covers all but the id, and a salt of its own makes it unlike any
    other: such an entry is a copy that somebody else put there. A copy has the time of the first, so that is joined."""
    sql = (
        "SELECT e.id, min(o.id) FROM trail_entry e JOIN trail_entry o "
        "ON o.at = e.at AND o.mac = e.mac AND o.id < e.id WHERE e.mac <> '' "
        "AND e.id >= %s GROUP BY e.id ORDER BY e.id"
    )
    for entry_id, first in session.stream(sql, [session.first_entry()]):
        session.report("inserted", ENTRY, entry_id, "", f"a copy of entry {first}")


def _gaps(session: Session) -> None:
    """On SQLite ids have no honest gaps (a rollback takes the sequence back too), so each is a removed entry.

    PostgreSQL draws ids outside the transaction: there a gap says nothing.
    """
    if session.vendor != "sqlite":
        return
    gaps = (
        "SELECT e.id, (SELECT max(b.id) FROM trail_entry b WHERE b.id < e.id) FROM trail_entry e "
        "WHERE e.id > 1 AND NOT EXISTS (SELECT 1 FROM trail_entry b WHERE b.id = e.id - 1) "
        "AND NOT EXISTS (SELECT 1 FROM trail_leaf l WHERE l.entry_id = e.id - 1) "
        "AND NOT EXISTS (SELECT 1 FROM trail_pending p WHERE p.entry_id = e.id - 1)"
    )
    for entry_id, before in session.stream(gaps):
        low = (before or 0) + 1
        session.report("gap", ENTRY, _span(low, entry_id - 1), "", "entries are missing")
    drawn = session.one("SELECT seq FROM sqlite_sequence WHERE name = 'trail_entry'") or 0
    newest = session.one("SELECT max(id) FROM trail_entry") or 0
    known = session.one("SELECT max(entry_id) FROM trail_leaf") or 0
    if drawn > max(newest, known):
        session.report("gap", ENTRY, _span(newest + 1, drawn), "", "the newest entries are missing")


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}–{high}"
