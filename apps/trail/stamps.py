"""Time stamps of an outside authority (RFC 3161) over checkpoints: by then the log was in this state.

Stamped are the bytes of the checkpoint's note. The authority's certificates (TRAIL_TIMESTAMP_CERTIFICATES, PEM: its own
and those above it) decide whose word counts; they need to hold at the time of the stamp, not today.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import rfc3161_client
from cryptography import x509
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from apps.trail import offline
from apps.trail.anchor_models import Destination, Stamp
from apps.trail.models import Checkpoint
from apps.trail.outside import Unreachable, has_password, post, scrubbed

KIND = "stamp"
# What the authority's clock and ours may differ by.
TOLERANCE = timedelta(minutes=5)


class BadStamp(ValueError):
    """The token is not the authority's word on these bytes."""


@dataclass(frozen=True)
class Authority:
    """The configured time-stamping authority."""

    url: str
    certificates: Path
    kind: str = KIND

    @property
    def name(self) -> str:
        return scrubbed(self.url)

    @property
    def period(self) -> timedelta:
        return timedelta(hours=settings.TRAIL_TIMESTAMP_HOURS)

    def pem(self) -> bytes:
        return self.certificates.read_bytes()

    def due(self, row: Destination, newest: Checkpoint, now: datetime) -> bool:
        return newest.size > row.position and (row.done_at is None or now >= row.done_at + self.period)

    def send(self, row: Destination, newest: Checkpoint) -> int:
        """Have the newest checkpoint stamped; returns its size. Unreachable."""
        message = newest.note.encode()
        builder = rfc3161_client.TimestampRequestBuilder().data(message).cert_request(cert_request=True)
        request = builder.hash_algorithm(rfc3161_client.HashAlgorithm.SHA256).build()
        answer = post(self.url, request.as_bytes(), "application/timestamp-query")
        if answer.status != 200:
            raise Unreachable(f"the authority {self.name} answers {answer.status}")
        try:
            at = check(answer.body, message, self.pem(), nonce=request.nonce)
        except (BadStamp, OSError) as error:
            raise Unreachable(f"the authority {self.name} gave no stamp that holds: {error}") from error
        token = base64.b64encode(answer.body).decode()
        Stamp.objects.get_or_create(
            size=newest.size, authority=self.name, defaults={"token": token, "at": at}
        )
        return newest.size


def configured() -> list[Authority]:
    """The authority of TRAIL_TIMESTAMP_URL, or none; ImproperlyConfigured without certificates."""
    if not settings.TRAIL_TIMESTAMP_URL:
        return []
    if has_password(settings.TRAIL_TIMESTAMP_URL):
        raise ImproperlyConfigured("TRAIL_TIMESTAMP_URL: the address names no user and no password.")
    place = settings.TRAIL_TIMESTAMP_CERTIFICATES
    try:
        x509.load_pem_x509_certificates(Path(place).read_bytes())
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(
            f"TRAIL_TIMESTAMP_CERTIFICATES, {place!r}, cannot be read: {error}"
        ) from error
    return [Authority(settings.TRAIL_TIMESTAMP_URL, Path(place))]


def check(token: bytes, message: bytes, pem: bytes, nonce: int | None = None) -> datetime:
    """The time (aware, UTC) at which the authority of the certificates `pem` stamped `message`; BadStamp."""
    try:
        return datetime.fromtimestamp(offline.stamp_seconds(token, message, pem, nonce), UTC)
    except offline.Bad as error:
        raise BadStamp(str(error)) from error
