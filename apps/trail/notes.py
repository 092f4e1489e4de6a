"""Signed notes and checkpoints (C2SP signed-note and tlog-checkpoint), Ed25519, read strictly.

A checkpoint is three lines (origin, number of leaves, base64 of the root hash), an empty line, and one signature
line `— NAME base64(key id ‖ signature)`. A reader that takes any other spelling of the same bytes lets a changed
note pass for the signed one, so base64 is re-encoded and compared, and numbers have one form.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

ED25519 = 0x01


class BadNote(ValueError):
    """The note is malformed or no signature of the expected key verifies."""


@dataclass(frozen=True)
class Checkpoint:
    """The signed state of the log: `size` leaves with Merkle `root` (32 bytes)."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@dataclass(frozen=True)
class Verifier:
    """A note verifier key: `name+hhhhhhhh+base64(0x01 ‖ public key)`."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Verifier:
        name, _, rest = text.strip().partition("+")
        key_hash, _, encoded = rest.partition("+")
        raw = strict_base64(encoded)
        if len(raw) != 33 or raw[0] != ED25519:
            raise BadNote("the verifier key is not an Ed25519 key")
        if key_hash != key_id(name, raw[1:]).hex():
            raise BadNote("the verifier key's hash does not match its key")
        return cls(name, bytes.fromhex(key_hash), raw[1:])


def key_id(name: str, public: bytes) -> bytes:
    """First four bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key)."""
    return hashlib.sha256(name.encode() + b"\n" + bytes([ED25519]) + public).digest()[:4]


def verifier_text(name: str, public: Ed25519PublicKey) -> str:
    raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return f"{name}+{key_id(name, raw).hex()}+{base64.b64encode(bytes([ED25519]) + raw).decode()}"


def strict_base64(text: str) -> bytes:
    """Standard base64 with padding, in its one canonical spelling."""
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise BadNote("not base64") from error
    if base64.b64encode(raw).decode() != text:
        raise BadNote("not canonical base64")
    return raw


def sign(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """`text` (ends in a newline) as a signed note."""
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    signature = base64.b64encode(key_id(name, public) + key.sign(text.encode())).decode()
    return f"{text}\n— {name} {signature}\n"


def open_note(note: str, verifier: Verifier) -> str:
    """The signed text of `note`, or BadNote. Exactly one signature line, of the expected key."""
    text, separator, signatures = note.rpartition("\n\n")
    if not separator:
        raise BadNote("no signature block")
    text += "\n"
    lines = signatures.split("\n")
    if len(lines) != 2 or lines[1] != "":
        raise BadNote("one signature line and nothing after it is expected")
    dash, _, rest = lines[0].partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—" or name != verifier.name:
        raise BadNote("the signature line does not name the log's key")
    raw = strict_base64(encoded)
    if raw[:4] != verifier.key_id or len(raw) != 68:
        raise BadNote("the signature is of another key")
    try:
        Ed25519PublicKey.from_public_bytes(verifier.public).verify(raw[4:], text.encode())
    except InvalidSignature as error:
        raise BadNote("the signature does not verify") from error
    return text


def open_checkpoint(note: str, verifier: Verifier) -> Checkpoint:
    """The checkpoint in `note` after its signature and form were checked."""
    lines = open_note(note, verifier).split("\n")
    if len(lines) != 4 or lines[0] != verifier.name:
        raise BadNote("not a checkpoint of this log")
    if not lines[1].isascii() or not lines[1].isdigit() or str(int(lines[1])) != lines[1]:
        raise BadNote("the size is not a whole number in its one form")
    root = strict_base64(lines[2])
    if len(root) != 32:
        raise BadNote("the root is not 32 bytes")
    return Checkpoint(lines[0], int(lines[1]), root)
