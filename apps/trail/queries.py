"""Reads of the trail: who sees which entries, filters that page, API and export share, what an act changed.

An act, event or refusal is seen by who sees its scope (the model or dataset it belongs to), by the person who did
it, and by compliance officer, inspector and registrar. What concerns the organisation is for the administrator
too. Row entries carry no scope: they are read through the act that wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.apps import apps
from django.contrib.auth import get_user_model
from django.db import models
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Cast, Concat

from apps.core import registries
from apps.core.clock import iso
from apps.core.subjects import models_by_kind
from apps.trail import sealer
from apps.trail.history import UNCOVERED, is_history
from apps.trail.merkle import verify_inclusion
from apps.trail.models import Checkpoint, Entry, Kind, Leaf, Signature
from apps.trail.preimages import leaf_hash, sealed_digest

TOLD = (Kind.ACT, Kind.EVENT, Kind.REFUSAL, Kind.SEAL)
# What stands in history rows but says nothing about the record, and what nobody needs to read.
UNTOLD = frozenset(
    {
        *UNCOVERED,
        "act_id",
        "history_date",
        "history_type",
        "history_user_id",
        "history_change_reason",
        "hashed",
    }
)
AT_A_TIME = 500
# Acts that enter the result of a verification: at a release gate, and every night.
VERIFICATIONS = ("approvals.record_verification", "access.enter_verification")


# ---------------------------------------------------------------- who sees what


def _scope_texts(scopes: Any, kind: str) -> QuerySet:
    """Scopes as entries write them ("registry.model:3") of the parents on which the person holds a duty."""
    held = scopes.rows_of(kind).annotate(
        scope_text=Concat(
            Value(f"{kind}:"), Cast("scope_id", models.CharField()), output_field=models.CharField()
        )
    )
    return held.values("scope_text")


@registries.visibility("trail.Entry")
def entries_seen(scopes: Any) -> Q:
    """`scopes` is the gate's (access.gate.Scopes): the duties in force of one person."""
    uuid = str(scopes.user.uuid)
    seen = Q(scope__in=_scope_texts(scopes, "registry.model")) | Q(
        scope__in=_scope_texts(scopes, "datasets.dataset")
    )
    if scopes.own:
        # Own refusals only where the scope is seen: one told of a hidden record would show that it exists.
        seen |= (Q(actor_uuid=uuid) | Q(on_behalf_uuid=uuid)) & ~Q(kind=Kind.REFUSAL)
        seen |= Q(actor_uuid=uuid, scope="organisation:0")
        seen |= Q(subject_kind="accounts.user", subject_id=str(scopes.user.pk))
    seen |= Q(scope="organisation:0") & scopes.holds(["administrator"])
    return seen & ~Q(kind=Kind.ROW)


@registries.visibility("trail.Signature")
def signatures_seen(scopes: Any) -> Q:
    """Signatures on records the person may see, and their own."""
    seen = Q(signer=scopes.user) if scopes.own else Q(pk__in=[])
    for kind, model in models_by_kind().items():
        if kind not in registries.content:
            continue
        opened = Q(pk__in=[])
        for give in registries.visibility[model._meta.label]:
            opened |= give(scopes)
        ids = model._default_manager.filter(opened).annotate(pk_text=Cast("pk", models.CharField()))
        seen |= Q(subject_kind=kind, subject_id__in=ids.values("pk_text"))
    return seen


# ---------------------------------------------------------------- filters


def told(entries: QuerySet) -> QuerySet:
    """Acts, events, refusals and seals: one line each. What they wrote belongs to them."""
    return entries.filter(kind__in=TOLD)


def by_records(entries: QuerySet, records: Iterable[Any]) -> QuerySet:
    """Entries about these records; about a model or dataset also everything in its scope."""
    condition = Q(pk__in=[])
    for record in records:
        condition |= Q(subject_kind=record.subject_kind, subject_id=str(record.pk))
        if record.subject_kind in ("registry.model", "datasets.dataset"):
            condition |= Q(scope=f"{record.subject_kind}:{record.pk}")
    return entries.filter(condition)


def by_person(entries: QuerySet, text: str) -> QuerySet:
    """Entries done by, or on behalf of, whoever has this username, or this in the name as it was then."""
    name = text.strip().removeprefix("@")
    uuids = [
        str(u) for u in get_user_model().objects.filter(username__iexact=name).values_list("uuid", flat=True)
    ]
    if uuids:
        return entries.filter(Q(actor_uuid__in=uuids) | Q(on_behalf_uuid__in=uuids))
    return entries.filter(Q(actor_name__icontains=name) | Q(on_behalf_name__icontains=name))


