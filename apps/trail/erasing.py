"""Words of an entry are erased, and everything that proves the log still holds.

What may be erased are words somebody typed: the reason of an act, wherever it was copied (the act's entry, the row
entries and history rows that it wrote), and the free words of an event or a refusal. Everything else stays: who acted,
when, what, on which record, every field of every record, and all of a signature.

The words are replaced by `[erased]`. The head of the entry keeps the digest of the body that was sealed, so the leaf,
its proof and every checkpoint hold; salt and body are new, and without the old salt the old digest tells nothing of the
words. The new body begins with the identifier of the act, whose own entry vouches for it (erased.py).
"""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, models

from apps.core.digests import canonical_json
from apps.trail import erased
from apps.trail.identity import keys
from apps.trail.models import Entry, Kind, Leaf
from apps.trail.preimages import (
    ERASED,
    body_digest,
    head_line,
    leaf_hash,
    mac_line,
    sealed_digest,
)
from apps.trail.rowmac import Judge, rewritten
from apps.trail.watched import history_models
from apps.trail.writer import head_of

MARK = "[erased]"
REASON = "history_change_reason"
# Facts of events and refusals that hold words somebody typed, or a refusal's sentence that quotes them.
FREE = ("what", "fact", "cause", "username", "address", "asked", "justification")
Words = Collection[str]


class NotAsSealed(RuntimeError):
    """The entry or a row of it is not as the portal wrote it: erasing would make an edit look honest."""


@dataclass
class Done:
    """What was erased. entries: (entry, digest sealed, digest since); rows: (table, row, MAC before, MAC since)."""

    entries: list[tuple[int, str, str]] = field(default_factory=list)
    rows: list[tuple[str, int, str, str]] = field(default_factory=list)

    def facts(self) -> dict[str, Any]:
        return {"erased": [list(each) for each in self.entries], "macs": [list(each) for each in self.rows]}


def texts(entry: Entry) -> dict[str, str]:
    """Where -> words of an act, event or refusal that may be erased: `reason`, `facts.asked.comment`."""
    body = json.loads(entry.body)
    found = {"reason": str(body.get("reason", ""))}
    if entry.kind != Kind.ACT:
        for name in FREE:
            found |= dict(_strings(body.get("facts", {}).get(name), f"facts.{name}"))
    return {where: text for where, text in found.items() if text.replace(MARK, "").strip()}


