"""The records as they stood: inside `at(moment)` every query of every page is answered from the history.

A page, a gate, a list and the API read tables. Here each table that is read is put in the place of what the history
says of it at the moment: of each record the newest row that an act had written by then. So nothing has to be built
twice, and nothing can show the present by mistake: a table that keeps no history cannot be read at all in here
(`CannotRebuild`), and nothing can be written.

The times of history rows are the server's. An act is one thing: of an act whose entry came after the moment nothing is
shown, though some of its rows may have been written before.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from django.db import connection, models

from apps.core import clock
from apps.core.errors import Refused
from apps.trail import noticed
from apps.trail.history import column_of, is_history, record_of
from apps.trail.models import Checkpoint, Entry, Kind, Leaf, Signature
from apps.trail.watched import history_models

# No transaction of an act is open for longer: what takes long is computed before it.
LONGEST_ACT = timedelta(hours=1)
# Between the time in a history row and that of its entry: they are of two clocks, and SQLite's counts milliseconds.
TICK = timedelta(seconds=1)
# Read as they are: they hold nothing that a page shows.
TIMELESS = frozenset({"django_content_type", "django_session", "trail_log", "trail_node"})
# Bookkeeping of what is under way now: nothing was kept of how far it had come.
EMPTY = frozenset({"core_job"})
PRESENT = "/* of today */"

_SOURCE = re.compile(r'\b(FROM|JOIN) "(\w+)"(?!\.)(?: ([A-Z]+[0-9]+)\b)?')
_BARE = re.compile(r"\b(?:FROM|JOIN) (?!\()[a-z_]")
_WRITES = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE|TRUNCATE|MERGE|CREATE|ALTER|DROP)\b", re.IGNORECASE)
_LOCKS = re.compile(r"\bFOR (NO KEY )?UPDATE\b")


class CannotRebuild(Refused):
    """What was asked for rests on something of which only the present is kept."""

    status = 400

    def __init__(self, fact: str) -> None:
        super().__init__(
            "This cannot be shown as it was.",
            fact=fact,
            rule="as-of",
            who=["anybody who may read it, as it is now: leave as-of out of the address"],
        )


@dataclass
class World:
    """One moment, and what was seen of it."""

    moment: datetime
    unfinished: tuple[str, ...] = ()  # acts whose rows came before the moment and their entry after it
    seen: dict[type[models.Model], set[Any]] = field(default_factory=dict)
    signatures: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.rewritten: dict[str, str] = {}  # a page asks the same table many times


def world() -> World | None:
    """The moment under which queries are answered; None in the present."""
    return noticed.world()


@contextmanager
def at(moment: datetime) -> Iterator[World]:
    """Records, entries, signatures and the clock as of `moment` (aware, past)."""
    if noticed.world() is not None:
        raise RuntimeError("One moment at a time.")
    here = World(moment.astimezone(UTC), _unfinished(moment))
    with (
        connection.execute_wrapper(_answer),
        _groups_in_full(),
        clock.stopped_at(here.moment),
        noticed.into(here),
    ):
        yield here


@contextmanager
def _groups_in_full() -> Iterator[None]:
    """PostgreSQL lets a query group by a table's key alone; what stands in the place of a table has no key."""
    features: Any = connection.features
    kept = features.allows_group_by_selected_pks
    features.allows_group_by_selected_pks = False
    try:
        yield
    finally:
        features.allows_group_by_selected_pks = kept


@contextmanager
def present() -> Iterator[None]:
    """Inside `at`: what is asked of today, such as who may look."""
    with clock.stopped_at(None), noticed.into(None):
        yield


def _unfinished(moment: datetime) -> tuple[str, ...]:
    """Acts that were being written at the moment: begun by then, their entry after it."""
    ends = Entry.objects.filter(at__gt=moment, at__lte=moment + LONGEST_ACT).exclude(kind=Kind.ROW)
    begun = Entry.objects.filter(kind=Kind.ROW, at__lte=moment + TICK, act_id__in=ends.values("act_id"))
    return tuple(sorted(set(begun.exclude(act_id="").values_list("act_id", flat=True))))


