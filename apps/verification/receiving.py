"""Evidence on its way in: stored by digest, read by a parser, before any transaction."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from apps.core import blobs
from apps.core.errors import BadInput
from apps.core.uploads import Upload
from apps.validations.stored import put_results
from apps.verification.parsers import Unreadable, parse


@dataclass(frozen=True)
class Received:
    """A stored file with what was read out of it. `read`: as `parsers.found.result`."""

    upload: Upload
    read: dict[str, Any]
    results_digest: str


def receive(upload: Upload, kind: str) -> Received:
    """Read a stored upload as evidence of this kind; BadInput with a sentence that names the place.

    Takes up to a second for the largest file. Never call it inside a transaction.
    """
    try:
        data = blobs.read(upload.digest)
    except (blobs.BlobDamaged, ValueError) as error:
        raise BadInput(
            "The evidence was not attached.", fields={"file": ["The file did not arrive. Choose it again."]}
        ) from error
    try:
        read = parse(kind, data)
    except Unreadable as error:
        raise BadInput(
            "The evidence was not attached.", rule="evidence-file", fields={"file": [str(error)]}
        ) from error
    return Received(upload, read, put_results(read))