def _strings(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(item, f"{where}.{key}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from _strings(item, f"{where}.{place}")


def standing(entry: Entry) -> str:
    """Digest of the salt and body that stand there now, hex: what was asked about is what is erased."""
    return body_digest(entry.salt, entry.body)


def is_sealed(entry: Entry) -> bool:
    """Whether the entry and all rows of its act have their place in the log."""
    ids = [each.pk for each in _family(entry)]
    return Leaf.objects.filter(entry_id__in=ids).count() == len(ids)


def remains(entry: Entry, words: Words) -> list[str]:
    """Fields of records that this act wrote and that hold the words too: those are records, and stay."""
    found = set()
    for row in _rows_of(entry):
        for column, value in json.loads(row.body)["row"].items():
            if column != REASON and isinstance(value, str) and any(word in value for word in words):
                found.add(f"{row.table_name} row {row.row_id}, {column}")
    return sorted(found)


def erase(entry: Entry, words: Words, act_id: str) -> Done:
    """Erase every occurrence of `words` in what may be erased of this entry and of the rows of its act, under the act
    `act_id`, in its transaction. NotAsSealed when any of it is not as it was written; then nothing is changed."""
    known = erased.vouched(keys())
    done, changed = Done(), dict[int, tuple[Entry, dict[str, Any]]]()
    macs: dict[tuple[str, int], tuple[str, str]] = {}
    past = {model._meta.db_table: model for model in history_models()}
    statements: list[tuple[str, list[Any]]] = []
    for each in _family(entry):
        _refuse_unless_sealed(each, known.get(each.pk))
        body = json.loads(each.body)
        body.pop("erased", None)
        if each.kind == Kind.ROW:
            if each.table_name not in past or not _has(str(body["row"].get(REASON, "")), words):
                continue
            row = past[each.table_name].objects.get(pk=each.row_id)  # type: ignore[attr-defined]
            mac = _rewrite(row, words)
            macs[each.table_name, row.pk] = (row.mac, mac)
            body["row"] |= {REASON: without(str(body["row"][REASON]), words), "mac": mac}
            statements.append((_row_statement(row), [without(row.history_change_reason, words), mac, row.pk]))
        changed[each.pk] = (each, body)
    own = changed[entry.pk][1]
    own["reason"] = without(str(own.get("reason", "")), words)
    if entry.kind != Kind.ACT:
        facts = own.get("facts", {})
        facts |= {name: _without(facts[name], words) for name in FREE if name in facts}
    for place, (table, row_id, _) in enumerate(own.get("rows", [])):
        if (table, row_id) in macs:
            own["rows"][place] = [table, row_id, macs[table, row_id][1]]
    for each, body in changed.values():
        text = f'{ERASED}{act_id}",{canonical_json(body).decode()[1:]}'
        salt = secrets.token_hex(16)
        was = sealed_digest(each.salt, each.body, each.digest)
        done.entries.append((each.pk, was, body_digest(salt, text)))
        statements.insert(
            0,
            (
                "UPDATE trail_entry SET salt = %s, body = %s, digest = %s WHERE id = %s",
                [salt, text, was, each.pk],
            ),
        )
    done.rows = [(table, row_id, *pair) for (table, row_id), pair in macs.items()]
    with connection.cursor() as cursor:
        for (
            sql,
            parameters,
        ) in statements:  # the entries first: a row may follow its entry, and not the other way
            cursor.execute(sql, parameters)
    return done


def without(text: str, words: Words) -> str:
    """The text with a mark in the place of each occurrence; of words that overlap nothing stays."""
    pieces, at = [], 0
    for start, end in sorted(_occurrences(text, words)):
        if start >= at:
            pieces += [text[at:start], MARK]
        at = max(at, end)
    return "".join([*pieces, text[at:]])


def _occurrences(text: str, words: Words) -> Iterator[tuple[int, int]]:
    for word in words:
        start = text.find(word)
        while start >= 0:
            yield start, start + len(word)
            start = text.find(word, start + 1)


def repeats(text: str, words: Words) -> bool:
    """Whether the text says one of the words too, in whatever case, as words of their own."""
    return any(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) for word in words)


def _without(value: Any, words: Words) -> Any:
    if isinstance(value, str):
        return without(value, words)
    if isinstance(value, dict):
        return {key: _without(item, words) for key, item in value.items()}
    return [_without(item, words) for item in value] if isinstance(value, list) else value


def _has(text: str, words: Words) -> bool:
    return any(word in text for word in words)


def _rows_of(entry: Entry) -> models.QuerySet[Entry]:
    if not entry.act_id:
        return Entry.objects.none()
    return Entry.objects.filter(kind=Kind.ROW, act_id=entry.act_id).order_by("id")


def _family(entry: Entry) -> list[Entry]:
    """The entry and those of the rows that its act wrote."""
    return [entry, *_rows_of(entry)]


def _refuse_unless_sealed(entry: Entry, known: erased.Vouched | None) -> None:
    leaf = Leaf.objects.filter(entry_id=entry.pk).first()
    digest = sealed_digest(entry.salt, entry.body, entry.digest)
    whole = leaf is not None and leaf_hash(head_line(digest, head_of(entry))).hex() == leaf.hash
    if whole and entry.kind != Kind.ROW:
        whole = keys().mac(mac_line(digest, head_of(entry))) == entry.mac
    if not whole or erased.fault(known, entry.salt, entry.body, digest):
        raise NotAsSealed(f"Entry {entry.pk} is not as it was sealed.")


def _rewrite(row: Any, words: Words) -> str:
    """The MAC of the history row once the words are out of its reason; NotAsSealed when it does not hold now."""
    if Judge(type(row), keys()).fault_of(row):
        raise NotAsSealed(f"Row {row.pk} of {row._meta.db_table} is not as the portal wrote it.")
    return rewritten(keys(), row, {REASON: without(row.history_change_reason, words)})


def _row_statement(row: Any) -> str:
    table = connection.ops.quote_name(row._meta.db_table)
    return f"UPDATE {table} SET {REASON} = %s, mac = %s WHERE history_id = %s"
