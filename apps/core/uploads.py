"""A stored upload that its sender may name again: after a form came back with an error, or in a second API call.

Knowing a digest is not having sent the bytes: whoever could name any digest could fetch what is not theirs. So
the portal gives the sender a signed text for it, good for a day and for that person only.
"""

from __future__ import annotations

from dataclasses import dataclass

from django.core import signing

from apps.core.blobs import Blob

SALT = "countersign.upload"
GOOD_FOR = 86_400  # seconds


@dataclass(frozen=True)
class Upload:
    """Stored bytes with the name they came under. size: bytes."""

    digest: str
    size: int
    name: str


def sealed(person_id: int, upload: Upload) -> str:
    """The signed text by which this person may name the stored bytes."""
    return signing.dumps([person_id, upload.digest, upload.size, upload.name], salt=SALT, compress=True)


def opened(person_id: int, text: str) -> Upload | None:
    """The upload behind a sealed text; None when it is another person's, too old, or no such text."""
    try:
        sender, digest, size, name = signing.loads(text, salt=SALT, max_age=GOOD_FOR)
    except (signing.BadSignature, ValueError, TypeError):
        return None
    return Upload(digest, size, name) if sender == person_id else None


def of(blob: Blob, name: str) -> Upload:
    """`name` loses any folders a browser or script sent with it."""
    return Upload(blob.digest, blob.size, name.replace("\\", "/").rpartition("/")[2][-200:])
