"""The trail as records for a log store outside: OTLP over HTTP (JSON) or syslog (RFC 5424 over UDP, TCP or TLS).

One record for each sealed leaf, numbered by its index without a gap, so that a store that misses one shows it; with the
leaf's hash, so that the store's copy contradicts a log that was rewritten. A record is the entry's head; its body stays
here (it holds what may have to be erased). At least once: the position moves when the other side has taken the records.
"""

from __future__ import annotations

import fcntl
import json
import re
import socket
import ssl
import struct
import termios
import time
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import SplitResult, urlsplit

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import connection

from apps.trail.anchor_models import Destination
from apps.trail.identity import keys
from apps.trail.models import Checkpoint
from apps.trail.outside import TIMEOUT, Unreachable, certificates, has_password, post, scrubbed
from apps.trail.preimages import HEAD, stamp

KIND = "stream"
AT_A_TIME = 500
PORTS = {"syslog+udp": 514, "syslog+tcp": 601, "syslog+tls": 6514}
# The example number of RFC 5612: this project has none of its own.
ELEMENT = "trail@32473"
_TOLD: tuple[str, ...] = ("id", "kind", "act", "act_id", "actor_uuid", "actor_name", "on_behalf_name")
_TOLD += ("subject_kind", "subject_id", "scope", "table_name", "row_id")


@dataclass(frozen=True)
class Record:
    """One leaf as it is told outside. `head`: columns of the entry, empty when the entry is gone."""

    index: int
    hash: str
    head: dict[str, Any]

    @property
    def warns(self) -> bool:
        return not self.head or self.head["kind"] == "refusal"

    def facts(self) -> dict[str, str]:
        told = {name: str(self.head[name]) for name in _TOLD if self.head.get(name) not in ("", None)}
        return {"index": str(self.index), "hash": self.hash, **told}

    def sentence(self) -> str:
        if not self.head:
            return f"leaf {self.index}: its entry is missing"
        what = self.head["act"] or self.head["table_name"]
        about = (
            f" on {self.head['subject_kind']} {self.head['subject_id']}" if self.head["subject_kind"] else ""
        )
        by = f" by {self.head['actor_name']}" if self.head["actor_name"] else ""
        return f"{self.head['kind']} {what}{about}{by}"


def records(start: int, end: int) -> list[Record]:
    """The records of leaves [start, end)."""
    columns = ", ".join(f'e."{name}"' for name in HEAD)
    with connection.cursor() as cursor:
        cursor.execute(
            f'SELECT l."index", l.hash, {columns} FROM trail_leaf l LEFT JOIN trail_entry e ON e.id = l.entry_id '
            'WHERE l."index" >= %s AND l."index" < %s ORDER BY l."index"',
            [start, end],
        )
        rows = cursor.fetchall()
    found = []
    for index, hashed, *values in rows:
        head = dict(zip(HEAD, values, strict=True))
        found.append(
            Record(index, hashed, head | {"at": stamp(head["at"])} if head["id"] is not None else {})
        )
    return found


@dataclass
class Stream:
    """A destination that takes every leaf in turn."""

    name: str
    at: SplitResult
    kind: str = KIND
    period: timedelta = field(default=timedelta(0))

    def due(self, row: Destination, newest: Checkpoint, now: datetime) -> bool:
        return newest.size > row.position

    def send(self, row: Destination, newest: Checkpoint) -> int:
        end = min(newest.size, row.position + AT_A_TIME)
        batch = records(row.position, end)
        if len(batch) != end - row.position:
            raise Unreachable(f"leaves between {row.position} and {end} are missing in the database")
        self.deliver(batch)
        return end

    def deliver(self, batch: list[Record]) -> None:
        raise NotImplementedError

    def rewind(self, position: int) -> int:
        """Where to go on after a failure."""
        return position

    def close(self) -> None:
        """Let go of what is held between two batches."""


class Otlp(Stream):
    """OTLP/HTTP with its JSON encoding; `otlp+https://HOST:PORT/PATH`, /v1/logs when there is no path."""

    def deliver(self, batch: list[Record]) -> None:
        url = self.at._replace(
            scheme=self.at.scheme.removeprefix("otlp+"), path=self.at.path.rstrip("/") or "/v1/logs"
        )
        token = settings.TRAIL_STREAM_TOKEN
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = post(url.geturl(), otlp_body(keys().origin, batch), "application/json", headers)
        if answer.status != 200:
            wait = float(answer.retry_after) if answer.retry_after.isdigit() else 0
            raise Unreachable(f"{self.name} answers {answer.status}", wait)
        try:
            partial = json.loads(answer.body or b"{}").get("partialSuccess") or {}
            rejected = int(partial.get("rejectedLogRecords") or 0)
        except (ValueError, AttributeError) as error:
            raise Unreachable(f"{self.name} answers what is not OTLP") from error
        if rejected:
            message = str(partial.get("errorMessage", ""))[:200]
            raise Unreachable(
                f"{self.name} rejects {rejected} of the records from {batch[0].index} on: {message}"
            )


