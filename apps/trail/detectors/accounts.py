"""Acts against rows: every row written has an act entry that names it with its digest, and the other way round.

Both sides are summed as numbers mod 2^256 (a multiset hash): equal sums need no memory for a million rows. Only
when they differ is the pair found by name.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from apps.trail.findings import Session
from apps.trail.models import Signature
from apps.trail.watched import history_models

MODULUS = 1 << 256


def _number(table: str, row_id: int, digest: str) -> int:
    return int.from_bytes(sha256(f"{table}:{row_id}:{digest}".encode()).digest(), "big")


def name(session: Session, values: dict[str, Any], body: str) -> None:
    """Add the rows an act entry names."""
    if values["kind"] in ("act", "event") and '"rows":[[' in body:
        for table, row_id, digest in json.loads(body)["rows"]:
            session.named = (session.named + _number(table, row_id, digest)) % MODULUS


def find(session: Session, table: str, row_id: int, act_id: str, digest: str) -> None:
    """Add one row of a history or signature table."""
    if not session.skip_act or act_id != session.skip_act:
        session.found = (session.found + _number(table, row_id, digest)) % MODULUS


def run(session: Session) -> None:
    """Row entries without an act, and, where the sums differ, the rows that one side does not know."""
    orphans = (
        "SELECT e.id, e.table_name, e.row_id FROM trail_entry e WHERE e.kind = 'row' AND e.act_id <> %s "
        "AND NOT EXISTS (SELECT 1 FROM trail_entry a WHERE a.act_id = e.act_id AND a.act_id <> '' "
        "AND a.kind IN ('act', 'event')) ORDER BY e.id"
    )
    for entry_id, table, row_id in session.stream(orphans, [session.skip_act or "-"]):
        session.report("no act", table, row_id, "", f"written outside any act (entry {entry_id})")
    if session.since or session.named == session.found:
        return
    named: dict[tuple[str, int], str] = {}
    for (body,) in session.stream("SELECT body FROM trail_entry WHERE kind IN ('act', 'event') ORDER BY id"):
        if '"rows":[[' in body:
            named.update({(table, row_id): digest for table, row_id, digest in json.loads(body)["rows"]})
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
