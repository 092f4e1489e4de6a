"""Sections 14 and 15: validation with its deviations, and bias with its charts."""

from __future__ import annotations

from typing import Any

from apps.analysis.metrics import LABELS
from apps.core.outcomes import CheckState
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, decimal, estimate, interval, named, short

MARKS = {
    "met": CheckState.MET,
    "not_met": CheckState.NOT_MET,
    "undecided": CheckState.WAITING,
    "within": CheckState.MET,
    "breached": CheckState.NOT_MET,
}
VERDICTS = {
    "met": "Met",
    "not_met": "Not met",
    "undecided": "Too little data",
    "within": "Within",
    "breached": "Breached",
}
SIGNS = {"min": "≥", "max": "≤"}


def verdict_cell(verdict: str) -> Cell:
    return Cell(VERDICTS.get(verdict, verdict), "state", str(MARKS.get(verdict, CheckState.WAITING)))


def _box(part: Section, content: dict[str, Any], code: str, **facts: str) -> None:
    """The box of a section, its verdict from the gate's check of the same evidence."""
    row = next((r for r in content["gate"]["now"]["rows"] if r["code"] == code), None)
    if row is not None:
        facts = {
            "requirement": row["title"],
            "source": row["clause"],
            "result": row["evidence"] or row["why"],
        } | facts
        part.box(CheckState(row["state"]), **facts)


def validation(content: dict[str, Any]) -> Chapter:
    part = Section("s14", "14", "Verification and validation", at(content["as_of"]))
    locked = [p for p in content["plans"] if p["locked_at"]]
    last = locked[-1] if locked else None
    _box(
        part,
        content,
        "validation_passed",
        limit=f"{len(last['content']['criteria'])} criteria locked {at(last['locked_at'])}" if last else "",
        evidence=", ".join(r["ref"] for r in content["runs"]),
        author=named(last["written_by"]) if last else "",
        reviewer=", ".join(
            s["printed_name"]
            for s in content["signatures"]
            if last and s["record"] == last["ref"] and s["meaning"] == "approval"
        ),
    )
    if not content["plans"]:
        part.none("validator")
    for each in content["plans"]:
        _plan(part, each)
    for run in content["runs"]:
        _run(part, run)
    _deviations(part, content)
    return part.chapter()


def _plan(part: Section, record: dict[str, Any]) -> None:
    plan = record["content"]
    part.heading(f"Plan {record['ref']}: {record['state_word'].lower()}")
    part.facts(
        [
            ("Written", f"{at(plan['written_at'])} by {named(record['written_by'])}"),
            ("Locked", at(record["locked_at"])),
            ("Test data", f"{plan['test_data']['ref']}, {plan['test_data']['rows']} rows"),
            (
                "Label",
                f"{plan['label_column']} = {plan['positive_value']} is positive, "
                f"as is a score from {plan['threshold']}",
            ),
            ("Groups", ", ".join(plan["group_columns"])),
            ("Rationale", plan["rationale"]),
            ("Digest", record["digest"], "code"),
        ]
    )
    part.table(
        f"Acceptance criteria of {record['ref']}",
        [
            ("Id", "w-8", ""), ("Metric", "w-22", ""), ("Cases", "w-25", ""), ("Limit", "w-15", ""),
            ("Judged on", "w-15", ""), ("Least n", "w-15", "num"),
        ],
        [
            (
                c["id"], LABELS.get(c["metric"], c["metric"]), c.get("subgroup", "all"), _limit(c), c["rule"],
                c["min_n"],
            )
            for c in plan["criteria"]
        ],
    )  # fmt: skip
    part.table(
        f"Bias limits of {record['ref']}",
        [
            ("Id", "w-8", ""),
            ("Metric", "w-37", ""),
            ("Groups of", "w-15", ""),
            ("Limit", "w-12", ""),
            ("Judged on", "w-13", ""),
            ("Least n", "w-15", "num"),
        ],
        [
            (b["id"], b["metric"].replace("_", " "), b["column"], b["limit"], b["rule"], b["min_n"])
            for b in plan["bias_limits"]
        ],
    )


def _limit(criterion: dict[str, Any]) -> str:
    return f"{SIGNS.get(criterion['direction'], '')} {criterion['limit']}"


