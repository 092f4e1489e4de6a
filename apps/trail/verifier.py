"""Verification of the whole trail: every detector, on one consistent view of the database."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import DEFAULT_DB_ALIAS, connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper

from apps.core import registries
from apps.trail import keys as key_files
from apps.trail import others, structure, triggers, witness
from apps.trail.current import current_act_id
from apps.trail.detectors import accounts, anchors, files, log, rows
from apps.trail.findings import Finding, Result, Session
from apps.trail.models import Checkpoint, Log

log_of_faults = logging.getLogger("countersign.trail")
SNAPSHOT = "trail_snapshot"
Progress = Callable[[str, int], None]
# How many witnesses answered, and what they contradict.
Asked = tuple[int, list[Finding]]


class UnknownCheckpoint(LookupError):
    """`since` names a size at which no checkpoint was signed."""


@contextmanager
def snapshot() -> Iterator[BaseDatabaseWrapper]:
    """A connection that sees one moment. Inside a transaction it is that transaction's own connection."""
    if connection.in_atomic_block:
        yield connections[DEFAULT_DB_ALIAS]
        return
    own = connections[DEFAULT_DB_ALIAS].copy(alias=SNAPSHOT)
    connections[SNAPSHOT] = own
    try:
        own.ensure_connection()
        if own.vendor == "postgresql":
            own.set_autocommit(False)
            with own.cursor() as cursor:
                cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        else:
            with own.cursor() as cursor:
                cursor.execute("BEGIN DEFERRED")
        yield own
    finally:
        own.close()
        del connections[SNAPSHOT]


def verify(progress: Progress | None = None, *, since: int = 0, read_files: bool = False) -> Result:
    """Run every detector. `progress(what, count)` is told as it goes.

    `since`: size of an earlier checkpoint; entries and rows sealed before it are then not read again.
    `read_files`: every stored file is read and compared with its digest; else only its presence and size.
    """
    witnessed = _witnessed()
    asked = _asked()
    with snapshot() as own:
        result = _verify(own, progress, since, witnessed, asked, read_files)
        shared = own.in_atomic_block and own.vendor == "postgresql"
        if result.findings and shared:
            # Each statement of this transaction saw its own moment: a fault is what stands at both looks.
            again = set(_verify(own, None, since, _witnessed(), asked, read_files).findings)
            result.findings = [finding for finding in result.findings if finding in again]
        return result


def _witnessed() -> list[dict[str, Any]] | str:
    """The witness copy, or why it cannot be read.

    Read before the database is looked at: the copy is written after the commit, so what it holds is there by then.
    """
    row = Log.objects.order_by("pk").last()
    try:
        return list(witness.lines(row.origin)) if row else []
    except (ValueError, KeyError, TypeError, OSError) as error:
        return str(error)


def _asked() -> Asked:
    """What the witnesses outside say; a setting that cannot be read is a finding."""
    try:
        return anchors.ask()
    except ImproperlyConfigured as error:
        return 0, [Finding("witness", "settings", "", "", str(error))]


def _verify(
    own: BaseDatabaseWrapper,
    progress: Progress | None,
    since: int,
    witnessed: list[dict[str, Any]] | str,
    asked: Asked,
    read_files: bool,
) -> Result:
    result = Result()
    keys = _keys(own, result)
    result.findings += others.findings(keys.origin if keys else "")
    if keys is None:
        return result
    if since and not Checkpoint.objects.using(own.alias).filter(size=since).exists():
        raise UnknownCheckpoint(f"No checkpoint was signed at {since} entries.")
    session = Session(own, keys, current_act_id(), since, progress, result)
    if isinstance(witnessed, str):
        session.report("witness", "witness", None, "", f"the witness copy cannot be read: {witnessed}")
        witnessed = []
    for table, name, fault in triggers.faults(own):
        session.report("triggers", table, None, "", f"trigger {name}: {fault}")
    for detector, table, field, detail in structure.faults(own):
        session.report(detector, table, None, field, detail)
    _look(session, "log", lambda: log.run(session, witnessed))
    _look(session, "anchors", lambda: anchors.run(session, asked))
    _look(session, "rows", lambda: rows.run(session))
    _look(session, "accounts", lambda: accounts.run(session))
    _look(session, "files", lambda: files.run(session, read=read_files))
    for name in registries.detector:
        _look(session, name, partial(registries.detector[name], session))
    return result


def _look(session: Session, name: str, detector: Callable[[], None]) -> None:
    """Run one detector. What stops it is a finding, and the others still look."""
    try:
        detector()
    except Exception as error:
        log_of_faults.exception("the detector %s stopped", name)
        session.report("stopped", name, None, "", f"the detector stopped: {type(error).__name__}: {error}")


def _keys(own: BaseDatabaseWrapper, result: Result) -> key_files.Keys | None:
    """The keys outside the database say which log this is; the row must agree."""
    row = Log.objects.using(own.alias).order_by("pk").last()
    if row is None:
        result.findings.append(Finding("log", "trail_log", "", "", "the row that names the log is missing"))
        return None
    try:
        keys = key_files.load(row.origin)
    except key_files.KeyMissing as error:
        result.findings.append(Finding("log", "trail_log", str(row.pk), "origin", str(error)))
        return None
    if row.verifier != keys.verifier:
        result.findings.append(
            Finding("log", "trail_log", str(row.pk), "verifier", "differs from the key outside")
        )
    return keys
