"""The one JSON form of every report: sorted keys, shortest floats, no NaN; the same report gives the same bytes."""

from __future__ import annotations

import json
from importlib.metadata import version
from typing import Any

_PARTS = ("duckdb", "narwhals", "numpy", "scipy")
LIBRARY = "4"  # of these computations; it rises with every change of a figure


def to_json(report: Any, *, indent: int | None = None) -> str:
    """Serialise a report; ends with a line feed."""
    separators = (",", ":") if indent is None else None
    return (
        json.dumps(
            report,
            sort_keys=True,
            ensure_ascii=False,
            allow_nan=False,
            indent=indent,
            separators=separators,
        )
        + "\n"
    )


def engine() -> dict[str, str]:
    """Names and versions of the libraries that computed."""
    return {"analysis": LIBRARY} | {name: version(name) for name in _PARTS}
