"""Watched tables against their row entries, history against its MAC, live records against their newest history."""

from __future__ import annotations

import json
from typing import Any

from django.db import models

from apps.trail.detectors import accounts
from apps.trail.findings import Session, short
from apps.trail.history import column_of, covered, record_of
from apps.trail.models import Signature
from apps.trail.preimages import stamp
from apps.trail.rowmac import Judge
from apps.trail.statements import expected_columns, signature_mac_content
from apps.trail.watched import Watched, history_models, watched_tables


def run(session: Session) -> None:
    first = session.first_entry()
    watched = watched_tables()
    known = ", ".join(f"'{one.table}'" for one in watched)
    strangers = f"SELECT id FROM trail_entry WHERE kind = 'row' AND table_name NOT IN ({known}) ORDER BY id"
    for (entry_id,) in session.stream(strangers):
        session.report(
            "row", "trail_entry", entry_id, "table_name", "a row entry of a table that is not watched"
        )
    for one in watched:
        _against_entries(session, one, first)
        if one.history:
            assert one.model is not None
            _macs(session, one.model)
    for model in history_models():
        _live(session, model)
    _signatures(session)


def _against_entries(session: Session, one: Watched, first: int) -> None:
    """Rows and what the trail says of them; columns that came later are not told of older rows."""
    table, key = one.table, one.key
    newest = ""
    if one.changes:
        newest = (
            "AND e.id IN (SELECT max(n.id) FROM trail_entry n WHERE n.kind = 'row' AND n.table_name = %s "
            "GROUP BY n.row_id) "
        )
    sql = (
        f'SELECT e.id, e.row_id, e.body, h."{key}", '
        f'CASE WHEN h."{key}" IS NULL THEN NULL ELSE {one.body_json(session.vendor, "h", "insert")} END '
        f'FROM trail_entry e LEFT JOIN "{table}" h ON h."{key}" = e.row_id '
        f"WHERE e.kind = 'row' AND e.table_name = %s AND e.id >= %s {newest}ORDER BY e.id"
    )
    parameters = [table, first, *([table] if one.changes else [])]
    for entry_id, row_id, told, there, now in session.stream(sql, parameters):
        session.count("row entries")
        if told == now and not one.changes:
            continue
        try:
            facts = json.loads(told)
            operation, row = facts["op"], dict(facts["row"])
        except (ValueError, KeyError, TypeError):
            session.report("edited", "trail_entry", entry_id, "body", "the row entry cannot be read")
            continue
        if one.changes and operation == "delete":
            if there is not None:
                session.report("row", table, row_id, "", "the trail says it was removed, and it is there")
            continue
        if there is None:
            session.report("deleted", table, row_id, "", f"the row of entry {entry_id} is missing")
            continue
        _differences(session, "history" if one.history else "row", table, row_id, row, json.loads(now)["row"])
    _unaccounted(session, one)


def _differences(session: Session, detector: str, table: str, row_id: int, told: dict, now: dict) -> None:
    for column, value in told.items():
        if column not in now:
            session.report(detector, table, row_id, column, "the column is gone from the table")
        elif now[column] != value:
            session.report(
                detector,
                table,
                row_id,
                column,
                f"the trail says {short(value)}, the row {short(now[column])}",
            )


def _unaccounted(session: Session, one: Watched) -> None:
    """Rows that no row entry tells of, and rows told of twice."""
    missing = (
        f'SELECT h."{one.key}" FROM "{one.table}" h WHERE NOT EXISTS (SELECT 1 FROM trail_entry e '
        f"WHERE e.kind = 'row' AND e.table_name = %s AND e.row_id = h.\"{one.key}\")"
    )
    for (row_id,) in session.stream(missing, [one.table]):
        session.report("inserted", one.table, row_id, "", "no row entry tells of this row")
    if one.changes:
        return
    twice = (
        "SELECT e.row_id, max(e.id) FROM trail_entry e WHERE e.kind = 'row' AND e.table_name = %s "
        "GROUP BY e.row_id HAVING count(*) > 1"
    )
    for row_id, entry_id in session.stream(twice, [one.table]):
        session.report(
            "inserted", "trail_entry", entry_id, "row_id", f"a second row entry for {one.table} row {row_id}"
        )


