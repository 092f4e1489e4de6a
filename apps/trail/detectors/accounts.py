"""Acts against rows: every row written has an act entry that names it with its digest, and the other way round.

Both sides are summed as numbers mod 2^256 (a multiset hash): equal sums need no memory for a million rows. Only
when they differ is the pair found by name.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

from apps.trail.changes import digest as digest_of_change
from apps.trail.findings import Session
from apps.trail.models import Signature
from apps.trail.watched import history_models, watched_tables

MODULUS = 1 << 256


def _number(table: str, row_id: int, digest: str) -> int:
    return int.from_bytes(sha256(f"{table}:{row_id}:{digest}".encode()).digest(), "big")


def _named(body: str) -> list[tuple[str, int, str]]:
    """(table, row, digest) of the rows an entry names; none when it cannot be read, which its MAC and leaf tell."""
    if '"rows":[[' not in body:
        return []
    try:
        return [(str(table), int(row_id), str(digest)) for table, row_id, digest in json.loads(body)["rows"]]
    except (ValueError, KeyError, TypeError):
        return []


def name(session: Session, values: dict[str, Any], body: str) -> None:
    """Add the rows an act entry names."""
    if values["kind"] in ("act", "event"):
        for table, row_id, digest in _named(body):
            session.named = (session.named + _number(table, row_id, digest)) % MODULUS


def find(session: Session, table: str, row_id: int, act_id: str, digest: str) -> None:
    """Add one row of a history or signature table."""
    if not session.skip_act or act_id != session.skip_act:
        session.found = (session.found + _number(table, row_id, digest)) % MODULUS


def _changes(session: Session) -> Iterator[tuple[int, str, int, str, str]]:
    """(entry, table, row, act, digest) of every change of a table without history, as its row entry tells it."""
    for one in watched_tables():
        if not one.changes:
            continue
        sql = "SELECT id, row_id, act_id, body FROM trail_entry WHERE kind = 'row' AND table_name = %s ORDER BY id"
        for entry_id, row_id, act_id, body in session.stream(sql, [one.table]):
            try:
                facts = json.loads(body)
                told = digest_of_change(facts["op"], facts["row"])
            except (ValueError, KeyError, TypeError):
                told = ""  # the row entry itself is a finding (detectors/rows.py)
            yield entry_id, one.table, row_id, act_id, told


def run(session: Session) -> None:
    """Row entries without an act, and, where the sums differ, the rows that one side does not know."""
    orphans = (
        "SELECT e.id, e.table_name, e.row_id FROM trail_entry e WHERE e.kind = 'row' AND e.act_id <> %s "
        "AND NOT EXISTS (SELECT 1 FROM trail_entry a WHERE a.act_id = e.act_id AND a.act_id <> '' "
        "AND a.kind IN ('act', 'event')) ORDER BY e.id"
    )
    for entry_id, table, row_id in session.stream(orphans, [session.skip_act or "-"]):
        session.report("no act", table, row_id, "", f"written outside any act (entry {entry_id})")
    if session.since:
        return
    for _, table, row_id, act_id, told in _changes(session):
        find(session, table, row_id, act_id, told)
    if session.named == session.found:
        return
    changing = {one.table for one in watched_tables() if one.changes}
    changed: Counter[tuple[str, int, str]] = Counter()
    named: dict[tuple[str, int], str] = {}
    for (body,) in session.stream("SELECT body FROM trail_entry WHERE kind IN ('act', 'event') ORDER BY id"):
        for table, row_id, digest in _named(body):
            if table in changing:
                changed[table, row_id, digest] += 1
            else:
                named[table, row_id] = digest
    for entry_id, table, row_id, act_id, told in _changes(session):
        if session.skip_act and act_id == session.skip_act:
            continue
        if changed[table, row_id, told] > 0:
            changed[table, row_id, told] -= 1
        else:
            session.report(
                "act", table, row_id, "", f"no act names the change that entry {entry_id} tells of"
            )
    for (table, row_id, _), left in sorted(changed.items()):
        if left > 0:
            session.report("act", table, row_id, "", "an act changed this row, and no row entry tells of it")
    digests = [(model._meta.db_table, "history_id", "mac") for model in history_models()]
    digests.append((Signature._meta.db_table, "id", "statement_digest"))
    for table, key, column in digests:
        for row_id, digest, act_id in session.stream(f'SELECT "{key}", "{column}", act_id FROM "{table}"'):
            if session.skip_act and act_id == session.skip_act:
                continue
            known = named.pop((table, row_id), None)
            if known is None:
                session.report("act", table, row_id, "act_id", "no act entry names this row")
            elif known != digest:
                session.report(
                    "act", table, row_id, column, "differs from what the act entry says was written"
                )
    for table, row_id in sorted(named):
        session.report("act", table, row_id, "", "an act entry names this row, and it is not there")
