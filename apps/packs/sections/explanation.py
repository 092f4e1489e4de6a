"""Section 16: what the version rests on, how stable that is, single cases, and the review of its features."""

from __future__ import annotations

from typing import Any

from apps.core.outcomes import CheckState
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, decimal, interval, named, short
from apps.packs.sections.evidence import gate_box

DECISIONS = {
    "plausible": ("Plausible", CheckState.MET),
    "not_plausible": ("Not plausible", CheckState.NOT_MET),
    "follow_up": ("Needs follow-up", CheckState.WAITING),
}


def explanation(content: dict[str, Any], charts: dict[str, str]) -> Chapter:
    part = Section("s16", "16", "Explainability and feature review", at(content["as_of"]))
    found = content["explanations"]
    signed = {
        (s["meaning"], s["printed_name"])
        for s in content["signatures"]
        if s["kind"] == "explanation.report" and s["valid"]
    }
    gate_box(
        part,
        content,
        "explanation_reviewed",
        evidence=", ".join(each["ref"] for each in found),
        author=", ".join(sorted(name for meaning, name in signed if meaning == "review")),
        reviewer=", ".join(sorted(name for meaning, name in signed if meaning == "approval")),
    )
    if not found:
        part.none("validator")
    for each in found:
        _one(part, each, charts)
    return part.chapter()


def _one(part: Section, record: dict[str, Any], charts: dict[str, str]) -> None:
    report, results = record["content"], record["results"]
    part.heading(f"{record['ref']} on {report['run']}: {record['state_word'].lower()}")
    facts: list[tuple[Any, ...]] = [
        ("Origin", record["origin_word"]),
        ("Asked for", f"{at(report['requested_at'])} by {named(record['requested_by'])}"),
    ]
    if report["failure"]:
        facts.append(("Came to nothing", report["failure"]))
    if report["source_name"]:
        facts.append(("File", report["source_name"]))
        facts.append(("SHA-256 of the file", report["source_digest"], "code"))
    if results and results.get("quantity"):
        facts.append(("Explained", results["quantity"]))
    if results and results.get("achieved"):
        facts.append(_achieved(results))
    if results and report["origin"] == "computed":
        n, how = results["n"], results["settings"]
        facts += [
            ("Cases", f"{n['rows']} of {n['cases_there']} used, {n['explained']} explained one by one"),
            (
                "Drawn with",
                f"seeds {', '.join(map(str, how['seeds']))}; {how['pairs']} pairs of orders a seed, "
                f"{n['background']} background cases, {how['repeats']} shuffles a feature",
            ),
        ]
    if results:
        facts.append(("Results", report["results_digest"], "code"))
    part.facts(facts)
    if not results:
        return
    _ranking(part, record, charts)
    if report["origin"] == "computed":
        part.text(f"Stability. {report['summary']['stability']}")
        part.text(f"Surrogate tree. {report['summary']['surrogate']}")
        _surrogate(part, results)
        for each in results.get("examples", ()):
            part.text(each["sentence"])
        if results.get("examples_withheld"):
            part.text(results["examples_withheld"])
    _review(part, record)


def _achieved(results: dict[str, Any]) -> tuple[str, str]:
    """What the shuffled metric is without shuffling."""
    found, unit = results["achieved"], results.get("unit", "")
    name = "Mean absolute error" if found["metric"] == "mae" else "Balanced accuracy"
    amount = f"{decimal(found['value'])} {unit}".strip()
    return name, f"{amount} ({interval(found)}), n = {found['n']}, on the cases used"


def _ranking(part: Section, record: dict[str, Any], charts: dict[str, str]) -> None:
    results = record["results"]
    if record["chart"]:
        part.figure(
            charts[record["chart"]],
            f"Features with 95 % intervals. SHA-256 {short(record['chart'])}, the same file as on the page.",
        )
    measure = results.get("measure_words", "mean absolute attribution, as submitted")
    part.table(
        f"Features by {measure}; each interval 95 %",
        [
            ("Rank", "w-8", "num"),
            ("Feature", "w-37", ""),
            ("Value", "w-15", "num"),
            ("Interval", "w-25", ""),
            ("n", "w-15", "num"),
        ],
        [
            (each["rank"], each["feature"], decimal(each["value"]), interval(each), each["n"])
            for each in results["features"]
        ],
        small=True,
        responsible="validator",
    )


def _surrogate(part: Section, results: dict[str, Any]) -> None:
    """The tree; of the scores of several classes each line with the class whose mean score is highest there."""
    classes = bool(results.get("classes")) and not results.get("explained_class")
    mean = "Mean number" if results.get("task") == "regression" else "Mean score"
    part.table(
        "The surrogate tree from the top",
        [
            ("Level", "w-10", "num"),
            ("Rule", "w-40" if classes else "w-55", ""),
            *([("Class", "w-15", "")] if classes else []),
            ("n", "w-15", "num"),
            (mean, "w-20", "num"),
        ],
        [
            (
                each["depth"],
                each["rule"],
                *([each["class"]] if classes else []),
                each["n"],
                decimal(each["mean"]),
            )
            for each in results["surrogate"]["lines"]
        ],
        small=True,
    )


def _review(part: Section, record: dict[str, Any]) -> None:
    report = record["content"]
    review = report["review"]
    if not review:
        part.text("Nobody has reviewed it." if report["origin"] == "computed" else "Not reviewed.")
        return
    part.text(
        f"{record['review_word']}. Written by {named(record['reviewed_by'])}, {at(report['reviewed_at'])}: "
        f"{review['conclusion']}"
    )
    lines = [*review["features"], {"feature": "Surrogate tree", **review["surrogate"]}]
    part.table(
        "Decisions of the feature review",
        [("Feature", "w-30", ""), ("Decision", "w-25", ""), ("Reason", "w-45", "")],
        [
            (
                each["feature"],
                Cell(DECISIONS[each["decision"]][0], "state", str(DECISIONS[each["decision"]][1])),
                each["reason"],
            )
            for each in lines
        ],
        small=True,
    )
