"""What was shown as of a moment, against the trail: every record that was read, and every signature.

A record is confirmed when its history row has the portal's MAC, the trail has the entry that tells of this row and
names no later one, and the entry's body is the one that was sealed. One query a kind of record, and two more.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db.models import Max, OuterRef, Q, Subquery

from apps.trail import erased
from apps.trail.history import covered
from apps.trail.identity import keys
from apps.trail.models import Entry, Kind, Leaf, Signature
from apps.trail.past import World, present
from apps.trail.preimages import body_digest, erased_by, stamp
from apps.trail.rowmac import Judge
from apps.trail.statements import expected_columns, signature_mac_content

# On SQLite an entry's time is cut to milliseconds, so it may lie just before that of its row.
CUT = timedelta(milliseconds=1)
MANY = 5000  # keys in one query


@dataclass(frozen=True)
class Fault:
    """One row that is not as the portal wrote it: table, key of the row (0: missing), the record, what is wrong."""

    table: str
    row: int
    record: str
    what: str

    def sentence(self) -> str:
        row = f"row {self.row}" if self.row else "a row"
        return f"{self.record}: {row} of {self.table} {self.what}."

    def as_data(self) -> dict[str, Any]:
        return {"record": self.record, "table": self.table, "row": self.row, "what": self.what}


@dataclass(frozen=True)
class Confirmed:
    """How many records and signatures were checked, and which did not stand."""

    records: int
    faults: tuple[Fault, ...] = ()

    @property
    def verified(self) -> bool:
        return not self.faults


def confirm(here: World) -> Confirmed:
    """Check all that was read in this world, whatever is in the database now."""
    with present():
        faults = _signatures(sorted(here.seen.get(Signature, ())))
        for part in _parts(here):
            shown = {model: _rows(model, ids, here) for model, ids in part.items()}
            told = _entries(here, shown)
            sealed = _bodies(entry for entry, _ in told.values())
            vouched = erased.vouched(keys()) if any(erased_by(body) for _, body, _ in sealed.values()) else {}
            for model, rows in shown.items():
                faults += _faults(model, rows, part[model], told, sealed, vouched)
    count = sum(len(ids) for ids in here.seen.values())
    return Confirmed(count, tuple(sorted(faults, key=lambda each: (each.table, each.row))))


def _parts(here: World) -> Iterator[dict[Any, list[Any]]]:
    """The records that were read, by model: all at once, or as many as go into one query."""
    part: dict[Any, list[Any]] = {}
    room = MANY
    for model, ids in here.seen.items():
        left = [] if model is Signature else sorted(ids, key=str)
        while left:
            taken, left = left[:room], left[room:]
            part[model] = taken
            room -= len(taken)
            if not room:
                yield part
                part, room = {}, MANY
    yield part


@dataclass(frozen=True)
class Row:
    """A history row: its key, its MAC, and what its MAC says against it (empty: nothing)."""

    history_id: int
    mac: str
    wrong: str


def _rows(model: Any, ids: list[Any], here: World) -> dict[str, Row]:
    """Key of the record, as text -> the history row it was shown from."""
    past = model.history.model
    key = past._meta.get_field(model._meta.pk.name).attname
    written = past.objects.filter(history_date__lte=here.moment, **{f"{key}__in": ids})
    if here.unfinished:
        written = written.exclude(act_id__in=here.unfinished)
    newest = written.order_by().values(key).annotate(last=Max("history_id")).values("last")
    names = ["history_id", "mac", key, *(name for name, _, _ in covered(past))]
    judge = Judge(past, keys())
    found = {}
    for history_id, mac, pk, *values in past.objects.filter(history_id__in=newest).values_list(*names):
        found[str(pk)] = Row(history_id, mac, judge.whole_fault(mac, values))
    return found


def _entries(here: World, shown: dict[Any, dict[str, Row]]) -> dict[tuple[str, str], tuple[int, int]]:
    """(table, key of the record) -> (id of the last entry that tells of a row of it by then, that row)."""
    wanted = Q(pk__in=[])
    for model, rows in shown.items():
        if rows:
            kind = getattr(model, "subject_kind", model._meta.label_lower)
            table = model.history.model._meta.db_table
            wanted |= Q(subject_kind=kind, subject_id__in=list(rows), table_name=table)
    latest = Q(at__lte=here.moment - CUT)
    for (
        model,
        rows,
    ) in shown.items():  # the row that was shown, though its entry was written just after the moment
        if rows:
            ids = [row.history_id for row in rows.values()]
            latest |= Q(table_name=model.history.model._meta.db_table, row_id__in=ids)
    entries = Entry.objects.filter(wanted, latest, kind=Kind.ROW).exclude(act_id__in=here.unfinished)
    found: dict[tuple[str, str], tuple[int, int]] = {}
    values = entries.order_by("id").values_list("table_name", "subject_id", "id", "row_id")
    for table, pk, entry, row in values:
        found[table, pk] = (entry, row or 0)
    return found


def _bodies(entries: Iterable[int]) -> dict[int, tuple[str, str, str | None]]:
    """Entry -> (salt, body, digest of both as sealed; None when it is not sealed yet)."""
    leaf = Leaf.objects.filter(entry_id=OuterRef("pk")).values("body_digest")[:1]
    rows = Entry.objects.filter(pk__in=list(entries)).annotate(sealed=Subquery(leaf))
    return {
        pk: (salt, body, sealed)
        for pk, salt, body, sealed in rows.values_list("pk", "salt", "body", "sealed")
    }


def _faults(
    model: Any,
    rows: dict[str, Row],
    ids: list[Any],
    told: dict[tuple[str, str], tuple[int, int]],
    sealed: dict[int, tuple[str, str, str | None]],
    vouched: dict[int, erased.Vouched],
) -> list[Fault]:
    table = model.history.model._meta.db_table
    name = str(model._meta.verbose_name)
    found = []
    for pk in map(str, ids):
        row = rows.get(pk)
        record = f"{name} {pk}"
        if row is None:
            found.append(Fault(table, 0, record, "is missing: the record was shown from no history row"))
            continue
        entry, last = told.get((table, pk), (0, 0))
        wrong = ""
        if not entry:
            wrong = "stands in no entry of the trail"
        elif last != row.history_id:
            wrong = f"is not the last one the trail tells of (entry {entry} names row {last})"
        else:
            wrong = _against_entry(row, entry, *sealed[entry], vouched.get(entry))
        if wrong:
            found.append(Fault(table, row.history_id, record, wrong))
    return found


def _against_entry(
    row: Row, entry: int, salt: str, body: str, sealed: str | None, vouched: erased.Vouched | None
) -> str:
    """What is wrong with a history row, judged by the entry that tells of it; empty when nothing is."""
    if erased_by(body):
        if wrong := erased.fault(vouched, salt, body, sealed or ""):
            return f"is told by entry {entry}: {wrong}"
    elif sealed is not None and body_digest(salt, body) != sealed:
        return f"is told by entry {entry}, whose body is not the one that was sealed"
    try:
        told: dict[str, Any] = json.loads(body)["row"]
    except (ValueError, KeyError, TypeError):
        return f"is told by entry {entry}, whose body cannot be read"
    if row.wrong:
        return f"does not match: {row.wrong}"
    if not hmac.compare_digest(str(told.get("mac", "")).encode(), row.mac.encode()):
        return f"does not match what entry {entry} tells of it"
    return ""


def _signatures(ids: list[Any]) -> list[Fault]:
    """Signatures whose statement is not the one that was signed, or whose row says something else."""
    found = []
    for start in range(0, len(ids), MANY):
        for row in Signature.objects.filter(pk__in=ids[start : start + MANY]):
            if what := _signature_fault(row):
                found.append(Fault(Signature._meta.db_table, row.pk, f"signature {row.pk}", what))
    return found


def _signature_fault(row: Signature) -> str:
    if not hmac.compare_digest(keys().mac(signature_mac_content(row)).encode(), row.mac.encode()):
        return "does not match: its statement is not the one that was signed"
    for column, value in expected_columns(json.loads(row.statement)).items():
        have: Any = getattr(row, column)
        have = stamp(have) if column == "signed_at" else str(have) if column == "uuid" else have
        if have != value:
            return f"does not match: its statement says otherwise of {column}"
    return ""