def _attribute(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def otlp_body(origin: str, batch: list[Record]) -> bytes:
    """ExportLogsServiceRequest in the JSON of protobuf: 64-bit numbers are text."""
    now = str(time.time_ns())
    lines = []
    for record in batch:
        facts = record.facts()
        attributes: list[dict[str, Any]] = [
            {"key": "trail.index", "value": {"intValue": facts.pop("index")}},
            *(_attribute(f"trail.{key}", value) for key, value in facts.items()),
        ]
        lines.append(
            {
                "timeUnixNano": _nanoseconds(record.head["at"]) if record.head else now,
                "observedTimeUnixNano": now,
                "severityNumber": 13 if record.warns else 9,
                "severityText": "WARN" if record.warns else "INFO",
                "body": {"stringValue": record.sentence()},
                "attributes": attributes,
            }
        )
    resource = [_attribute("service.name", "countersign"), _attribute("trail.origin", origin)]
    resource.append(_attribute("deployment.environment.name", settings.ENVIRONMENT_LABEL))
    scope = {"scope": {"name": "countersign.trail"}, "logRecords": lines}
    told = {"resourceLogs": [{"resource": {"attributes": resource}, "scopeLogs": [scope]}]}
    return json.dumps(told, ensure_ascii=False).encode()


def _nanoseconds(at: str) -> str:
    whole = datetime.fromisoformat(at)
    return str(int(whole.timestamp()) * 10**9 + whole.microsecond * 1000)


@dataclass
class Syslog(Stream):
    """RFC 5424: over UDP one datagram a record (RFC 5426), over TCP and TLS counted octets (RFC 6587, RFC 5425).

    Nobody answers in syslog. Over TCP records count as taken when the other machine's kernel acknowledged them; after
    a broken connection the last ones are sent again. Over UDP nothing is known: what got lost shows as a gap.
    """

    _socket: socket.socket | None = field(default=None, init=False, repr=False)

    def deliver(self, batch: list[Record]) -> None:
        origin, host = keys().origin, socket.gethostname()
        messages = [syslog_line(origin, host, record) for record in batch]
        try:
            there = self._connected()
            if self.at.scheme == "syslog+udp":
                for message in messages:
                    there.send(message)
                return
            there.settimeout(TIMEOUT)
            there.sendall(b"".join(b"%d %s" % (len(message), message) for message in messages))
            self._acknowledged(there)
        except OSError as error:
            self.close()
            raise Unreachable(f"{self.name}: {error}") from error

    def rewind(self, position: int) -> int:
        return position if self.at.scheme == "syslog+udp" else max(0, position - AT_A_TIME)

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _connected(self) -> socket.socket:
        if self._socket is None:
            host, port = self.at.hostname or "", self.at.port or PORTS[self.at.scheme]
            if self.at.scheme == "syslog+udp":
                family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
                self._socket = socket.socket(family, kind, protocol)
                self._socket.connect(address)
            else:
                self._socket = socket.create_connection((host, port), timeout=TIMEOUT)
                if self.at.scheme == "syslog+tls":
                    self._socket = certificates().wrap_socket(self._socket, server_hostname=host)
        return self._socket

    def _acknowledged(self, there: socket.socket) -> None:
        """Until nothing waits in the kernel's queue, and the other side has not hung up."""
        deadline = time.monotonic() + TIMEOUT
        while struct.unpack("i", fcntl.ioctl(there.fileno(), termios.TIOCOUTQ, b"\0" * 4))[0]:
            if time.monotonic() > deadline:
                raise TimeoutError("the records are not acknowledged")
            time.sleep(0.005)
        there.setblocking(False)
        try:
            if there.recv(1) == b"":
                raise ConnectionError("the other side hung up")
        except (BlockingIOError, ssl.SSLWantReadError):
            return  # it says nothing, as it should


def _value(text: str) -> str:
    """A parameter's value: backslash, quote and bracket escaped, control characters as spaces."""
    return re.sub(r'(["\\\]])', r"\\\1", re.sub(r"[\x00-\x1f\x7f]", " ", text))


def syslog_line(origin: str, host: str, record: Record) -> bytes:
    priority = 13 * 8 + (4 if record.warns else 6)  # log audit; warning or informational
    at = record.head["at"] if record.head else "-"
    name = re.sub(r"[^!-~]", "", record.head.get("act") or record.head.get("kind") or "missing")[:32]
    told = " ".join(f'{key}="{_value(value)}"' for key, value in {"origin": origin, **record.facts()}.items())
    sentence = re.sub(r"[\x00-\x1f\x7f]", " ", record.sentence())
    return (
        f"<{priority}>1 {at} {host[:255] or '-'} countersign - {name} [{ELEMENT} {told}] {sentence}".encode()
    )


def configured() -> list[Stream]:
    """TRAIL_STREAMS: addresses with commas between; ImproperlyConfigured when one cannot be used."""
    made: list[Stream] = []
    for text in settings.TRAIL_STREAMS:
        try:
            at = urlsplit(text)
            good = bool(at.hostname) and at.port != 0
        except ValueError:
            good = False
        if has_password(text):
            raise ImproperlyConfigured(
                f"TRAIL_STREAMS, {scrubbed(text)!r}: an address names no user and no password; a token stands in "
                "TRAIL_STREAM_TOKEN."
            )
        if not good or at.scheme not in {"otlp+http", "otlp+https", *PORTS}:
            raise ImproperlyConfigured(
                f"TRAIL_STREAMS, {scrubbed(text)!r}: an address begins with otlp+http://, otlp+https://, "
                "syslog+udp://, syslog+tcp:// or syslog+tls:// and names a host."
            )
        made.append((Otlp if at.scheme.startswith("otlp") else Syslog)(scrubbed(text), at))
    if len({each.name for each in made}) != len(made):
        raise ImproperlyConfigured("TRAIL_STREAMS names an address twice.")
    return made
