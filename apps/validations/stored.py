"""Result files: one canonical JSON form, so that the same inputs give the same digest."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from apps.core import blobs
from apps.core.digests import canonical_json, plain

AREA = "results"


def storable(value: Any) -> Any:
    """`plain`, with each {"values": {column: value}} of a report as [[column, value], …]: columns have any name."""
    if isinstance(value, Mapping):
        return {
            str(key): [[str(k), str(v)] for k, v in item.items()]
            if key == "values" and isinstance(item, Mapping)
            else storable(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple):
        return [storable(item) for item in value]
    return plain(value)


def put_results(results: Mapping[str, Any]) -> str:
    """Store results as canonical JSON in the area `results`; returns their digest."""
    return blobs.put(canonical_json(storable(results)), area=AREA).digest


def read_results(digest: str) -> dict[str, Any]:
    """Stored results, compared with their digest. Numbers that are not whole are text."""
    found: dict[str, Any] = json.loads(blobs.read(digest, area=AREA))
    return found
