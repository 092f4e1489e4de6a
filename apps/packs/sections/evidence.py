"""Section 14: validation with its deviations."""

from __future__ import annotations

from typing import Any

from apps.analysis.disparities import ALL_DISPARITIES
from apps.analysis.method_words import method_words
from apps.analysis.verdicts import label_of
from apps.core.outcomes import CheckState
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, counted, decimal, interval, named
from apps.packs.sections.measured import baselines, measured, plan_facts
from apps.packs.sections.traceability import verification
from apps.packs.sections.words import KIND_SIGNS, limit_words, listed, metric_words, rule_words
from apps.validations.states import Task

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


def verdict_cell(verdict: str) -> Cell:
    return Cell(VERDICTS.get(verdict, verdict), "state", str(MARKS.get(verdict, CheckState.WAITING)))


def gate_box(part: Section, content: dict[str, Any], code: str, **facts: str) -> None:
    """The box of a section, its verdict from the gate's check of the same evidence."""
    row = next((r for r in content["gate"]["now"]["rows"] if r["code"] == code), None)
    if row is not None:
        facts = {
            "requirement": row["title"],
            "source": row["clause"],
            "result": row["evidence"] or row["why"],
        } | facts
        part.box(CheckState(row["state"]), **facts)


def validation(content: dict[str, Any], charts: dict[str, str]) -> Chapter:
    part = Section("s14", "14", "Verification and validation", at(content["as_of"]))
    locked = [p for p in content["plans"] if p["locked_at"]]
    last = locked[-1] if locked else None
    gate_box(
        part,
        content,
        "validation_passed",
        limit=_locked(last) if last else "",
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
        measured(part, run, charts)
        _gap(part, run)
    verification(part, content)
    _deviations(part, content)
    return part.chapter()


def _locked(plan: dict[str, Any]) -> str:
    """How many lines a run is judged on, as the gate counts them: criteria, and what the replaced process reaches."""
    counts = [counted(len(plan["content"]["criteria"]), "criterion", "criteria")]
    if kept := plan["content"].get("baselines"):
        counts.append(f"{counted(len(kept), 'line')} of the replaced process")
    return f"{' and '.join(counts)}, locked {at(plan['locked_at'])}"


def _plan(part: Section, record: dict[str, Any]) -> None:
    plan = record["content"]
    part.heading(f"Plan {record['ref']}: {record['state_word'].lower()}")
    part.facts(
        [
            ("Written", f"{at(plan['written_at'])} by {named(record['written_by'])}"),
            ("Locked", at(record["locked_at"])),
            ("Test data", f"{plan['test_data']['ref']}, {plan['test_data']['rows']} rows"),
            ("Label", _label(plan)),
            ("Groups", ", ".join(plan["group_columns"])),
            *plan_facts(plan),
            ("Rationale", plan["rationale"]),
            ("Digest", record["digest"], "code"),
        ]
    )
    part.table(
        f"Acceptance criteria of {record['ref']}",
        [
            ("Id", "w-8", ""), ("Metric", "w-27", ""), ("Cases", "w-20", ""), ("Limit", "w-12", ""),
            ("Judged on", "w-20", ""), ("Least n", "w-13", "num"),
        ],
        [
            (
                c["id"], metric_words(c), c.get("subgroup") or "all",
                limit_words(c, c["limit"], plan.get("target_unit", "")),
                rule_words(c["rule"]), c["min_n"],
            )
            for c in plan["criteria"]
        ],
    )  # fmt: skip
    baselines(part, record)
    part.table(
        f"Bias limits of {record['ref']}",
        [
            ("Id", "w-8", ""),
            ("Metric", "w-27", ""),
            ("Groups of", "w-15", ""),
            ("Limit", "w-12", ""),
            ("Judged on", "w-25", ""),
            ("Least n", "w-13", "num"),
        ],
        [
            (
                b["id"],
                ALL_DISPARITIES[b["metric"]][2],
                b["column"],
                f"{KIND_SIGNS[ALL_DISPARITIES[b['metric']][0]]} {b['limit']} {plan.get('target_unit', '')}".strip(),
                rule_words(b["rule"]),
                b["min_n"],
            )
            for b in plan["bias_limits"]
        ],
    )


def _label(plan: dict[str, Any]) -> str:
    """What the label column holds, by the plan's task."""
    if plan.get("task") == Task.REGRESSION:
        return f"{plan['label_column']}, a number in {plan['target_unit']}"
    if plan.get("task") == Task.MULTICLASS:
        on = f"; bias limits are about {plan['positive_value']}" if plan["positive_value"] else ""
        return f"{plan['label_column']}, one of {listed(plan['classes'])}{on}"
    return f"{plan['label_column']} = {plan['positive_value']} is positive, as is a score from {plan['threshold']}"


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
        f"Results of {record['ref']}; each interval two-sided 95 %",
        [
            ("Id", "w-8", ""), ("Metric, cases", "w-25", ""), ("n", "w-8", "num"), ("Value", "w-10", "num"),
            ("95 % interval", "w-17", ""), ("Limit, judged on", "w-17", ""), ("Verdict", "w-15", ""),
        ],
        [
            (
                r["criterion"], f"{metric_words(r)}, {r['subgroup']}", r["n"], decimal(r["value"]), interval(r),
                f"{limit_words(r, r['limit'], record['target_unit'])}, {rule_words(r['rule'])}",
                verdict_cell(r["verdict"]),
            )
            for r in run["results"]
        ],
        responsible="validator",
    )  # fmt: skip
    methods = sorted({method_words(r["method"]) for r in run["results"] if r["method"]})
    if methods:
        part.text(
            f"Methods of the intervals: {'; '.join(methods)}. What each criterion found, in words:",
            before=True,
        )
        part.table(
            "Findings",
            [("Id", "w-8", ""), ("Sentence", "w-90", "")],
            [(r["criterion"], r["sentence"]) for r in run["results"]],
            small=True,
        )


def _gap(part: Section, record: dict[str, Any]) -> None:
    """The same metrics on the data it was trained on: how much better it is there, with an interval."""
    gap = record["gap"]
    if not gap:
        return
    if not gap.get("metrics"):
        part.text(f"Training against test: not computed. {gap.get('reason', '')}")
        return
    part.table(
        f"Training data {gap['data']} against test data; intervals of the difference two-sided 95 %",
        [
            ("Metric", "w-25", ""), ("Training", "w-12", "num"), ("n", "w-8", "num"), ("Test", "w-12", "num"),
            ("n", "w-8", "num"), ("Training minus test", "w-15", "num"), ("95 % interval", "w-20", ""),
        ],
        [
            (
                label_of(m["metric"]), decimal(m["train"]), m["train_n"], decimal(m["test"]),
                m["test_n"], decimal(m["gap"]), interval(m),
            )
            for m in gap["metrics"]
        ],
        small=True,
    )  # fmt: skip


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
