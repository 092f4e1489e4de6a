"""A risk and a claim as people enter them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

RISK = {"hazard": "Units are mixed up", "harm": "A bad lot passes", "severity": "high", "likelihood": "low"}
RISK |= {"control": "Units are checked at the door"}
CLAIM: dict[str, Any] = {
    "origin": "Contract laboratory, Basel",
    "figures": [
        {"metric": "auc", "subgroup": "all", "value": "0.91", "low": "0.88", "high": "0.94", "n": 400}
    ],
    "script_digest": "sha256:" + "a" * 64,
    "script_name": "evaluate.py",
    "data_digest": "sha256:" + "b" * 64,
    "tool": "scikit-learn",
    "tool_version": "1.7.0",
    "computed_at": datetime(2026, 11, 1, 12, tzinfo=UTC),
    "note": "",
}
