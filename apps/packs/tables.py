"""The content of a pack as CSV, by check_tables.py, which is shipped in the pack and writes the same again there."""

from __future__ import annotations

from typing import Any

from apps.packs.check_tables import as_csv, tables


def of_content(content: dict[str, Any]) -> dict[str, bytes]:
    """File name to CSV of everything tabular in a gathered content: UTF-8, RFC 4180, safe to open in a spreadsheet."""
    return {name: as_csv(*table) for name, table in tables(content).items()}
