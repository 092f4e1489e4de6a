"""What a parser gives, what it may cost, and how it says what is wrong."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

KINDS = ("junit", "coverage", "sarif", "sbom", "benchmark")
# format -> (kind, its name in words)
FORMATS: dict[str, tuple[str, str]] = {
    "junit-xml": ("junit", "JUnit XML"),
    "cobertura-xml": ("coverage", "Cobertura XML"),
    "coverage-json": ("coverage", "coverage.py JSON"),
    "sarif-2.1.0": ("sarif", "SARIF 2.1.0"),
    "cyclonedx-json": ("sbom", "CycloneDX JSON"),
    "spdx-json": ("sbom", "SPDX JSON"),
    "pytest-benchmark-json": ("benchmark", "pytest-benchmark JSON"),
    "text-log": ("benchmark", "plain text"),
}
MAX_CASES = 20_000  # tests, findings, components or benchmarks in one file
MAX_TEXT = 500  # characters of a name or message that are kept
MAX_DEPTH = 60  # of XML elements and of JSON


class Unreadable(ValueError):
    """The file cannot be used as what it was given for. The text is for people, and says where."""


def clip(value: Any) -> str:
    """Text on one line, at most MAX_TEXT characters; NUL characters are dropped, since no record can hold them."""
    said = " ".join(str(value).replace("\x00", "").split()) if value is not None else ""
    return said if len(said) <= MAX_TEXT else said[: MAX_TEXT - 1] + "…"


def zoned(text: Any) -> str:
    """A time of the file as ISO 8601 in UTC where it names its zone; empty where it does not, since nobody can tell."""
    if not isinstance(text, str):
        return ""
    try:
        found = datetime.fromisoformat(text.strip().replace("Z", "+00:00"))
        return found.astimezone(UTC).isoformat() if found.tzinfo is not None else ""
    except (ValueError, OverflowError):
        return ""


def is_count(text: str) -> bool:
    """Whether it is a whole number of a size that anything is counted in."""
    return text.isascii() and text.isdigit() and len(text) <= 14


def enough(count: int, what: str) -> None:
    if count > MAX_CASES:
        raise Unreadable(f"The file holds more than {MAX_CASES:,} {what}. Split it into several files.")


def result(
    form: str,
    *,
    tool: Any = "",
    tool_version: Any = "",
    commit: Any = "",
    produced_at: str = "",
    summary: dict[str, Any],
    details: list[dict[str, Any]],
    notes: list[str] | None = None,
) -> dict[str, Any]:
    """What every parser gives. `summary`: counts (whole numbers, decimals as text); `details`: one entry a thing."""
    return {
        "format": form,
        "kind": FORMATS[form][0],
        "tool": clip(tool)[:120],
        "tool_version": clip(tool_version)[:60],
        "commit": clip(commit)[:64],
        "produced_at": produced_at,
        "summary": summary,
        "details": details,
        "notes": notes or [],
    }
