"""Of section 15: groups too small, the replaced version on the same cases, remediation and feedback."""

from __future__ import annotations

from typing import Any

from apps.analysis.verdicts import label_of
from apps.packs.sections.blocks import Section, at, decimal, interval, named
from apps.validations.catalogue import unit_of


def followed_up(part: Section, record: dict[str, Any]) -> None:
    """What stands beside the limits of a finished report."""
    results = record["results"]
    if not results:
        return
    counted = results.get("counted_by", {})
    if counted.get("unit") or counted.get("weight"):
        by = f"unit ({counted['unit']})" if counted["unit"] else "row"
        part.text(f"Counted by {by}{', weighted by ' + counted['weight'] if counted['weight'] else ''}.")
    few = ", ".join(f"{one['group']} ({one['n']})" for one in results.get("too_few", ()))
    part.text(f"Groups too small to judge, with their cases: {few or 'none'}.")
    _paired(part, record["ref"], results.get("replaced", {}))
    for note in record["notes"]:
        part.text(
            f"{note['kind']}. {at(note['written_at'])}, {named(note['written_by'])}: {note['text']} "
            f"Reason: {note['reason']}"
        )
    if not record["notes"]:
        part.text("No remediation and no feedback is recorded.")


def _paired(part: Section, ref: str, found: dict[str, Any]) -> None:
    if not found.get("metrics"):
        part.text(f"Against the replaced version: not compared. {found.get('reason', '')}")
        return
    part.table(
        f"{ref}: {found['second']['version']} against {found['first']['version']} on the same {found['n']} cases",
        [
            ("Metric", "w-25", ""), ("n", "w-8", "num"), ("First", "w-10", "num"), ("Second", "w-10", "num"),
            ("Difference", "w-12", "num"), ("95 % interval", "w-20", ""), ("p (Holm)", "w-15", "num"),
        ],
        [
            (
                _compared(name, one, found.get("unit", "")), one["difference"]["n"],
                _value(one["first"]), _value(one["second"]),
                decimal(one["difference"]["value"]), interval(one["difference"]), decimal(one["p_holm"]),
            )
            for name, one in found["metrics"].items()
        ],
        small=True,
    )  # fmt: skip
    method = (
        "Student's t on the paired differences of absolute errors, squared errors and predictions."
        if found.get("unit")
        else "McNemar's test and Newcombe's paired interval, DeLong's for the area."
    )
    part.text(f"Second minus first; {method}")


def _compared(name: str, one: dict[str, Any], target_unit: str) -> str:
    metric, of_class = name.partition(":")[0], one.get("class", "")
    words = f"Class {of_class}: {label_of(metric)}" if of_class else label_of(metric)
    unit = unit_of(metric, target_unit)
    return f"{words}, {unit}" if unit else words


def _value(estimate: dict[str, Any] | None) -> str:
    return decimal(estimate["value"]) if estimate else "–"
