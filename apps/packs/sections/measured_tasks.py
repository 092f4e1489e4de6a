"""Of section 14: the matrix of several classes, the bands of a regression, and cases that were excluded."""

from __future__ import annotations

from typing import Any

from apps.packs.sections.blocks import Section, decimal, interval
from apps.packs.sections.words import limit_words, metric_words

MAX_COLUMNS = 8  # of a matrix that is printed as one; a greater one is told by its filled cells


def excluded(part: Section, record: dict[str, Any]) -> None:
    """How many cases could not be judged, why, and what each criterion were had all of them gone wrong."""
    found = record["excluded"]
    if not found:
        return
    part.text(
        f"Excluded: {found['n']} of {found['rows']} cases could not be judged (share {decimal(found['share'])}, at "
        f"most {found['max_share']} allowed). Every other figure rests on the cases that are left."
    )
    if not found["n"]:
        return
    part.table(
        f"Cases excluded in {record['ref']}, by reason and by group",
        [("Reason or group", "w-60", ""), ("Cases", "w-20", "num"), ("Excluded", "w-20", "num")],
        [(one["reason"], found["rows"], one["n"]) for one in found["reasons"]]
        + [
            (
                f"{g['column']} = {g['value'] or '(missing)'}",
                g["rows"],
                "not told" if g["n"] is None else g["n"],
            )
            for g in found["groups"]
        ],
        small=True,
    )
    part.table(
        f"{record['ref']} had every excluded case gone as wrong as it can; it changes no verdict",
        [
            ("Id", "w-8", ""), ("Metric, cases", "w-30", ""), ("Excluded", "w-10", "num"),
            ("Worst value", "w-12", "num"), ("Limit", "w-13", ""), ("Would keep it", "w-25", ""),
        ],
        [
            (
                one["id"], f"{metric_words(one)}, {one['subgroup']}",
                "not told" if one["excluded"] is None else one["excluded"], decimal(one["value"]),
                limit_words(one, one["limit"], record["target_unit"]),
                f"no bound: {one['reason']}" if one["kept"] is None else "yes" if one["kept"] else "no",
            )
            for one in record["worst_case"]
        ],
        small=True,
    )  # fmt: skip


def several(part: Section, record: dict[str, Any]) -> None:
    """The matrix of several classes: labels in rows, predictions in columns."""
    names, counts = record["classes"], record["matrix"]
    if not counts:
        return
    caption = f"Confusion matrix of {record['ref']}, rows of the test data"
    if len(names) <= MAX_COLUMNS:
        part.table(
            caption,
            [("Label", "w-20", ""), *((f"Predicted {name}", "", "num") for name in names)],
            [(name, *row) for name, row in zip(names, counts, strict=True)],
            small=True,
        )
        return
    part.table(
        f"{caption}: the cells that hold cases",
        [("Label", "w-40", ""), ("Predicted", "w-40", ""), ("Cases", "w-20", "num")],
        [
            (names[i], names[j], n)
            for i, row in enumerate(counts)
            for j, n in enumerate(row)
            if n
        ],
        small=True,
    )  # fmt: skip


def observed(part: Section, record: dict[str, Any]) -> None:
    """What a regression predicted and what was observed, in bands of at least twenty cases."""
    seen = record["observed"]
    if not seen:
        return
    unit = record["target_unit"]
    part.table(
        f"Predicted and observed in {record['ref']}, in {unit}, in bands of equal size; intervals of means, 95 %",
        [
            ("Mean predicted", "w-15", "num"), ("n", "w-8", "num"), ("Mean observed", "w-15", "num"),
            ("95 % interval", "w-22", ""), ("Mean error", "w-15", "num"), ("Spread of errors", "w-15", "num"),
        ],
        [
            (
                decimal(b["predicted"]), b["n"], decimal(b["observed"]), interval(b), decimal(b["error"]),
                decimal(b["spread"]),
            )
            for b in seen["bands"]
        ],
        small=True,
    )  # fmt: skip
