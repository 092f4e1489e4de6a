"""The exact bytes that are hashed. Two text lines say everything about an entry:

    head line   `<body digest> <head as canonical JSON>`      leaf hash = SHA-256(0x00 ‖ head line)
    body line   `<salt> <body>`                               body digest = SHA-256(body line)

The body is apart from the head and salted, so that words of a body can be erased and the proofs still hold
(erasing.py): the head line keeps the digest of the body that was sealed, salt and body are replaced by others, and the
new body begins with the act that did it. Neither line holds a newline; an export is just these lines, two an entry.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

# Columns of Entry that the leaf covers, besides the body.
HEAD = (
    "id",
    "at",
    "kind",
    "act",
    "act_id",
    "actor_uuid",
    "actor_name",
    "on_behalf_uuid",
    "on_behalf_name",
    "subject_kind",
    "subject_id",
    "scope",
    "table_name",
    "row_id",
)
_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode


def stamp(value: datetime | str) -> str:
    """A time as `2026-11-21T10:19:20.123456Z`, from a datetime or from SQLite's text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "Z"
    day, _, clock = value.replace("T", " ").partition(" ")
    whole, _, fraction = clock.partition(".")
    return f"{day}T{whole}.{fraction:0<6}Z"


def body_digest(salt: str, body: str) -> str:
    return hashlib.sha256(f"{salt} {body}".encode()).hexdigest()


# How a body begins from which words were erased; `{"act"` and `{"op"` are how the others begin.
ERASED = '{"erased":"'


def erased_by(body: str) -> str:
    """Identifier of the act that erased words of this body; empty when none did."""
    return body[len(ERASED) :].partition('"')[0] if body.startswith(ERASED) else ""


def sealed_digest(salt: str, body: str, digest: str) -> str:
    """The digest of the body that was sealed. `digest`: the entry's column, which keeps it where words were erased."""
    return digest if body.startswith(ERASED) else body_digest(salt, body)


def head_json(values: dict[str, Any]) -> str:
    """Canonical JSON of the head; `values` by the names in HEAD, `at` already stamped."""
    return _encode(values)


def head_line(digest: str, values: dict[str, Any]) -> str:
    return f"{digest} {head_json(values)}"


def leaf_hash(line: str) -> bytes:
    return hashlib.sha256(b"\x00" + line.encode()).digest()


def mac_line(digest: str, values: dict[str, Any]) -> bytes:
    """What an act entry's MAC covers: all of the head line but the id, which is not known before the insert."""
    return f"{digest} {_encode({key: value for key, value in values.items() if key != 'id'})}".encode()
