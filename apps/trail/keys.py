"""The keys of one database's trail. They lie in files beside the database, never in it.

`COUNTERSIGN_DATA/keys/<origin>/`: `mac.key` (32 random bytes, HMAC-SHA-256 over history rows and act entries),
`log.key` (Ed25519 seed, 32 bytes, signs checkpoints), `log.pub` (verifier key, C2SP signed-note text form).
The origin is a random name kept in the table `Log`, so a fresh database beside an old folder gets fresh keys.
"""

from __future__ import annotations

import hmac
import os
import secrets
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.conf import settings

from apps.trail.notes import Verifier, verifier_text


class KeyMissing(RuntimeError):
    """The database names a log whose keys are not in COUNTERSIGN_DATA/keys."""


@dataclass(frozen=True)
class Keys:
    """Keys of one log. `mac_key`: 32 bytes. `signing`: Ed25519. `verifier`: its public half as note text."""

    origin: str
    mac_key: bytes
    signing: Ed25519PrivateKey
    verifier: str

    def mac(self, content: bytes) -> str:
        """HMAC-SHA-256 of `content`, lower-case hex."""
        return hmac.digest(self.mac_key, content, "sha256").hex()

    def public(self) -> Verifier:
        return Verifier.parse(self.verifier)


def folder(origin: str) -> Path:
    return Path(settings.COUNTERSIGN_DATA) / "keys" / origin


def new_origin() -> str:
    return f"countersign-{secrets.token_hex(8)}"


def exist(origin: str) -> bool:
    return bool(origin) and (folder(origin) / "log.pub").is_file()


def _write_once(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def create(origin: str) -> Keys:
    """Make the keys of a new log; refuses to overwrite."""
    place = folder(origin)
    place.mkdir(parents=True, mode=0o700)
    signing = Ed25519PrivateKey.generate()
    seed = signing.private_bytes(
        serialization.Encoding.Raw, serialization.PrivateFormat.Raw, serialization.NoEncryption()
    )
    _write_once(place / "mac.key", secrets.token_bytes(32))
    _write_once(place / "log.key", seed)
    _write_once(place / "log.pub", verifier_text(origin, signing.public_key()).encode() + b"\n")
    return load(origin)


@lru_cache(maxsize=8)
def load(origin: str) -> Keys:
    """Keys of `origin` from their files, read once per process."""
    place = folder(origin)
    try:
        mac_key = (place / "mac.key").read_bytes()
        seed = (place / "log.key").read_bytes()
        verifier = (place / "log.pub").read_text(encoding="ascii").strip()
    except OSError as error:
        raise KeyMissing(f"The keys of the log {origin} cannot be read from {place}: {error}") from error
    return Keys(origin, mac_key, Ed25519PrivateKey.from_private_bytes(seed), verifier)
