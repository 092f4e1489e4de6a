"""Time stamps of an outside authority (RFC 3161) over checkpoints: by then the log was in this state.

Stamped are the bytes of the checkpoint's note. The authority's certificates (TRAIL_TIMESTAMP_CERTIFICATES, PEM: its own
and those above it) decide whose word counts; they need to hold at the time of the stamp, not today.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import rfc3161_client
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from rfc3161_client.errors import VerificationError

from apps.trail.anchor_models import Destination, Stamp
from apps.trail.models import Checkpoint
from apps.trail.outside import Unreachable, post

KIND = "stamp"
SHA256 = "2.16.840.1.101.3.4.2.1"
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
        return self.url

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
            raise Unreachable(f"the authority {self.url} answers {answer.status}")
        try:
            at = check(answer.body, message, self.pem(), nonce=request.nonce)
        except (BadStamp, OSError) as error:
            raise Unreachable(f"the authority {self.url} gave no stamp that holds: {error}") from error
        token = base64.b64encode(answer.body).decode()
        Stamp.objects.get_or_create(size=newest.size, authority=self.url, defaults={"token": token, "at": at})
        return newest.size


def configured() -> list[Authority]:
    """The authority of TRAIL_TIMESTAMP_URL, or none; ImproperlyConfigured without certificates."""
    if not settings.TRAIL_TIMESTAMP_URL:
        return []
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
        response = rfc3161_client.decode_timestamp_response(token)
    except ValueError as error:
        raise BadStamp(f"it cannot be read: {error}") from error
    certificates = x509.load_pem_x509_certificates(pem)
    roots = [each for each in certificates if each.issuer == each.subject]
    between = [each for each in certificates if each.issuer != each.subject]
    # Without the authority's own certificate in the file, any authority below the root may have stamped.
    own: list[x509.Certificate | None] = [each for each in certificates if _stamps(each)] or [None]
    faults = []
    for certificate in own:
        builder = rfc3161_client.VerifierBuilder(
            roots=roots, intermediates=between, tsa_certificate=certificate, nonce=nonce
        )
        try:
            algorithm = response.tst_info.message_imprint.hash_algorithm.dotted_string
            if algorithm != SHA256:
                raise BadStamp(f"its hash is not SHA-256 but {algorithm}")
            builder.build().verify(response, hashlib.sha256(message).digest())
        except (VerificationError, ValueError) as error:
            faults.append(str(error))
        else:
            return response.tst_info.gen_time.astimezone(UTC)
    raise BadStamp("; ".join(sorted(set(faults))))


def _stamps(certificate: x509.Certificate) -> bool:
    """Whether it is the certificate of a time-stamping authority."""
    try:
        purposes = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.TIME_STAMPING in purposes