def _run(part: Section, record: dict[str, Any]) -> None:
    run = record["content"]
    part.heading(
        f"Run {record['ref']} of {run['plan']}: {(record['verdict_word'] or record['state_word']).lower()}"
    )
    repeat = {True: "identical", False: "NOT identical", None: "not told"}[run["repeat_identical"]]
    part.facts(
        [
            ("Asked for", f"{at(run['requested_at'])} by {named(record['requested_by'])}"),
            ("Ended", at(run["finished_at"])),
            ("Plan locked", at(record["plan_locked_at"])),
            ("Scored twice", repeat),
            ("Model file", run["artefact_digest"], "code"),
            ("Test table", run["test_table_digest"], "code"),
            ("Results", run["results_digest"], "code"),
            ("Per-case results", run["cases_digest"], "code"),
            *([("Failure", run["failure"])] if run["failure"] else []),
        ]
    )
    part.table(
        f"Results of {record['ref']}, with 95 % intervals",
        [
            ("Id", "w-8", ""), ("Metric, cases", "w-25", ""), ("n", "w-8", "num"), ("Value", "w-10", "num"),
            ("Interval", "w-17", ""), ("Limit", "w-12", ""), ("Verdict", "w-20", ""),
        ],
        [
            (
                r["criterion"], f"{LABELS.get(r['metric'], r['metric'])}, {r['subgroup']}", r["n"], decimal(r["value"]),
                interval(r), f"{_limit(r)} ({r['rule']})", verdict_cell(r["verdict"]),
            )
            for r in run["results"]
        ],
        responsible="validator",
    )  # fmt: skip
    methods = sorted({r["method"] for r in run["results"] if r["method"]})
    if methods:
        part.text(f"Intervals: {', '.join(methods)}. What each criterion found, in words:")
        part.table(
            "Findings",
            [("Id", "w-8", ""), ("Sentence", "w-90", "")],
            [(r["criterion"], r["sentence"]) for r in run["results"]],
            small=True,
        )


def _deviations(part: Section, content: dict[str, Any]) -> None:
    part.heading("Deviations")
    part.table(
        "Every deviation of the version",
        [
            ("Deviation", "w-12", ""), ("Found", "w-38", ""), ("Raised", "w-20", ""), ("Decision", "w-30", ""),
        ],
        [
            (
                d["ref"], f"{d['content']['title']}. {d['content']['description']}",
                f"{at(d['content']['raised_at'])} by {d['raised_by'].get('printed_name', '')}",
                f"{d['state_word']} {at(d['decided_at']) if d['decided_at'] else ''} {d['decision_reason']}"
                + (f" Until {at(d['expires_at'])}." if d["expires_at"] else ""),
            )
            for d in content["deviations"]
        ],
        small=True,
    )  # fmt: skip


def fairness(content: dict[str, Any], charts: dict[str, str]) -> Chapter:
    part = Section("s15", "15", "Performance and fairness by subgroup", at(content["as_of"]))
    _box(
        part,
        content,
        "bias_within_limits",
        evidence=", ".join(r["ref"] for r in content["bias_reports"]),
        author=", ".join(sorted({named(r["requested_by"]) for r in content["bias_reports"]})),
    )
    if not content["bias_reports"]:
        part.none("bias tester")
    for record in content["bias_reports"]:
        report = record["content"]
        part.heading(
            f"{record['ref']} on {report['run']}: {(record['verdict_word'] or record['state_word']).lower()}"
        )
        part.facts(
            [
                ("Asked for", f"{at(report['requested_at'])} by {named(record['requested_by'])}"),
                ("Results", report["results_digest"], "code"),
                ("Counts", report["cells_digest"], "code"),
                *([("Failure", report["failure"])] if report["failure"] else []),
            ]
        )
        part.table(
            "Locked limits",
            [
                ("Id", "w-8", ""),
                ("What", "w-30", ""),
                ("Value (95 % interval), n", "w-27", ""),
                ("Limit", "w-15", ""),
                ("Verdict", "w-20", ""),
            ],
            [
                (
                    line["id"],
                    line["what"],
                    estimate(line),
                    f"{line['limit']} ({line['rule']})",
                    verdict_cell(line["verdict"]),
                )
                for line in report["summary"]
            ],
            responsible="bias tester",
        )
        for line in report["summary"]:
            part.text(f"{line['id']}: {line['sentence']}")
        if method := record["results"].get("report", {}).get("method"):
            part.text(method)
        for chart in record["results"].get("charts", ()):
            part.figure(
                charts[chart["digest"]],
                f"{chart['title']}. SHA-256 {short(chart['digest'])}, the same file as on the page.",
            )
        for grouping in record["results"].get("report", {}).get("groupings", ()):
            if len(grouping["attributes"]) == 1:
                _groups(part, grouping)
    return part.chapter()


SHOWN = ("selection_rate", "tpr", "fpr", "ppv", "accuracy")


def _groups(part: Section, grouping: dict[str, Any]) -> None:
    """Per-group figures; every metric, pair and intersection is in groups.csv."""
    names = [m for m in SHOWN if grouping["groups"] and m in grouping["groups"][0]["metrics"]]
    rows = []
    for group in grouping["groups"]:
        for name in names:
            found = group["metrics"][name]
            rows.append(
                (
                    group["name"],
                    LABELS.get(name, name),
                    found["n"],
                    decimal(found["value"]),
                    interval(found),
                    found["method"] or found["reason"],
                )
            )
    part.table(
        f"By {' × '.join(grouping['attributes'])}",
        [
            ("Group", "w-25", ""),
            ("Metric", "w-25", ""),
            ("n", "w-10", "num"),
            ("Value", "w-10", "num"),
            ("95 % interval", "w-15", ""),
            ("Method", "w-15", ""),
        ],
        rows,
        small=True,
    )
