"""Line and branch coverage: Cobertura XML, and the JSON of coverage.py."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from apps.verification.parsers.found import Unreadable, clip, enough, is_count, result, zoned
from apps.verification.parsers.jsonread import part, text, whole
from apps.verification.parsers.xmlread import walk


def percent(covered: int, total: int) -> str:
    """Decimal text with two places, cut and never rounded up: 100.00 means all of it."""
    if not total:
        return ""
    return str((Decimal(covered) * 10000 // Decimal(total)) / 100)


def _summary(lines: tuple[int, int], branches: tuple[int, int] | None) -> dict[str, Any]:
    if lines[0] > lines[1] or (branches and branches[0] > branches[1]):
        raise Unreadable("More is said to be covered than there is.")
    if not lines[1]:
        raise Unreadable("The report counts no line of code.")
    found: dict[str, Any] = {"lines": lines[1], "covered": lines[0], "percent": percent(*lines)}
    if branches is not None and branches[1]:
        found |= {"branches": branches[1], "branches_covered": branches[0]}
        found["branch_percent"] = percent(*branches)
    return found


def _moment(stamp: str) -> str:
    """Cobertura's time: seconds or milliseconds since 1970, in UTC by definition."""
    if not is_count(stamp):
        return ""
    seconds = int(stamp) / 1000 if len(stamp) > 11 else int(stamp)
    return datetime.fromtimestamp(seconds, UTC).isoformat()


def parse_cobertura(data: bytes) -> dict[str, Any]:
    """details: one entry a file with its lines and how many are covered. Each line of a file is counted once."""
    files: dict[str, dict[int, bool]] = {}
    root: dict[str, str] = {}
    current: list[dict[int, bool]] = []

    def start(name: str, given: dict[str, str], line: int) -> None:
        if not root:
            if name != "coverage":
                raise Unreadable(f"Line {line}: the outermost element is <{clip(name)}>, not <coverage>.")
            root.update(given, found="yes")
        elif name == "class":
            path = clip(given.get("filename") or given.get("name"))
            if not path:
                raise Unreadable(f"Line {line}: a class names no file.")
            current.append(files.setdefault(path, {}))
            enough(len(files), "files")
        elif name == "line" and current:
            number, hits = given.get("number", ""), given.get("hits", "")
            if not (is_count(number) and is_count(hits)):
                raise Unreadable(f"Line {line}: a line of code without its number and its hits.")
            known = current[-1].get(int(number), False)
            current[-1][int(number)] = known or int(hits) > 0

    def end(name: str, _text: str) -> None:
        if name == "class" and current:
            current.pop()

    walk(data, start, end)
    details: list[dict[str, Any]] = [
        {"file": path, "lines": len(lines), "covered": sum(lines.values())} for path, lines in files.items()
    ]
    counted = (sum(each["covered"] for each in details), sum(each["lines"] for each in details))
    notes = []
    stated = (root.get("lines-covered", ""), root.get("lines-valid", ""))
    if all(map(is_count, stated)) and tuple(map(int, stated)) != counted:
        notes.append(
            f"The report says {stated[0]} of {stated[1]} lines; its own lines are {counted[0]} of {counted[1]}."
        )
    branches = (root.get("branches-covered", ""), root.get("branches-valid", ""))
    known = (int(branches[0]), int(branches[1])) if all(map(is_count, branches)) else None
    summary = _summary(counted, known)
    return result(
        "cobertura-xml",
        tool_version=root.get("version", ""),
        produced_at=_moment(root.get("timestamp", "")),
        summary={**summary, "files": len(details)},
        details=details,
        notes=notes,
    )


def parse_json(found: dict[str, Any]) -> dict[str, Any]:
    """The JSON of `coverage json`. Its time names no zone, so that the uploader has to say when it was."""
    totals, meta = part(found.get("totals")), part(found.get("meta"))
    files = part(found.get("files"))
    enough(len(files), "files")
    details: list[dict[str, Any]] = []
    for path, each in files.items():
        own = part(part(each).get("summary"))
        there = whole(own.get("num_statements"), f"files.{clip(path)}.summary.num_statements")
        covered = whole(own.get("covered_lines"), f"files.{clip(path)}.summary.covered_lines")
        details.append({"file": clip(path), "lines": there, "covered": covered})
    lines = (
        whole(totals.get("covered_lines"), "totals.covered_lines"),
        whole(totals.get("num_statements"), "totals.num_statements"),
    )
    branches = None
    if "num_branches" in totals:
        branches = (
            whole(totals.get("covered_branches"), "totals.covered_branches"),
            whole(totals.get("num_branches"), "totals.num_branches"),
        )
    counted = (sum(each["covered"] for each in details), sum(each["lines"] for each in details))
    notes = [] if counted == lines else ["The totals are not the sum of the files."]
    return result(
        "coverage-json",
        tool="coverage.py",
        tool_version=text(meta.get("version")),
        produced_at=zoned(meta.get("timestamp")),
        summary={**_summary(lines, branches), "files": len(details)},
        details=details,
        notes=notes,
    )
