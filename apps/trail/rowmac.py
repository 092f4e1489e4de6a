"""The MAC of a history row, and the columns it covers: each MAC names its set of columns, so that a column added later
breaks none.

    mac    = <name> ":" <code>                   64 characters
    set    = SHA-256 of {"columns": [names in order], "table": name} as canonical JSON, hex
    name   = the first 7 digits of `set`
    code   = the first 56 digits (224 bits) of HMAC-SHA-256 over `<set> <values as JSON, in the order of the columns>`

Which columns a name means is computed for the columns of today. For an earlier set it is read from the row entry of the
first row that bears the name: the trail told each row with all its columns. That entry needs no belief, since the code
covers the whole digest of the set; a set whose column is gone from the model cannot be checked, and is a fault. A
column that came after a row was written must hold there what its migration put (`apps.trail.added`).

Truncating the code: RFC 2104, section 5 (no less than half of the hash).
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.db import DEFAULT_DB_ALIAS, models

from apps.trail.added import Added
from apps.trail.history import UNCOVERED, covered
from apps.trail.keys import Keys
from apps.trail.models import Entry, Kind

NAME = 7
CODE = 56
# Keys sorted: PostgreSQL gives the keys of a JSON column back in an order of its own.
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode

UNKNOWN = "it names a set of columns that the trail does not know"
FORGED = "it is not as the portal wrote it"


@dataclass(frozen=True)
class Columns:
    """A set of columns of one history table, in order of their names. `digest`: 64 hex digits."""

    table: str
    columns: tuple[str, ...]
    digest: str

    @property
    def name(self) -> str:
        return self.digest[:NAME]


def columns_of(table: str, columns: Iterable[str]) -> Columns:
    """The set of these columns; what the MAC never covers is left out."""
    names = tuple(sorted(set(columns) - set(UNCOVERED)))
    text = json.dumps({"columns": names, "table": table}, sort_keys=True, separators=(",", ":"))
    return Columns(table, names, hashlib.sha256(text.encode()).hexdigest())


@cache
def columns_now(model: type[models.Model]) -> Columns:
    """The set that rows of this history model are written with today."""
    return columns_of(model._meta.db_table, [column for _, column, _ in covered(model)])


def code(keys: Keys, known: Columns, values: Sequence[Any]) -> str:
    """The MAC over `values`, in their stable form and in the order of `known.columns`."""
    whole = keys.mac(f"{known.digest} {_encode(values)}".encode())
    return f"{known.name}:{whole[:CODE]}"


def written(keys: Keys, row: Any) -> str:
    """The MAC of a history row about to be written, over all columns of today."""
    model: type[models.Model] = type(row)
    values = [form(getattr(row, name)) for name, _, form in covered(model)]
    return code(keys, columns_now(model), values)


def rewritten(keys: Keys, row: Any, values: dict[str, Any]) -> str:
    """The MAC of a history row once `values` (column -> value) stand in it, over the columns that its MAC names.

    LookupError when those are not known. Who asks has judged the row before, or an edit would be made to look honest.
    """
    model: type[models.Model] = type(row)
    known = find_columns(model, named(row.mac))
    if known is None:
        raise LookupError(UNKNOWN)
    fields = {column: (name, form) for name, column, form in covered(model)}
    told = []
    for column in known.columns:
        name, form = fields[column]
        told.append(form(values.get(column, getattr(row, name))))
    return code(keys, known, told)


def named(mac: str) -> str:
    """The name of the set of columns that a row's MAC bears; empty when it bears none."""
    name, colon, rest = mac.partition(":")
    return name if colon and len(name) == NAME and len(rest) == CODE else ""


# (table, name) -> set of columns, of those that are not of today. A name is a digest: what it means never changes.
_earlier: dict[tuple[str, str], Columns] = {}


def find_columns(model: type[models.Model], name: str, alias: str = DEFAULT_DB_ALIAS) -> Columns | None:
    """The set of columns with this name; None when neither the model nor the trail knows it."""
    today = columns_now(model)
    if name == today.name:
        return today
    table = model._meta.db_table
    known = _earlier.get((table, name))
    if known is None and name:
        told = _told(model, name, alias)
        if told is not None and told.name == name:
            known = _earlier[table, name] = told
    return known


def _told(model: type[models.Model], name: str, alias: str) -> Columns | None:
    """The columns of the first row that bears this name, as its row entry tells them."""
    table = model._meta.db_table
    rows = model._base_manager.using(alias).filter(mac__startswith=f"{name}:").order_by("pk")
    first = rows.values_list("pk", flat=True).first()
    entries = Entry.objects.using(alias).filter(kind=Kind.ROW, table_name=table, row_id=first)
    body = entries.order_by("pk").values_list("body", flat=True).first() if first is not None else None
    try:
        return columns_of(table, dict(json.loads(body)["row"])) if body is not None else None
    except (ValueError, KeyError, TypeError):
        return None  # an entry that cannot be read is the finding of another detector


class Judge:
    """Judges rows of one history table by their MACs, whatever columns there were when they were written."""

    def __init__(self, model: type[models.Model], keys: Keys, alias: str = DEFAULT_DB_ALIAS) -> None:
        self.model, self.keys, self.alias = model, keys, alias
        self._fields = covered(model)
        self._added = Added(model, self._fields)
        # name -> the set and where its values stand among those of today; or what is wrong with it
        self._sets: dict[str, tuple[Columns, tuple[int, ...]] | str] = {}

    def fault(self, mac: str, values: Sequence[Any]) -> str:
        """What is wrong with a row, from its values in the order of `covered(model)`; empty when nothing is."""
        name = named(mac)
        if name not in self._sets:
            self._sets[name] = self._set(name)
        known = self._sets[name]
        if isinstance(known, str):
            return known
        columns, places = known
        stable = [self._fields[place][2](values[place]) for place in places]
        return "" if hmac.compare_digest(code(self.keys, columns, stable).encode(), mac.encode()) else FORGED

    def added(self, mac: str, values: Sequence[Any]) -> list[tuple[str, str]]:
        """(column, what is wrong) of columns that came after a row whose MAC holds, and were edited there since."""
        known = self._sets.get(named(mac))
        if known is None or isinstance(known, str) or len(known[1]) == len(self._fields):
            return []
        return list(self._added.faults(known[0].columns, list(values)))

    def whole_fault(self, mac: str, values: Sequence[Any]) -> str:
        """What is wrong with a row, the columns that came later included."""
        wrong = self.fault(mac, values)
        return wrong or "; ".join(f"{column}: {told}" for column, told in self.added(mac, values))

    def fault_of(self, row: Any) -> str:
        """The same of a loaded history row."""
        return self.whole_fault(row.mac, [getattr(row, name) for name, _, _ in self._fields])

    def _set(self, name: str) -> tuple[Columns, tuple[int, ...]] | str:
        known = find_columns(self.model, name, self.alias)
        if known is None:
            return UNKNOWN if name else FORGED
        place = {column: index for index, (_, column, _) in enumerate(self._fields)}
        gone = [column for column in known.columns if column not in place]
        if gone:
            return f"it was written with columns that are gone: {', '.join(gone)}"
        return known, tuple(place[column] for column in known.columns)
