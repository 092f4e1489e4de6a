"""The figures of a probe report as CSV: one line a finding, one a locked limit."""

from __future__ import annotations

import csv
import io
from typing import Any

from apps.core.csvsafe import disarmed
from apps.robustness.models import ProbeReport
from apps.validations.stored import read_results

COLUMNS = (
    "line",
    "id",
    "probe",
    "where",
    "value",
    "low",
    "high",
    "level",
    "n",
    "count",
    "method",
    "limit",
    "rule",
    "min_n",
    "verdict",
    "sentence",
)


def as_csv(report: ProbeReport) -> str:
    """The stored figures of a finished report, CRLF line ends, UTF-8. Texts that a spreadsheet would run are quoted."""
    results = read_results(report.results_digest)
    out = io.StringIO(newline="")
    writer = csv.DictWriter(out, COLUMNS, restval="", extrasaction="ignore")
    writer.writeheader()
    for line, rows in (("finding", results["findings"]), ("limit", results["limits"])):
        writer.writerows(_safe({**row, "line": line}) for row in rows)
    return out.getvalue()


def _safe(row: dict[str, Any]) -> dict[str, Any]:
    return row | {name: disarmed(str(row.get(name) or "")) for name in ("id", "where", "sentence")}
