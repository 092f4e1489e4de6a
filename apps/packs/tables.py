"""The content of a pack as CSV: sortable, safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any

from apps.core.csvsafe import disarmed


def safe(value: Any) -> str:
    """One value as CSV text; what a spreadsheet would run as a formula is quoted (OWASP, CSV injection)."""
    text = "" if value is None else "yes" if value is True else "no" if value is False else str(value)
    return disarmed(text)


def as_csv(columns: Sequence[str], rows: Iterable[dict[str, Any]]) -> bytes:
    """UTF-8, RFC 4180, the named columns of each row; what a row lacks is empty."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([safe(row.get(name)) for name in columns])
    return out.getvalue().encode()


TRAIL = (
    "entry", "at", "kind", "act", "who", "username", "on_behalf", "record", "reason", "refused", "rule", "digest"
)  # fmt: skip
SIGNATURES = (
    "signed_at", "printed_name", "username", "duties", "meaning", "meaning_text", "decision", "reason", "record",
    "record_version", "content_digest", "recomputed_digest", "verdict", "statement_digest", "uuid",
)  # fmt: skip
RESULTS = (
    "run", "criterion", "metric", "subgroup", "n", "value", "low", "high", "method", "limit", "direction", "rule",
    "verdict", "sentence",
)  # fmt: skip
DUTIES = (
    "username", "name", "duty", "on", "state", "starts_at", "ends_at", "in_force", "requester", "approver", "reason"
)  # fmt: skip


def of_content(content: dict[str, Any]) -> dict[str, bytes]:
    """File name to CSV of everything tabular in a gathered content but the bias figures."""
    results = [
        {"run": run["ref"], **result} for run in content["runs"] for result in run["content"]["results"]
    ]
    duties = [
        {
            **d,
            "username": d["person"]["username"],
            "name": d["person"]["printed_name"],
            "requester": d["requester"].get("username", ""),
            "approver": d["approver"].get("username", ""),
        }
        for d in content["duties"]
    ]
    return {
        "trail.csv": as_csv(TRAIL, content["trail"]["entries"]),
        "signatures.csv": as_csv(SIGNATURES, content["signatures"]),
        "results.csv": as_csv(RESULTS, results),
        "duties.csv": as_csv(DUTIES, duties),
    }