def by_duty(entries: QuerySet, duty: str) -> QuerySet:
    """Entries of people who held this duty when they acted, anywhere: the entry copies their duties.

    Text of a person cannot look like it: a quote inside text is escaped.
    """
    first, later = f'["{duty} on ', f',"{duty} on '
    return entries.filter(
        Q(body__contains=first) | Q(body__contains=later), kind__in=(Kind.ACT, Kind.REFUSAL)
    )


def rows_behind(entries: QuerySet) -> QuerySet:
    """The row entries that the acts among `entries` wrote. Rows carry no scope: they are read through their act."""
    acts = entries.filter(kind=Kind.ACT).exclude(act_id="")
    return Entry.objects.filter(kind=Kind.ROW, act_id__in=acts.order_by().values("act_id"))


def between(entries: QuerySet, since: datetime | None = None, until: datetime | None = None) -> QuerySet:
    """Entries at or after `since` and before or at `until` (aware)."""
    if since is not None:
        entries = entries.filter(at__gte=since)
    return entries if until is None else entries.filter(at__lte=until)


# ---------------------------------------------------------------- what an act changed


@dataclass(frozen=True)
class Change:
    """One field of one record before and after; `before` None in a record's first row."""

    field: str
    before: Any
    after: Any


@dataclass(frozen=True)
class Written:
    """One row an act wrote: the record's words, what was done, and the fields that differ."""

    entry: Entry
    title: str
    done: str  # created | changed | removed | granted | withdrawn
    changes: tuple[Change, ...]


def rows_of(entry: Entry) -> list[Entry]:
    """Row entries written by the same act, in order."""
    if not entry.act_id or entry.kind != Kind.ACT:
        return []
    return list(Entry.objects.filter(act_id=entry.act_id, kind=Kind.ROW).order_by("id"))


def written_by(entry: Entry) -> list[Written]:
    """What the act changed, field by field, from the row entries and the history row before each."""
    tables = {model._meta.db_table: model for model in apps.get_models(include_auto_created=True)}
    return [_written(row, tables.get(row.table_name)) for row in rows_of(entry)]


def _written(row: Entry, model: type[models.Model] | None) -> Written:
    body = json.loads(row.body)
    after: dict[str, Any] = body["row"]
    if model is None or not is_history(model):
        name = model._meta.verbose_name if model else row.table_name
        done = {"insert": "granted", "delete": "withdrawn"}.get(body["op"], "changed")
        if model is Signature:
            return Written(row, "signature", "created", ())
        fields = tuple(Change(key, None, value) for key, value in sorted(after.items()) if key not in UNTOLD)
        return Written(row, str(name), done, fields)
    record = model.instance_type  # type: ignore[attr-defined]  # set by simple-history
    own_key = record._meta.pk.column
    before_row = (
        Entry.objects.filter(
            subject_kind=row.subject_kind,
            subject_id=row.subject_id,
            kind=Kind.ROW,
            table_name=row.table_name,
            id__lt=row.pk,
        )
        .order_by("-id")
        .first()
    )
    before = json.loads(before_row.body)["row"] if before_row else None
    changes = tuple(
        Change(key, None if before is None else before.get(key), value)
        for key, value in after.items()
        if key not in UNTOLD and key != own_key and (before is None or before.get(key) != value)
    )
    done = {"+": "created", "-": "removed"}.get(after.get("history_type", ""), "changed")
    return Written(row, str(record._meta.verbose_name), done, changes)


# ---------------------------------------------------------------- proofs and state


@dataclass(frozen=True)
class Place:
    """Where an entry stands in the log, and whether its proof holds against the newest signed checkpoint."""

    index: int
    size: int
    body_digest: str
    leaf_hash: str
    root: str
    proved: bool
    fault: str = ""


def place_of(entry: Entry) -> Place | None:
    """The entry's leaf with its inclusion proof checked now; None while it waits to be sealed."""
    leaf = Leaf.objects.filter(entry_id=entry.pk).first()
    if leaf is None:
        return None
    receipt = sealer.receipt(entry)
    checkpoint = Checkpoint.objects.get(size=receipt["size"])
    now_hash = leaf_hash(receipt["head"])
    fault = ""
    if now_hash.hex() != leaf.hash:
        fault = "The entry is not as it was when it was sealed."
    else:
        try:
            proof = [bytes.fromhex(step) for step in receipt["proof"]]
            verify_inclusion(now_hash, leaf.index, checkpoint.size, proof, bytes.fromhex(checkpoint.root))
        except ValueError as error:
            fault = str(error)
    return Place(
        leaf.index,
        checkpoint.size,
        sealed_digest(entry.salt, entry.body, entry.digest),
        leaf.hash,
        checkpoint.root,
        not fault,
        fault,
    )