def _macs(session: Session, model: type[models.Model]) -> None:
    """Each history row's MAC over the columns that it names."""
    table = model._meta.db_table
    judge = Judge(model, session.keys, session.alias)
    names = ["history_id", "mac", "act_id", *(name for name, _, _ in covered(model))]
    for row_id, mac, act_id, *values in (
        model._base_manager.using(session.alias).values_list(*names).iterator(chunk_size=2000)
    ):
        session.count("history rows")
        if wrong := judge.fault(mac, values):
            session.report("mac", table, row_id, "mac", f"the history row does not hold: {wrong}")
        for column, told in judge.added(mac, values):
            session.report("history", table, row_id, column, told)
        accounts.find(session, table, row_id, act_id, mac)


def _live(session: Session, model: type[models.Model]) -> None:
    """Records against their newest history row: finds edits that went around the portal."""
    record = record_of(model)
    live, past, key = record._meta.db_table, model._meta.db_table, column_of(record._meta.pk)
    tracked = model.tracked_fields  # type: ignore[attr-defined]  # set by simple-history
    columns = [column_of(field) for field in tracked if field.concrete]
    differs = "IS DISTINCT FROM" if session.vendor == "postgresql" else "IS NOT"
    changed = " OR ".join(f'r."{column}" {differs} h."{column}"' for column in columns)
    pairs = ", ".join(f'r."{column}", h."{column}"' for column in columns)
    sql = (
        f'SELECT r."{key}", h.history_id, h.history_type, {pairs} FROM "{live}" r LEFT JOIN "{past}" h '
        f'ON h.history_id = (SELECT max(n.history_id) FROM "{past}" n WHERE n."{key}" = r."{key}") '
        f"WHERE h.history_id IS NULL OR h.history_type = '-' OR {changed}"
    )
    for row_id, history_id, kind, *values in session.stream(sql):
        if history_id is None:
            session.report("live", live, row_id, "", "a record without history: inserted behind the portal")
        elif kind == "-":
            session.report("live", live, row_id, "", "its history says it was removed")
        else:
            for place, column in enumerate(columns):
                now, before = values[2 * place], values[2 * place + 1]
                if now != before:
                    detail = f"history says {short(before)}, the record {short(now)}"
                    session.report("live", live, row_id, column, detail)
    session.count("records", session.one(f'SELECT count(*) FROM "{live}"') or 0)
    gone = (
        f'SELECT h."{key}", h.history_id FROM "{past}" h WHERE h.history_type <> \'-\' '
        f'AND h.history_id = (SELECT max(n.history_id) FROM "{past}" n WHERE n."{key}" = h."{key}") '
        f'AND NOT EXISTS (SELECT 1 FROM "{live}" r WHERE r."{key}" = h."{key}")'
    )
    for row_id, history_id in session.stream(gone):
        session.report(
            "live", live, row_id, "", f"the record is missing; history row {history_id} says it is there"
        )


def _signatures(session: Session) -> None:
    table = Signature._meta.db_table
    for row in Signature.objects.using(session.alias).select_related("signer").order_by("pk").iterator():
        session.count("signatures")
        if session.keys.mac(signature_mac_content(row)) != row.mac:
            session.report(
                "signature", table, row.pk, "statement", "the statement is not the one that was signed"
            )
        accounts.find(session, table, row.pk, row.act_id, row.statement_digest)
        try:
            expected = expected_columns(json.loads(row.statement))
        except (ValueError, KeyError, TypeError):
            session.report("signature", table, row.pk, "statement", "the statement cannot be read")
            continue
        if str(row.signer.uuid) != json.loads(row.statement)["signer"]["uuid"]:
            session.report("signature", table, row.pk, "signer_id", "the statement names another person")
        for column, value in expected.items():
            have: Any = getattr(row, column)
            have = stamp(have) if column == "signed_at" else str(have) if column == "uuid" else have
            if have != value:
                detail = f"the statement says {short(value)}, the row {short(have)}"
                session.report("signature", table, row.pk, column, detail)
