"""What a model file is, asked in the sandbox before any transaction; a higher app answers by name."""

from __future__ import annotations

from apps.core import blobs, registries
from apps.core.errors import BadInput


def inspect_artefact(digest: str) -> dict:
    """{"format", "interface"} of a stored model file; BadInput with the sandbox's sentence when it is none we take."""
    path = blobs.checked_path(digest)
    try:
        return registries.inspection["artefact"](path)
    except Exception as error:
        # The sandbox's own refusals are written for people; anything else is a fault and rises.
        if not getattr(error, "for_people", False) and type(error).__module__.partition(".sandbox")[1] == "":
            raise
        raise BadInput(
            "The model file was not taken.", rule="artefact", fields={"artefact": [str(error)]}
        ) from error
