"""What a model file is, asked in the sandbox before any transaction; a higher app answers by name."""

from __future__ import annotations

from typing import Any

from apps.core import blobs, registries
from apps.core.errors import BadInput

WHAT = "The model file was not taken."


def inspect_artefact(digest: str) -> dict[str, Any]:
    """{"format", "interface"} of a stored model file; BadInput with a sentence when it is none the portal runs.

    Takes about half a second: a process of its own loads the model. Never call it inside a transaction.
    """
    try:
        path = blobs.checked_path(digest)
    except (blobs.BlobDamaged, ValueError) as error:
        raise BadInput(WHAT, fields={"artefact": ["The file did not arrive. Choose it again."]}) from error
    try:
        found: dict[str, Any] = registries.inspection["artefact"](path)
    except Exception as error:
        if not getattr(error, "for_people", False):
            raise  # a fault of ours, not of the file
        raise BadInput(WHAT, rule="artefact", fields={"artefact": [str(error)]}) from error
    return found
