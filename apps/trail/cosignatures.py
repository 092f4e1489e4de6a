"""Cosignatures of witnesses (C2SP tlog-cosignature, cosignature/v1): what a witness says of a checkpoint it saw.

A line `— NAME base64(key id ‖ 8 bytes of time ‖ Ed25519 signature)`; signed is

    cosignature/v1
    time <seconds since 1970>
    <the checkpoint's text>

Django-free: the witness on another host runs on this file, notes.py and merkle.py alone.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from apps.trail.notes import BadNote, strict_base64

COSIGNATURE = 0x04


@dataclass(frozen=True)
class Witness:
    """A witness's verifier key: `name+hhhhhhhh+base64(0x04 ‖ public key)`."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Witness:
        name, _, rest = text.strip().partition("+")
        key_hash, _, encoded = rest.partition("+")
        raw = strict_base64(encoded)
        if len(raw) != 33 or raw[0] != COSIGNATURE:
            raise BadNote("the key is not that of a witness (cosignature/v1, Ed25519)")
        if not name or " " in name or key_hash != key_id(name, raw[1:]).hex():
            raise BadNote("the witness key's name or hash does not match its key")
        return cls(name, bytes.fromhex(key_hash), raw[1:])

    def text(self) -> str:
        return (
            f"{self.name}+{self.key_id.hex()}+{base64.b64encode(bytes([COSIGNATURE]) + self.public).decode()}"
        )


def key_id(name: str, public: bytes) -> bytes:
    return hashlib.sha256(name.encode() + b"\n" + bytes([COSIGNATURE]) + public).digest()[:4]


def witness_of(name: str, key: Ed25519PrivateKey) -> Witness:
    public = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    return Witness(name, key_id(name, public), public)


def message(text: str, seconds: int) -> bytes:
    return f"cosignature/v1\ntime {seconds}\n{text}".encode()


def text_of(note: str) -> str:
    """The signed text of a note, its last newline included."""
    return note.rpartition("\n\n")[0] + "\n"


def sign(text: str, name: str, key: Ed25519PrivateKey, seconds: int) -> str:
    """The signature line, with its newline, over the checkpoint `text`."""
    raw = witness_of(name, key).key_id + seconds.to_bytes(8, "big") + key.sign(message(text, seconds))
    return f"— {name} {base64.b64encode(raw).decode()}\n"


def open_line(line: str, text: str, witness: Witness) -> int:
    """Seconds since 1970 at which `witness` cosigned `text`, or BadNote."""
    if not line.endswith("\n") or line.count("\n") != 1:
        raise BadNote("not one line")
    dash, _, rest = line[:-1].partition(" ")
    name, _, encoded = rest.partition(" ")
    if dash != "—" or name != witness.name:
        raise BadNote("the line does not name the witness")
    raw = strict_base64(encoded)
    if len(raw) != 76 or raw[:4] != witness.key_id:
        raise BadNote("the cosignature is of another key")
    seconds = int.from_bytes(raw[4:12], "big")
    try:
        Ed25519PublicKey.from_public_bytes(witness.public).verify(raw[12:], message(text, seconds))
    except InvalidSignature as error:
        raise BadNote("the cosignature does not hold") from error
    return seconds


def find(lines: str, text: str, witness: Witness) -> tuple[str, int]:
    """(line, seconds) of this witness among several lines; lines of unknown keys are passed over. BadNote if none."""
    fault = BadNote(f"no cosignature of {witness.name}")
    for line in lines.splitlines(keepends=True):
        try:
            return line, open_line(line, text, witness)
        except BadNote as error:
            if line.startswith(f"— {witness.name} "):
                fault = error
    raise fault
