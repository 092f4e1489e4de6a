"""The JSON Schema of every report (`reports.json`); its `$id` carries the version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def load() -> dict[str, Any]:
    """The schema as a dict; a report is valid when it meets one of `oneOf`."""
    found: dict[str, Any] = json.loads((Path(__file__).parent / "reports.json").read_text(encoding="utf-8"))
    return found
