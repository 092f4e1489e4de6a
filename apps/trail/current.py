"""The act being carried out now. Whoever writes a record with history writes it inside an act, or not at all."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from django.db import DEFAULT_DB_ALIAS, connections


class WriteOutsideAct(RuntimeError):
    """A record that keeps history was about to be written with no act to account for it."""


@dataclass
class CurrentAct:
    """One act under way. `rows` collects (table, row id, digest) of every history row and signature written.

    `began`: the database's time at its beginning, and this process's steady clock then; None on SQLite.
    """

    name: str
    act_id: str
    user_id: int | None
    reason: str = ""
    rows: list[tuple[str, int, str]] = field(default_factory=list)
    told: bool = False  # its entry is written
    began: tuple[datetime, float] | None = None

    def now(self) -> datetime:
        """The database's time without asking again; `began` is known."""
        assert self.began is not None
        return self.began[0] + timedelta(seconds=time.monotonic() - self.began[1])


_current: ContextVar[CurrentAct | None] = ContextVar("countersign_current_act", default=None)


def new_act_id() -> str:
    return uuid.uuid4().hex


def current() -> CurrentAct:
    """The act under way; raises WriteOutsideAct when there is none."""
    act = _current.get()
    if act is None:
        raise WriteOutsideAct("No act is under way: records with history are written by acts only.")
    return act


def open_act() -> CurrentAct | None:
    """The act under way, or None."""
    return _current.get()


def told(act_id: str) -> None:
    """The entry of the act under way was written."""
    act = _current.get()
    if act is not None and act.act_id == act_id:
        act.told = True


def current_act_id() -> str:
    """Identifier of the act under way, or empty. The SQLite triggers call this for tables without an act column."""
    act = _current.get()
    return act.act_id if act else ""


@contextmanager
def opened(
    name: str, *, user_id: int | None, act_id: str = "", reason: str = "", lock: str = ""
) -> Iterator[CurrentAct]:
    """Open an act inside the caller's transaction; acts do not nest, and rows without an entry do not commit.

    lock: SQL of a lock that the act takes first (PostgreSQL), in the same journey to the database.
    """
    connection = connections[DEFAULT_DB_ALIAS]
    if not connection.in_atomic_block:
        raise WriteOutsideAct(f"{name}: an act is opened inside a transaction.")
    outer = _current.get()
    if outer is not None:
        raise WriteOutsideAct(f"{name} was called inside {outer.name}: acts do not nest.")
    act = CurrentAct(name=name, act_id=act_id or new_act_id(), user_id=user_id, reason=reason)
    if connection.vendor == "postgresql":
        # The triggers on tables without an act column (grants, memberships) read it from here.
        asked = "SELECT clock_timestamp(), set_config('countersign.act_id', %s, true)"
        with connection.cursor() as cursor:
            cursor.execute(f"{lock}; {asked}" if lock else asked, [act.act_id])
            if lock:
                cursor.nextset()
            act.began = cursor.fetchone()[0].astimezone(UTC), time.monotonic()
    token = _current.set(act)
    try:
        yield act
        if act.rows and not act.told:
            raise WriteOutsideAct(f"{name} wrote records and ended without its entry.")
    finally:
        _current.reset(token)
