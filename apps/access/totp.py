"""One-time codes of an authenticator app (RFC 6238: SHA-1, six digits, 30 seconds). Pure: no clock, no database."""

from __future__ import annotations

import base64
import hmac
import secrets
from urllib.parse import quote, urlencode

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

STEP = 30  # seconds a code is shown for
SKEW = 15  # seconds by which the person's clock may differ from the portal's, either way
DIGITS = 6
SECRET_BYTES = 20  # RFC 4226, 4: at least 128 bits, 160 recommended


def new_secret() -> bytes:
    return secrets.token_bytes(SECRET_BYTES)


def as_text(secret: bytes) -> str:
    """The secret as it is typed into an app: base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


def code_at(secret: bytes, step: int) -> str:
    return HOTP(secret, DIGITS, SHA1(), enforce_key_length=False).generate(step).decode()


def step_of(secret: bytes, code: str, moment: float) -> int | None:
    """The step whose code this is, among those shown within `SKEW` seconds of `moment`; None for a wrong code."""
    given = "".join(code.split())
    if len(given) != DIGITS or not (given.isascii() and given.isdigit()):
        return None
    steps = sorted({int(moment + shift) // STEP for shift in (-SKEW, 0, SKEW)})
    found = None
    for step in steps:  # each is computed, so that the time tells nothing
        if hmac.compare_digest(code_at(secret, step), given):
            found = step
    return found


def address(secret: bytes, *, account: str, issuer: str) -> str:
    """The `otpauth:` address that a QR code carries to the app."""
    label = quote(f"{issuer}:{account}")
    given = {
        "secret": as_text(secret),
        "issuer": issuer,
        "algorithm": "SHA1",
        "digits": DIGITS,
        "period": STEP,
    }
    return f"otpauth://totp/{label}?{urlencode(given, quote_via=quote)}"