def _answer(execute: Any, sql: Any, params: Any, many: bool, context: dict[str, Any]) -> Any:
    here = noticed.world()
    if here is None:
        return execute(sql, params, many, context)
    if not isinstance(sql, str):
        raise CannotRebuild("It asks the database in a way that cannot be answered from the history.")
    if _WRITES.match(sql) or _LOCKS.search(sql):
        raise CannotRebuild("It would change something, and nothing can be changed at a moment past.")
    if sql not in here.rewritten:
        here.rewritten[sql] = of_then(sql, here)
    return execute(here.rewritten[sql], params, many, context)


def of_then(sql: str, here: World) -> str:
    """The same query, each table replaced by what it held at the moment."""

    def replaced(found: re.Match[str]) -> str:
        word, table, alias = found.groups()
        source = _source(table, here)
        if source is None:
            return found[0]
        return f"{word} ({source}) {alias or _quoted(table)}"

    if _BARE.search(sql):
        raise CannotRebuild("It asks the database in a way that cannot be answered from the history.")
    return _SOURCE.sub(replaced, sql)


def of_today(sql: str) -> str:
    """The same query, to be answered from today's tables though it stands inside one about then."""
    return _SOURCE.sub(lambda found: found[0].replace(" ", f"{PRESENT} ", 1), sql)


def _quoted(name: str) -> str:
    return connection.ops.quote_name(name)


def _literal(moment: datetime) -> str:
    """As both databases compare it: SQLite keeps times as text in UTC without their zone."""
    text = moment.strftime("%Y-%m-%d %H:%M:%S.%f")
    return f"TIMESTAMPTZ '{text}+00'" if connection.vendor == "postgresql" else f"'{text}'"


def _ended(here: World, alias: str) -> str:
    """SQL: the act was complete by the moment. Identifiers are hexadecimal."""
    if not here.unfinished:
        return ""
    acts = ", ".join(f"'{act_id}'" for act_id in here.unfinished if re.fullmatch(r"[0-9a-f]{32}", act_id))
    return f" AND {alias}.act_id NOT IN ({acts})" if acts else ""


@cache
def tables() -> dict[str, type[models.Model]]:
    """Table -> model, of everything that can be told as it stood."""
    own: list[type[models.Model]] = [Entry, Signature, Checkpoint, Leaf]
    found = {model._meta.db_table: model for model in own}
    for past in history_models():
        found[past._meta.db_table] = past
        found[record_of(past)._meta.db_table] = record_of(past)
    return found


TIMES = {"trail_entry": "at", "trail_signature": "signed_at", "trail_checkpoint": "created_at"}


def _source(table: str, here: World) -> str | None:
    """What stands in the place of a table; None: the table itself."""
    if table in TIMELESS:
        return None
    name, then = _quoted(table), _literal(here.moment)
    if table in EMPTY:
        return f"SELECT * FROM {name} WHERE 1 = 0"
    model = tables().get(table)
    if model is None:
        raise CannotRebuild("Of a part of it only the present is kept.")
    if table in TIMES:
        ended = "" if table == "trail_checkpoint" else _ended(here, name)
        return f'SELECT * FROM {name} WHERE {name}."{TIMES[table]}" <= {then}{ended}'
    if model is Leaf:
        return f"SELECT l.* FROM {name} l JOIN trail_entry e ON e.id = l.entry_id WHERE e.at <= {then}"
    if is_history(model):
        return f"SELECT * FROM {name} WHERE history_date <= {then}{_ended(here, name)}"
    return _record(model, here, then)


def _record(model: Any, here: World, then: str) -> str:
    past = model.history.model
    table, key = _quoted(past._meta.db_table), _quoted(column_of(model._meta.pk))
    kept = {column_of(each) for each in past._meta.concrete_fields}
    columns = []
    for each in model._meta.concrete_fields:
        column = _quoted(column_of(each))
        if column_of(each) in kept:
            columns.append(f"h.{column}")
        else:  # a password, the last sign-in: of them there is no history, and pages say so
            blank = "NULL" if each.null else "''"
            columns.append(f"CAST({blank} AS {each.db_type(connection)}) AS {column}")
    newest = (
        f"SELECT MAX(n.history_id) FROM {table} n WHERE n.{key} = h.{key} "
        f"AND n.history_date <= {then}{_ended(here, 'n')}"
    )
    return (
        f"SELECT {', '.join(columns)} FROM {table} h "
        f"WHERE h.history_id = ({newest}) AND h.history_type <> '-'"
    )
