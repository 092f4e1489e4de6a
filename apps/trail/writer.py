"""Writing one entry of the trail, inside the transaction of what it tells."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.db import connection, transaction

from apps.core.digests import canonical_json
from apps.trail.current import open_act, told
from apps.trail.identity import keys
from apps.trail.inserting import insert
from apps.trail.models import Entry, Kind
from apps.trail.preimages import HEAD, body_digest, mac_line, stamp


@dataclass(frozen=True)
class Who:
    """A person or service as the trail names it: copied, so that a later change of name changes nothing here."""

    uuid: str = ""
    name: str = ""
    username: str = ""
    duties: tuple[str, ...] = ()

    @classmethod
    def of(cls, user: Any, duties: Iterable[str] = ()) -> Who:
        return cls(str(user.uuid), user.printed_name, user.username, tuple(sorted(duties)))

    def facts(self) -> dict:
        return {"uuid": self.uuid, "name": self.name, "username": self.username, "duties": list(self.duties)}


@dataclass(frozen=True)
class Subject:
    """A record as the trail names it: kind ("registry.version"), key, human id ("ACTG/1.0.0")."""

    kind: str
    id: str
    ref: str = ""

    @classmethod
    def of(cls, record: Any) -> Subject:
        return cls(record.subject_kind, str(record.pk), str(record.ref))


NOBODY = Who()


class NoTransaction(RuntimeError):
    """An entry is written in the transaction of the act it tells, or the two could part."""


def database_now() -> datetime:
    """Now by the database's clock, aware, UTC (milliseconds on SQLite)."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT clock_timestamp()")
            return cursor.fetchone()[0].astimezone(UTC)
        cursor.execute("SELECT strftime('%Y-%m-%d %H:%M:%f', 'now')")
        return datetime.fromisoformat(cursor.fetchone()[0]).replace(tzinfo=UTC)


def _now() -> datetime:
    """The time of an entry: the database's, asked at the act's beginning, and what went by since."""
    act = open_act()
    return database_now() if act is None or act.began is None else act.now()


def record(
    *,
    kind: str,
    act: str,
    act_id: str = "",
    actor: Who = NOBODY,
    on_behalf: Who | None = None,
    subject: Subject | Any | None = None,
    scope: str = "",
    reason: str = "",
    body: Mapping[str, Any] | None = None,
    rows: Iterable[tuple[str, int, str]] = (),
    via: str = "",
) -> Entry:
    """Append one entry of kind act, event, refusal or seal to the trail; returns it.

    `subject` is a Subject or a record with `subject_kind`, `pk` and `ref`. `rows` names the rows the act wrote:
    (table, row id, digest). `body` holds further facts: JSON without floats. The time is the database's.
    """
    if not connection.in_atomic_block:
        raise NoTransaction(f"{act}: a trail entry is written inside a transaction.")
    about = subject if subject is None or isinstance(subject, Subject) else Subject.of(subject)
    facts: dict[str, Any] = {"v": 1, "kind": str(kind), "act": act, "act_id": act_id, "actor": actor.facts()}
    if on_behalf is not None:
        facts["on_behalf"] = on_behalf.facts()
    if about is not None:
        facts["subject"] = {"kind": about.kind, "id": about.id, "ref": about.ref}
    facts |= {"scope": scope, "reason": reason, "via": via, "rows": [list(row) for row in rows]}
    if body:
        facts["facts"] = dict(body)
    text = canonical_json(facts).decode()
    entry = Entry(
        at=_now(),
        kind=Kind(kind),
        act=act,
        act_id=act_id,
        actor_uuid=actor.uuid,
        actor_name=actor.name,
        on_behalf_uuid=on_behalf.uuid if on_behalf else "",
        on_behalf_name=on_behalf.name if on_behalf else "",
        subject_kind=about.kind if about else "",
        subject_id=about.id if about else "",
        scope=scope,
        body=text,
        salt=secrets.token_hex(16),
    )
    entry.digest = body_digest(entry.salt, text)
    entry.mac = keys().mac(mac_line(entry.digest, head_of(entry)))
    insert(entry)
    told(act_id)
    if not facts["rows"]:
        # Nothing but the log remembers an attempt, a sign-in or a read: it is sealed at once.
        transaction.on_commit(_seal, robust=True)
    return entry


def _seal() -> None:
    """After the commit; a sealer at work takes the entry along. What fails here, beat does again."""
    from apps.trail import sealer  # it writes with this module's help

    sealer.seal(wait=False)


def head_of(entry: Entry) -> dict[str, Any]:
    """The entry's head by the names in HEAD, the time stamped."""
    values = {name: getattr(entry, name) for name in HEAD}
    values["at"] = stamp(entry.at)
    values["kind"] = str(entry.kind)
    return values
