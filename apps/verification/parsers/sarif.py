"""SARIF 2.1.0: findings of static analysis and of scanners (OASIS standard, section 3.27 for results)."""

from __future__ import annotations

from typing import Any

from apps.verification.parsers.found import Unreadable, clip, enough, result, zoned
from apps.verification.parsers.jsonread import objects, part, text

LEVELS = ("error", "warning", "note", "none")
_CLEAN = ("pass", "notApplicable", "informational")  # kinds whose level is `none`


def _level(each: dict[str, Any], rules: list[dict[str, Any]], where: str) -> str:
    """Stated; else of the kind; else of its rule; else a warning (3.27.10)."""
    stated = each.get("level")
    if stated is None and each.get("kind") in _CLEAN:
        return "none"
    if stated is None:
        index = each.get("ruleIndex")
        by_index = rules[index] if isinstance(index, int) and 0 <= index < len(rules) else None
        rule = by_index or next((r for r in rules if r.get("id") == each.get("ruleId")), {})
        stated = part(rule.get("defaultConfiguration")).get("level", "warning")
    if stated not in LEVELS:
        raise Unreadable(f"{where}: “{clip(stated)}” is no level. One of: {', '.join(LEVELS)}.")
    return str(stated)


def _place(each: dict[str, Any]) -> str:
    """`file:line` of the first location."""
    places = each.get("locations")
    first = part(part(places[0]).get("physicalLocation")) if isinstance(places, list) and places else {}
    file, line = (
        text(part(first.get("artifactLocation")).get("uri")),
        part(first.get("region")).get("startLine"),
    )
    return f"{file}:{line}" if file and isinstance(line, int) else file


def _suppressed(given: Any) -> bool:
    """A suppression that was rejected, or is only under review, suppresses nothing (3.35.3)."""
    said = given if isinstance(given, list) else []
    return any(part(each).get("status", "accepted") == "accepted" for each in said)


def parse(found: dict[str, Any]) -> dict[str, Any]:
    """details: rule, level, message, place, suppressed. Suppressed findings are kept and not counted by level."""
    if found.get("version") != "2.1.0":
        raise Unreadable(f"This is SARIF {clip(found.get('version'))}; version 2.1.0 is read.")
    runs = objects(found.get("runs"), "runs")
    if not runs:
        raise Unreadable("The file has no run in it: “runs” is empty. Nothing was analysed.")
    details: list[dict[str, Any]] = []
    tools, commits, times = [], set(), []
    for number, run in enumerate(runs, start=1):
        driver = part(part(run.get("tool")).get("driver"))
        if not text(driver.get("name")):
            raise Unreadable(f"Run {number} names no tool (“tool.driver.name”).")
        tools.append((text(driver.get("name")), text(driver.get("semanticVersion") or driver.get("version"))))
        commits |= {
            text(each.get("revisionId"))
            for each in objects(
                run.get("versionControlProvenance"), f"runs {number}.versionControlProvenance"
            )
        }
        for each in objects(run.get("invocations"), f"runs {number}.invocations"):
            times.append(zoned(each.get("endTimeUtc")))
            if each.get("executionSuccessful") is False:
                raise Unreadable(
                    f"Run {number} says that the tool did not come to its end (executionSuccessful)."
                )
        if run.get("results") is None:
            raise Unreadable(f"Run {number} has no “results”: the tool did not say that it looked.")
        rules = objects(driver.get("rules"), f"runs {number}.tool.driver.rules")
        for place, each in enumerate(objects(run.get("results"), f"runs {number}.results"), start=1):
            where = f"Run {number}, result {place}"
            details.append(
                {
                    "rule": text(each.get("ruleId")),
                    "level": _level(each, rules, where),
                    "message": text(part(each.get("message")).get("text")),
                    "place": _place(each),
                    "suppressed": _suppressed(each.get("suppressions")),
                }
            )
            enough(len(details), "findings")
    counted = [each["level"] for each in details if not each["suppressed"]]
    summary = {"findings": len(details), **{level: counted.count(level) for level in LEVELS}}
    summary["suppressed"] = len(details) - len(counted)
    commits.discard("")
    return result(
        "sarif-2.1.0",
        tool=", ".join(dict.fromkeys(name for name, _ in tools)),
        tool_version=", ".join(dict.fromkeys(number for _, number in tools if number)),
        commit=commits.pop() if len(commits) == 1 else "",
        produced_at=max(times, default=""),
        summary=summary,
        details=details,
    )
