"""Of section 14: the replaced process, undecided scores and units of a plan, and what its runs found of them."""

from __future__ import annotations

from typing import Any

from apps.packs.sections.blocks import Section, decimal, interval, short
from apps.packs.sections.measured_tasks import excluded, observed, several
from apps.packs.sections.words import limit_words, metric_words, rule_words


def plan_facts(plan: dict[str, Any]) -> list[tuple[str, str]]:
    """Lines of a plan's facts for what it may say and need not."""
    facts = []
    if band := plan.get("undecided"):
        facts.append(("Undecided", f"scores from {band['from']} to below {band['to']}"))
    if rule := plan.get("exclusion"):
        facts.append(
            (
                "Cases that cannot be judged",
                f"excluded with their reason, up to a share of {rule['max_share']}",
            )
        )
    else:
        facts.append(("Cases that cannot be judged", "the run fails"))
    if plan.get("unit_column"):
        facts.append(("Counted by", f"unit, {plan['unit_column']}"))
    if plan.get("weight_column"):
        facts.append(("Weighted by", plan["weight_column"]))
    if plan.get("no_predecessor"):
        facts.append(("Replaced process", f"none: {plan['no_predecessor']}"))
    if plan.get("replaces"):
        facts.append(("Takes the place of", f"{plan['replaces']}, which was locked: see the deviations"))
    return facts


def baselines(part: Section, record: dict[str, Any]) -> None:
    """How good the replaced process is (Annex 22 draft 4.3)."""
    rows = record["content"].get("baselines", ())
    if not rows:
        return
    part.table(
        f"The process that is replaced, in {record['ref']}: what the model must keep",
        [
            ("Id", "w-8", ""), ("Metric, cases", "w-27", ""), ("Must be", "w-10", "num"), ("n", "w-8", "num"),
            ("Judged on", "w-12", ""), ("Source", "w-35", ""),
        ],
        [
            (
                b["id"], f"{metric_words(b)}, {b['subgroup']}",
                limit_words(b, b["value"], record["content"].get("target_unit", "")), b["n"] or "not known",
                rule_words(b["rule"]), b["source"],
            )
            for b in rows
        ],
        small=True,
    )  # fmt: skip


def measured(part: Section, record: dict[str, Any], charts: dict[str, str]) -> None:
    """Coverage, undecided cases, the replaced process, the confusion matrix and the charts of a finished run."""
    coverage = record["coverage"]
    if coverage:
        left = coverage["rows"] - coverage["scored"]
        part.text(
            f"Coverage: {coverage['scored']} of {coverage['rows']} rows of the test data scored, {left} excluded, "
            f"{coverage['undecided']} left undecided."
        )
    excluded(part, record)
    _undecided(part, record)
    _replaced(part, record)
    several(part, record)
    if counts := record["confusion"]:
        part.table(
            f"Confusion matrix of {record['ref']} at the locked threshold, rows of the test data"
            + (", decided ones alone" if record["undecided"] else ""),
            [("", "w-30", ""), ("Predicted positive", "w-35", "num"), ("Predicted negative", "w-35", "num")],
            [("Label positive", counts["tp"], counts["fn"]), ("Label negative", counts["fp"], counts["tn"])],
        )
    observed(part, record)
    for chart in record["charts"]:
        part.figure(
            charts[chart["digest"]],
            f"{chart['title']}. SHA-256 {short(chart['digest'])}, the same file as on the page.",
        )


def _undecided(part: Section, record: dict[str, Any]) -> None:
    found = record["undecided"]
    if not found:
        return
    groups = [{"name": "all cases"} | found["overall"]]
    groups += [group for grouping in found["groupings"] for group in grouping["groups"]]
    part.table(
        f"Cases left undecided in {record['ref']}: scores from {found['from']} to below {found['to']}",
        [
            ("Cases", "w-40", ""),
            ("n", "w-15", "num"),
            ("Share", "w-15", "num"),
            ("95 % interval", "w-30", ""),
        ],
        [
            (g["name"], share["n"], decimal(share["value"]), interval(share))
            for g in groups
            for share in [g["metrics"]["undecided_rate"]]
        ],
        small=True,
    )


def _replaced(part: Section, record: dict[str, Any]) -> None:
    if not record["replaced_process"]:
        return
    part.table(
        f"{record['ref']} against the replaced process; intervals of the difference two-sided 95 %",
        [
            ("Id", "w-8", ""), ("Metric, cases", "w-30", ""), ("Replaced", "w-12", "num"), ("Model", "w-12", "num"),
            ("Model minus replaced", "w-15", "num"), ("95 % interval", "w-23", ""),
        ],
        [
            (
                b["id"], f"{metric_words(b)}, {b['subgroup']}", decimal(b["value"]),
                decimal(b["found"]), decimal(b["difference"]), interval(b),
            )
            for b in record["replaced_process"]
        ],
        small=True,
    )  # fmt: skip
