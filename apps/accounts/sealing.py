"""Secrets that the portal must read again, encrypted with a key that is never in the database.

AES-256-GCM; the key is derived (HKDF-SHA-256) from the MAC key among the portal's keys. What the secret belongs to is
authenticated with it, so that it cannot be moved to another account.
"""

from __future__ import annotations

import base64
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

DOMAIN = b"countersign sealed secret v1"
NONCE = 12  # bytes (NIST SP 800-38D, 8.2.2)


class Unreadable(ValueError):
    """The sealed text was changed, belongs to something else, or was sealed with another key."""


def _cipher() -> AESGCM:
    from apps.trail.identity import keys  # the trail's tables do not stand yet when models are loaded

    return AESGCM(HKDF(SHA256(), length=32, salt=None, info=DOMAIN).derive(keys().mac_key))


def seal(secret: bytes, belongs_to: str) -> str:
    """`secret` as text that only this portal reads, and only for `belongs_to`."""
    nonce = secrets.token_bytes(NONCE)
    return base64.urlsafe_b64encode(nonce + _cipher().encrypt(nonce, secret, belongs_to.encode())).decode()


def unseal(sealed: str, belongs_to: str) -> bytes:
    """The secret again; Unreadable when anything of it is not as it was sealed."""
    try:
        raw = base64.urlsafe_b64decode(sealed.encode())
        return _cipher().decrypt(raw[:NONCE], raw[NONCE:], belongs_to.encode())
    except (ValueError, InvalidTag) as error:
        raise Unreadable("a sealed secret cannot be read") from error
