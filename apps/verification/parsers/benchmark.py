"""Benchmark logs: the JSON of pytest-benchmark, or plain text that is kept as it is and not interpreted."""

from __future__ import annotations

import math
from typing import Any

from apps.verification.parsers.found import Unreadable, clip, enough, result, zoned
from apps.verification.parsers.jsonread import objects, part, text

FIELDS = ("mean", "stddev", "min", "max")


def _seconds(value: Any, where: str) -> str:
    try:
        found = -1.0 if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:  # a whole number of hundreds of digits
        found = math.inf
    if not math.isfinite(found) or found < 0:
        raise Unreadable(f"{where}: this is not a duration in seconds.")
    return repr(found)


def parse_json(found: dict[str, Any]) -> dict[str, Any]:
    """details: name, rounds, and mean, stddev, min, max in seconds as decimal text."""
    rows = objects(found.get("benchmarks"), "benchmarks")
    enough(len(rows), "benchmarks")
    if not rows:
        raise Unreadable("The file holds no benchmark: “benchmarks” is empty.")
    details = []
    for place, each in enumerate(rows, start=1):
        stats, where = part(each.get("stats")), f"Benchmark {place}"
        name = text(each.get("fullname")) or text(each.get("name"))
        if not name:
            raise Unreadable(f"{where} has no name.")
        rounds = stats.get("rounds")
        details.append(
            {"name": name, "rounds": rounds if isinstance(rounds, int) and 0 <= rounds < 2**53 else 0}
            | {field: _seconds(stats.get(field), f"{where}, {field}") for field in FIELDS}
        )
    commit = part(found.get("commit_info"))
    notes = (
        ["It was measured on a working copy with changes that are in no commit."]
        if commit.get("dirty")
        else []
    )
    return result(
        "pytest-benchmark-json",
        tool="pytest-benchmark",
        tool_version=text(found.get("version")),
        commit=text(commit.get("id")),
        produced_at=zoned(found.get("datetime")),
        summary={"benchmarks": len(details)},
        details=details,
        notes=notes,
    )


def parse_text(data: bytes) -> dict[str, Any]:
    """details: the first lines, for reading. Nothing of it is judged."""
    try:
        said = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"Byte {error.start + 1} is not UTF-8. Write the log in UTF-8.") from None
    if "\x00" in said:
        raise Unreadable("The file holds NUL characters: it is no text.")
    lines = said.splitlines()
    if not any(line.strip() for line in lines):
        raise Unreadable("The log is empty.")
    return result(
        "text-log",
        summary={"lines": len(lines)},
        details=[{"line": clip(line)} for line in lines[:200]],
        notes=["A plain log is kept as it is: the portal reads nothing out of it."],
    )
