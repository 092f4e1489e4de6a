"""Part of section 15: robustness and privacy probes against their locked limits, with what was handed in."""

from __future__ import annotations

from typing import Any

from apps.analysis.probes import PRIVACY, PROBES, ROBUSTNESS
from apps.packs.sections.blocks import Section, at, decimal, interval, named, short
from apps.packs.sections.evidence import gate_box, verdict_cell

RULES = {"point": "value", "near": "lower end", "far": "upper end"}


def robustness(part: Section, content: dict[str, Any], charts: dict[str, str]) -> None:
    """Both boxes of the gate, each report, then the files."""
    part.heading("Robustness and privacy probes")
    locked = [each for each in content["probe_plans"] if each["locked_at"]]
    last = locked[-1] if locked else None
    for code in (ROBUSTNESS, PRIVACY):
        gate_box(
            part,
            content,
            code,
            limit=f"limits of {last['ref']}, locked {at(last['locked_at'])}"
            if last
            else "no limits are locked",
            evidence=", ".join(each["ref"] for each in content["probe_reports"]),
            author=named(last["written_by"]) if last else "",
            reviewer=", ".join(
                s["printed_name"]
                for s in content["signatures"]
                if last and s["record"] == last["ref"] and s["meaning"] == "approval"
            ),
        )
    if last and (declared := last["content"].get("differential_privacy")):
        used = f"used, with epsilon {declared['epsilon']}" if declared["training"] == "used" else "not used"
        part.text(f"Differential privacy in training, as {last['ref']} declares: {used}.")
    if last:
        about = last["content"]
        part.text(
            f"{last['ref']} was written under version {about.get('catalogue', 1)} of the probe catalogue."
        )
        if about.get("no_answer"):
            part.text(f"Cases without an answer where a value is missing: {about['no_answer']}")
    if not content["probe_reports"]:
        part.none("validator or bias tester")
    for each in content["probe_reports"]:
        _report(part, each, charts)
    _evidence(part, content)


def _report(part: Section, record: dict[str, Any], charts: dict[str, str]) -> None:
    report, results = record["content"], record["results"]
    part.heading(f"{record['ref']}: {(record['verdict_word'] or record['state_word']).lower()}")
    bounds = results.get("bounds", {})
    part.facts(
        [
            ("Asked for", f"{at(report['requested_at'])} by {named(record['requested_by'])}"),
            ("Limits", report["plan"]),
            ("Results", report["results_digest"], "code"),
            *(
                [
                    (
                        "Cases",
                        f"{results['test_cases']} of {_set(results['test_set'])}: the scale of every probe",
                    ),
                    (
                        "Training rows",
                        f"{results['train_rows']} of {', '.join(map(_set, results['train_sets']))}, taken together"
                        if results["train_sets"]
                        else "no training data version is declared",
                    ),
                ]
                if results
                else []
            ),
            *(
                [("Bounds", "; ".join(f"{name} {value}" for name, value in sorted(bounds.items())))]
                if bounds
                else []
            ),
            *([("Came to nothing", report["failure"])] if report["failure"] else []),
        ]
    )
    if not report["summary"]:
        return
    part.table(
        "Each probe at its worst against its locked limit; every finding is in probes.csv",
        [
            ("Probe", "w-20", ""), ("Worst at", "w-20", ""), ("Value", "w-8", "num"), ("Interval", "w-17", ""),
            ("n", "w-8", "num"), ("At most, judged on", "w-15", ""), ("Verdict", "w-12", ""),
        ],
        [
            (
                line["what"] + (" (handed in)" if line["submitted"] else ""), line["where"] or "all cases",
                decimal(line["value"]), interval(line), line["n"],
                f"{line['limit']}, {RULES[line['rule']]}", verdict_cell(line["verdict"]),
            )
            for line in report["summary"]
        ],
        small=True,
        responsible="validator or bias tester",
    )  # fmt: skip
    part.table(
        "What the value of each probe measures",
        [("Probe", "w-25", ""), ("Measure", "w-75", "")],
        [(PROBES[line["probe"]].label, line["measure"]) for line in report["summary"]],
        small=True,
    )
    part.text(
        "Where several columns, ways or groups are looked at, their intervals hold together (Bonferroni)."
    )
    for line in report["summary"]:
        if line["verdict"] != "within":
            part.text(f"{line['id']}: {line['sentence']}")
    for chart in results.get("charts", ()):
        caption = f"{chart['title']}: the upright mark is the limit. SHA-256 {short(chart['digest'])}"
        part.figure(charts[chart["digest"]], caption)


def _set(named: dict[str, str]) -> str:
    """A data version by reference and digest."""
    return f"{named['ref']} ({short(named['table_digest'])})"


def _evidence(part: Section, content: dict[str, Any]) -> None:
    if not content["probe_evidence"]:
        return
    part.table(
        "Files handed in for the probes: claims, compared or checked by the portal",
        [("Ref", "w-8", ""), ("What", "w-25", ""), ("Files", "w-40", ""), ("Handed in", "w-27", "")],
        [
            (
                each["ref"],
                each["kind_word"],
                "; ".join(
                    f"{each['content'][f'{name}_name']} {short(each['content'][f'{name}_digest'])}"
                    for name in ("file", "second")
                    if each["content"][f"{name}_digest"]
                ),
                f"{at(each['content']['submitted_at'])} by {named(each['submitted_by'])}",
            )
            for each in content["probe_evidence"]
        ],
        small=True,
    )
