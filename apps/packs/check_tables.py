"""The tables of a pack: written by the portal and written again by the checker with the same lines.

Part of the checker that is embedded in every pack: Python 3 standard library only, nothing of the portal.
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any

SHOWN = 20  # faults of one kind that are named one by one
TRAIL = (
    "entry", "at", "kind", "act", "told", "decision", "signed", "who", "username", "on_behalf", "record", "reason",
    "refused", "rule", "digest", "erased_by",
)  # fmt: skip
SIGNATURES = (
    "signed_at", "printed_name", "username", "duties", "meaning", "meaning_text", "decision", "reason", "record",
    "record_version", "belongs", "factors", "content_digest", "recomputed_digest", "verdict", "statement_digest",
    "uuid",
)  # fmt: skip
RESULTS = (
    "run", "criterion", "metric", "subgroup", "n", "value", "low", "high", "method", "limit", "direction", "rule",
    "verdict", "sentence",
)  # fmt: skip
DUTIES = (
    "username", "name", "duty", "on", "state", "starts_at", "ends_at", "in_force", "requester", "approver", "reason",
    "ended_by", "ended_at", "end_reason",
)  # fmt: skip
GROUPS = (
    "line", "grouping", "group", "compared_with", "metric", "value", "low", "high", "n", "method", "limit", "rule",
    "verdict", "note",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\x00", "\uff1d", "\uff0b", "\uff0d", "\uff20")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
PROBES = ("report", "probe", "where", "value", "low", "high", "level", "n", "count", "method", "sentence")
TRACEABILITY = (
    "line", "intended_use", "requirement", "text", "risks", "shown_by", "test", "outcome", "message", "evidence",
    "link", "signature", "clauses", "lacks", "accepted_by", "blocks",
)  # fmt: skip
Table = tuple[tuple[str, ...], list[dict[str, Any]]]


def cell(value: Any) -> str:
    """One value as CSV text; what a spreadsheet would run as a formula stands behind a '."""
    text = "" if value is None else "yes" if value is True else "no" if value is False else str(value)
    text = ", ".join(value) if isinstance(value, list) else text
    return "'" + text if text.startswith(FORMULA) and not NUMBER.fullmatch(text) else text


def as_csv(columns: tuple[str, ...], rows: list[dict[str, Any]]) -> bytes:
    """UTF-8, RFC 4180, the named columns of each row; what a row lacks is empty."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    writer.writerow(columns)
    writer.writerows([cell(row.get(name)) for name in columns] for row in rows)
    return out.getvalue().encode()


def tables(content: dict[str, Any]) -> dict[str, Table]:
    """File name to columns and rows of everything tabular in content.json."""
    found: dict[str, Table] = {
        "trail.csv": (TRAIL, content["trail"]["entries"]),
        "signatures.csv": (SIGNATURES, content["signatures"]),
        "results.csv": (
            RESULTS,
            [
                {"run": run["ref"], **result}
                for run in content["runs"]
                for result in run["content"]["results"]
            ],
        ),
        "duties.csv": (
            # A pack of before 2026-11-22 does not say who ended a duty.
            DUTIES if all("ended_at" in d for d in content["duties"]) else DUTIES[:-3],
            [
                {
                    **d,
                    "username": d["person"]["username"],
                    "name": d["person"]["printed_name"],
                    "requester": d["requester"].get("username", ""),
                    "approver": d["approver"].get("username", ""),
                    "ended_by": d.get("ended_by", {}).get("username", ""),
                }
                for d in content["duties"]
            ],
        ),
    }
    if "traceability" in content:  # a pack of before knows no requirements
        found["traceability.csv"] = (TRACEABILITY, content["traceability"]["lines"])
    if "probe_reports" in content:  # a pack of before knows no probes
        found["probes.csv"] = (
            PROBES,
            [
                {"report": each["ref"], **finding}
                for each in content["probe_reports"]
                for finding in each["results"].get("findings", ())
            ],
        )
    for report in content["bias_reports"]:
        if report["results"]:
            found[f"groups-{report['ref']}.csv"] = (GROUPS, groups(report["results"]))
    return found


def groups(results: dict[str, Any]) -> list[dict[str, Any]]:
    """A bias report as lines: each group and metric, each calibration bin, each pair and metric, each limit."""
    rows: list[dict[str, Any]] = []
    figures = results["report"]
    for grouping in [{"attributes": ["all"], "groups": [figures["overall"]]}, *figures["groupings"]]:
        base = {"grouping": " x ".join(grouping["attributes"])}
        for group in grouping["groups"]:
            for metric, found in group["metrics"].items():
                row = {"line": "group", "group": group["name"], "metric": metric, "note": found["reason"]}
                rows.append({**base, **row, **{k: found[k] for k in ("value", "low", "high", "n", "method")}})
        for group in grouping["groups"]:
            for one in group.get("calibration") or ():
                row = {"line": "calibration", "group": group["name"], "metric": "observed_rate"}
                note = f"scores {one['from']} to {one['to']}, mean {one['mean_score']}"
                same = {"value": one["rate"], "low": one["low"], "high": one["high"], "n": one["n"]}
                rows.append({**base, **row, **same, "method": "wilson", "note": note})
        for comparison in grouping.get("comparisons", ()):
            for pair in comparison["pairs"]:
                note = pair.get("reason") or ("" if pair["judged"] else "too few cases to be judged")
                row = {
                    "group": pair["a"],
                    "compared_with": pair["b"],
                    "metric": comparison["metric"],
                    "note": note,
                }
                for kind, method in (("difference", "newcombe"), ("ratio", "katz log")):
                    rows.append({**base, **row, "line": kind, **pair[kind], "method": method})
    for line in results["limits"]:
        first, second = line["pair"] or ("", "")
        row = {"line": "limit", "grouping": line["column"], "group": first, "compared_with": second}
        same = ("metric", "value", "low", "high", "n", "limit", "rule", "verdict")
        rows.append({**row, **{name: line[name] for name in same}, "note": line["sentence"]})
    return rows


def compare_table(name: str, data: bytes, table: Table) -> list[str]:
    """Row and column of each difference between a file and what content.json makes of it."""
    wanted = as_csv(*table)
    if data == wanted:
        return []
    try:
        found = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        return [f"{name} cannot be read as a table: {error}."]
    rows = list(csv.reader(io.StringIO(wanted.decode(), newline="")))
    wrong = []
    for number, (mine, theirs) in enumerate(zip(found, rows, strict=False), 1):
        for at, column in enumerate(rows[0]):
            given = mine[at] if at < len(mine) else "(missing)"
            if given != theirs[at]:
                wrong.append(
                    f"{name}, row {number}, {column}: {given!r}, but content.json says {theirs[at]!r}."
                )
        if len(mine) > len(rows[0]):
            wrong.append(f"{name}, row {number}: {len(mine)} cells, but there are {len(rows[0])} columns.")
    if len(found) != len(rows):
        wrong.append(f"{name}: {len(found)} rows with the heading, but content.json makes {len(rows)}.")
    return cut(wrong) or [f"{name}: the cells agree, but line ends or quotation marks do not."]


def cut(wrong: list[str]) -> list[str]:
    return (
        wrong if len(wrong) <= SHOWN else [*wrong[:SHOWN], f"… and {len(wrong) - SHOWN} more of this kind."]
    )
