"""Section 15: bias by group, each difference and ratio against its limit, with the charts."""

from __future__ import annotations

from typing import Any

from apps.analysis.method_words import method_words
from apps.analysis.verdicts import label_of
from apps.packs.render import Chapter
from apps.packs.sections.bias_besides import followed_up
from apps.packs.sections.blocks import Section, at, decimal, interval, named, short
from apps.packs.sections.evidence import gate_box, verdict_cell
from apps.packs.sections.robustness import robustness
from apps.packs.sections.words import KIND_SIGNS, level_words, rule_words


def _limits_locked(content: dict[str, Any]) -> str:
    locked = [p for p in content["plans"] if p["locked_at"]]
    if not locked:
        return "no plan is locked"
    last = locked[-1]
    return (
        f"{len(last['content']['bias_limits'])} bias limits of {last['ref']}, locked {at(last['locked_at'])}"
    )


def _limits(part: Section, record: dict[str, Any], charts: dict[str, str]) -> None:
    """What the locked limits judge: the deciding pair with value, interval and its level, n, limit and verdict."""
    summary = record["content"]["summary"]
    part.table(
        "Differences and ratios against the locked limits; each interval at the level that stands beside it",
        [
            ("Id", "w-5", ""), ("What, between", "w-25", ""), ("Value", "w-8", "num"), ("Interval, level", "w-20", ""),
            ("n of both", "w-10", "num"), ("Limit, judged on", "w-17", ""), ("Verdict", "w-15", ""),
        ],
        [
            (
                line["id"], _between(line), decimal(line["value"]),
                f"{interval(line)}, {level_words(record['levels'].get(line['id'], ''))}",
                " + ".join(map(str, line["pair_n"])) or line["n"],
                f"{KIND_SIGNS[line['kind']]} {line['limit']}, {rule_words(line['rule'])}",
                verdict_cell(line["verdict"]),
            )
            for line in summary
        ],
        small=True,
        responsible="bias tester",
    )  # fmt: skip
    part.text(
        "The level of a difference or ratio is 95 % for all judged pairs of a grouping together (Bonferroni): 95 % "
        "where there is one pair, higher where there are more. Newcombe's interval for differences, Katz's for ratios."
    )
    for line in summary:
        part.text(f"{line['id']}: {line['sentence']}")
    for chart in record["limit_charts"]:
        part.figure(
            charts[chart["digest"]],
            f"{chart['title']}: the upright mark is the limit. SHA-256 {short(chart['digest'])}",
        )


def _between(line: dict[str, Any]) -> str:
    return f"{line['what']}: {' and '.join(line['pair'])}" if line["pair"] else line["what"]


def fairness(content: dict[str, Any], charts: dict[str, str]) -> Chapter:
    part = Section("s15", "15", "Performance and fairness by subgroup", at(content["as_of"]))
    gate_box(
        part,
        content,
        "bias_within_limits",
        limit=_limits_locked(content),
        evidence=", ".join(r["ref"] for r in content["bias_reports"]),
        author=", ".join(sorted({named(r["requested_by"]) for r in content["bias_reports"]})),
        reviewer=", ".join(
            f"{_signer(s)} on {s['record']}"
            for r in content["bias_reports"][-1:]
            for s in _signatures(content, r["ref"])
        )
        or "no bias tester has signed the newest report",
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
                (
                    "Signed by",
                    "; ".join(_signer(s) for s in _signatures(content, record["ref"])) or "nobody: UNSIGNED",
                ),
                *([("Failure", report["failure"])] if report["failure"] else []),
            ]
        )
        _limits(part, record, charts)
        followed_up(part, record)
        for chart in record["results"].get("charts", ()):
            part.figure(
                charts[chart["digest"]],
                f"{chart['title']}. SHA-256 {short(chart['digest'])}, the same file as on the page.",
            )
        for grouping in record["results"].get("report", {}).get("groupings", ()):
            if len(grouping["attributes"]) == 1:
                _groups(part, grouping)
    robustness(part, content, charts)
    return part.chapter()


def _signatures(content: dict[str, Any], ref: str) -> list[dict[str, Any]]:
    return [s for s in content["signatures"] if s["record"] == ref]


def _signer(signature: dict[str, Any]) -> str:
    """Who signed, when, as what, and whether the signature still matches the report."""
    return (
        f"{signature['printed_name']} ({signature['duty_words']}), {at(signature['signed_at'])}, "
        f"{signature['verdict'].lower()}"
    )


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
                    label_of(name),
                    "not told" if found["n"] is None else found["n"],
                    decimal(found["value"]),
                    interval(found),
                    method_words(found["method"]) if found["method"] else found["reason"],
                )
            )
    part.table(
        f"Groups of {' × '.join(grouping['attributes'])}; each interval two-sided 95 %",
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
