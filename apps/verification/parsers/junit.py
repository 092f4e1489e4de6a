"""JUnit XML, as pytest, Maven, Gradle, Jest and others write it. Counts come from the test cases themselves."""

from __future__ import annotations

import re
from typing import Any

from apps.verification.parsers.found import MAX_TEXT, Unreadable, clip, enough, is_count, result, zoned
from apps.verification.parsers.xmlread import walk

OUTCOMES = ("passed", "failed", "skipped")
_REQUIREMENT = re.compile(r"[A-Za-z]{1,10}-[0-9]{1,9}")
_WORST = {"failure": "failed", "error": "failed", "skipped": "skipped"}


class _Reader:
    def __init__(self) -> None:
        self.path: list[str] = []
        self.suites: list[dict[str, Any]] = []  # those that are open
        self.cases: list[dict[str, Any]] = []
        self.lines: dict[str, int] = {}
        self.case: dict[str, Any] | None = None
        self.notes: list[str] = []
        self.produced = ""

    def start(self, name: str, given: dict[str, str], line: int) -> None:
        if not self.path and name not in ("testsuites", "testsuite"):
            raise Unreadable(f"Line {line}: the outermost element is <{clip(name)}>, not <testsuites>.")
        self.path.append(name)
        if name == "testsuite":
            self.suites.append({"given": given, "line": line, "count": 0, "requirements": []})
            self.produced = max(self.produced, zoned(given.get("timestamp")))
        elif name == "testcase":
            self.begin(given, line)
        elif name in _WORST and self.case is not None:
            if self.case["outcome"] != "failed":
                self.case["outcome"] = _WORST[name]
            self.case["message"] = self.case["message"] or clip(given.get("message", ""))
        elif name == "property" and given.get("name", "").lower() in ("requirement", "requirements"):
            found = _REQUIREMENT.findall(given.get("value", ""))
            target = self.case if self.case is not None else (self.suites[-1] if self.suites else None)
            if target is not None:
                target["requirements"] += [each.upper() for each in found]

    def begin(self, given: dict[str, str], line: int) -> None:
        if self.case is not None:
            raise Unreadable(f"Line {line}: a test case stands inside another test case.")
        if not self.suites:
            raise Unreadable(f"Line {line}: a test case stands outside any test suite.")
        name, owner = given.get("name", "").strip(), given.get("classname", "").strip()
        if not name:
            raise Unreadable(f"Line {line}: a test case has no name.")
        test = f"{owner}::{name}" if owner else name
        if len(test) > MAX_TEXT:
            raise Unreadable(f"Line {line}: the name of a test case is longer than {MAX_TEXT} characters.")
        if test in self.lines:
            raise Unreadable(
                f"Lines {self.lines[test]} and {line}: two test cases are called “{test}”. "
                "Give each test case a name of its own, so that a result can be told from another."
            )
        self.lines[test] = line
        self.case = {"id": test, "outcome": "passed", "message": "", "requirements": [], "seconds": ""}
        seconds = given.get("time", "").replace(",", "")
        if re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,12})?", seconds):
            self.case["seconds"] = seconds
        for suite in self.suites:
            suite["count"] += 1

    def end(self, name: str, text: str) -> None:
        self.path.pop()
        if name == "testcase" and self.case is not None:
            inherited = [each for suite in self.suites for each in suite["requirements"]]
            self.case["requirements"] = sorted({*self.case["requirements"], *inherited})
            self.cases.append(self.case)
            self.case = None
            enough(len(self.cases), "test cases")
        elif name in _WORST and self.case is not None:
            self.case["message"] = self.case["message"] or clip(text)
        elif name == "testsuite":
            suite = self.suites.pop()
            said = suite["given"].get("tests", "")
            if is_count(said) and int(said) != suite["count"]:
                title = clip(suite["given"].get("name", "")) or "without a name"
                self.notes.append(
                    f"Line {suite['line']}: the suite {title} says it has {said} tests and holds {suite['count']}."
                )


def parse(data: bytes) -> dict[str, Any]:
    """details: id, outcome (passed, failed, skipped; an error counts as failed), message, requirements, seconds."""
    reader = _Reader()
    walk(data, reader.start, reader.end)
    if not reader.cases:
        raise Unreadable("The file holds no test case. A run of no tests shows nothing.")
    counts = {name: sum(case["outcome"] == name for case in reader.cases) for name in OUTCOMES}
    if counts["skipped"] == len(reader.cases):
        reader.notes.append("Every test case was skipped.")
    summary = {"tests": len(reader.cases), **counts}
    return result(
        "junit-xml",
        produced_at=reader.produced,
        summary=summary,
        details=reader.cases,
        notes=reader.notes[:20],
    )