@dataclass(frozen=True)
class LogState:
    """What the log says about itself: its newest checkpoint and the newest verification entered in it."""

    size: int
    sealed_at: datetime | None
    verified_at: datetime | None
    findings: int | None
    entries: int | None


def log_state() -> LogState:
    checkpoint = Checkpoint.objects.order_by("-size").first()
    last = last_verification()
    return LogState(
        checkpoint.size if checkpoint else 0,
        checkpoint.created_at if checkpoint else None,
        last.at if last else None,
        last.findings if last else None,
        last.entries if last else None,
    )


@dataclass(frozen=True)
class Verification:
    """The result of one verification. `first`: lines of the first findings. `seconds`: how long, "" when unknown.

    `counted`: how many of what were looked at. `files_read`: every stored file was compared with its digest.
    """

    at: datetime
    entries: int
    findings: int
    first: tuple[str, ...]
    seconds: str
    counted: dict[str, int]
    files_read: bool

    @property
    def ok(self) -> bool:
        return self.findings == 0


def last_verification() -> Verification | None:
    """The newest verification of the trail: the nightly one, or one that a release gate asked for."""
    entry = Entry.objects.filter(act__in=VERIFICATIONS, kind=Kind.ACT).order_by("-id").first()
    if entry is None:
        return None
    facts = json.loads(entry.body).get("facts", {})
    first = facts.get("first") or []
    return Verification(
        at=entry.at,
        entries=facts.get("entries", 0),
        findings=facts.get("findings", 0),
        first=(first,) if isinstance(first, str) else tuple(first),
        seconds=facts.get("seconds", ""),
        counted=facts.get("counted", {}),
        files_read=entry.act == "access.enter_verification",
    )


# ---------------------------------------------------------------- as data


def as_data(entry: Entry) -> dict[str, Any]:
    """An entry for API and export: its columns, its body as JSON, its digest."""
    return {
        "id": entry.pk,
        "at": iso(entry.at),
        "kind": str(entry.kind),
        "act": entry.act,
        "act_id": entry.act_id,
        "who": entry.actor_name,
        "who_uuid": entry.actor_uuid,
        "on_behalf": entry.on_behalf_name,
        "subject_kind": entry.subject_kind,
        "subject_id": entry.subject_id,
        "scope": entry.scope,
        "digest": entry.digest,
        "body": json.loads(entry.body),
    }


def rows_as_data(written: Iterable[Written]) -> list[dict[str, Any]]:
    return [
        {
            "entry": one.entry.pk,
            "table": one.entry.table_name,
            "row": one.entry.row_id,
            "record": one.title,
            "done": one.done,
            "changes": [{"field": c.field, "before": c.before, "after": c.after} for c in one.changes],
        }
        for one in written
    ]


def exported(entries: QuerySet) -> Iterator[bytes]:
    """JSON Lines of `entries`, oldest first, each act with its row entries as the triggers wrote them."""
    batch: list[Entry] = []
    for entry in entries.order_by("id").iterator(chunk_size=AT_A_TIME):
        batch.append(entry)
        if len(batch) == AT_A_TIME:
            yield from _lines(batch)
            batch = []
    yield from _lines(batch)


def _lines(batch: list[Entry]) -> Iterator[bytes]:
    rows: dict[str, list[dict[str, Any]]] = {}
    acts = [entry.act_id for entry in batch if entry.kind == Kind.ACT and entry.act_id]
    for row in Entry.objects.filter(kind=Kind.ROW, act_id__in=acts).order_by("id"):
        rows.setdefault(row.act_id, []).append(
            {"id": row.pk, "table": row.table_name, "row": row.row_id, "body": _without_hashes(row.body)}
        )
    for entry in batch:
        line = as_data(entry) | {"rows": rows.get(entry.act_id, []) if entry.kind == Kind.ACT else []}
        yield json.dumps(line, ensure_ascii=False, sort_keys=True).encode() + b"\n"


def _without_hashes(body: str) -> dict[str, Any]:
    told_row = json.loads(body)
    told_row["row"].pop("hashed", None)
    return told_row
