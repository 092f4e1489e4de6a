"""What stops a computation, in words a person may read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from apps.analysis.errors import InputError
from apps.core.blobs import BlobDamaged
from apps.validations.sandbox import SandboxError


class CannotCompute(Exception):
    """The evidence cannot be computed; `str(error)` is one sentence for the record, the page and the API."""

    for_people = True


@contextmanager
def in_words() -> Iterator[None]:
    """Errors that already speak in sentences become `CannotCompute`; anything else stays a fault."""
    try:
        yield
    except (SandboxError, InputError) as error:
        raise CannotCompute(str(error)) from error
    except BlobDamaged as error:
        raise CannotCompute(f"Stored bytes are not what they were: {error}.") from error
