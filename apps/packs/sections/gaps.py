"""Section 3: what is open, late or failed, which evidence nobody recorded, which sections nothing produces yet."""

from __future__ import annotations

from typing import Any

from apps.core.outcomes import WORDS, CheckState
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at

# Sections of the inspection list that no part of the portal produces yet: title, reason, who is responsible for it.
# Their numbers stay free.
LEFT_OUT = {
    7: ("Algorithmic impact assessment", "The portal keeps no impact assessment yet.", "owner"),
    10: ("Lineage graph with sampled records", "No record of single cases is kept.", "developer"),
    21: ("CI/CD history", "Pipelines are not connected; deployments are not recorded.", "deployer"),
    22: ("Monitoring dashboards", "The portal does not monitor yet.", "monitor"),
    23: ("Drift history", "The portal does not monitor yet.", "monitor"),
    24: ("Decision log", "Predictions in use are not recorded.", "monitor"),
    25: ("Changes and envelopes", "The portal keeps no change records yet.", "owner"),
    26: ("Incidents and CAPA (deviations are in 14)", "Only deviations are recorded.", "QA approver"),
    29: ("Retention log", "No retention schedule is kept; nothing is disposed of.", "compliance officer"),
    31: ("Clause crosswalk", "Clauses stand beside each check in 17 only.", "compliance officer"),
    32: ("Suppliers and reviews", "Neither is recorded.", "owner"),
    33: ("Portal validation", "The portal has no validation report of its own yet.", "compliance officer"),
}
Gap = tuple[str, str, str]  # state, what, why


def gaps(content: dict[str, Any]) -> list[Gap]:
    """What is open, undecided, out of date or failed."""
    found = [
        (row["state"], row["title"], row["why"] or row["evidence"])
        for row in content["gate"]["now"]["rows"]
        if row["state"] not in ("met", "not_applicable")
    ]
    found += [
        (
            "out_of_date",
            f"Signature of {s['printed_name']} on {s['record']}",
            "The record changed after it was signed.",
        )
        for s in content["signatures"]
        if not s["valid"]
    ]
    found += [
        ("not_met", f"{run['ref']} failed", run["content"]["failure"])
        for run in content["runs"]
        if run["state"] == "failed"
    ]
    found += [
        ("not_met", f"{report['ref']} failed", report["content"]["failure"])
        for report in content["bias_reports"]
        if report["state"] == "failed"
    ]
    found += [
        ("not_met", f"{each['ref']} failed", each["content"]["failure"])
        for each in (*content["explanations"], *content["probe_reports"])
        if each["state"] == "failed"
    ]
    found += [
        ("not_met", f"Conflict {c['rule']}: {c['person']}", f"{c['first']}; {c['second']}")
        for c in content["separation"]["conflicts"]
    ]
    return found


def missing_evidence(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Evidence that nothing demands and nobody recorded: (what, where it would stand, who is responsible)."""
    version = content["version"]["content"]
    wanted = [
        (version["code"]["commit"], "Code commit", "section 13", "developer"),
        (version["code"]["archive"], "Archive of the code, by digest", "section 11", "developer"),
        (
            version["environment"]["lock"],
            "Lock file of the environment, by digest",
            "section 11",
            "developer",
        ),
        (version["environment"]["image"], "Image of the environment, by digest", "section 11", "developer"),
        (version["hyperparameters"], "Hyperparameters", "section 13", "developer"),
        (version["claimed_metrics"], "Metrics the makers claim", "section 13", "developer"),
        (version["note"], "Note on changes and known issues", "section 13", "developer"),
        (version["data"], "Data the version was made of", "section 9", "developer"),
        ("", "List of training runs, failed ones included", "section 13", "developer"),
        ("", "Signature of the makers on the model file", "section 13", "developer"),
    ]
    for each in content["datasets"]:
        data, steward = each["content"], "test-data steward" if each["in_vault"] else "data curator"
        wanted += [
            (data["source"], f"Source of {each['ref']}", "section 9", steward),
            (data["collection"], f"How {each['ref']} was collected", "section 9", steward),
            (data["transformation_commit"], f"Commit that transformed {each['ref']}", "section 9", steward),
            (data["entity_column"], f"Column of one physical unit in {each['ref']}", "section 9", steward),
        ]
    wanted += [
        ("", "Privacy assessment of the data", "section 9", "data curator"),
        ("", "Verification of the labels", "section 9", "data curator"),
    ]
    wanted += [
        (run["gap"].get("metrics"), f"Training against test in {run['ref']}", "section 14", "validator")
        for run in content["runs"]
        if run["state"] == "done"
    ]
    return [(what, where, who) for found, what, where, who in wanted if not found]


def readiness(content: dict[str, Any]) -> Chapter:
    part = Section("s3", "3", "Readiness and gaps", at(content["as_of"]))
    found, missing = gaps(content), missing_evidence(content)
    if found:
        part.table(
            "Open, accepted by deviation, out of date or failed",
            [("State", "w-20", ""), ("What", "w-30", ""), ("Why", "w-50", "")],
            [(Cell(WORDS[CheckState(state)], "state", state), what, why) for state, what, why in found],
        )
    else:
        part.text("Every check of the gate is met, every signature matches its record, no run failed.")
    in_force = [w for w in content["separation"]["waivers"] if w["state"] == "In force"]
    if in_force:
        part.text(
            "Waivers in force: "
            + "; ".join(
                f"{w['ref']}, rule {w['rule']}, for {w['person']} until {at(w['until'])}" for w in in_force
            )
            + ". Reasons and compensating controls are in section 19."
        )
    part.heading("Evidence not recorded")
    if missing:
        part.text("No check of the gate asks for these. They are missing all the same:")
        part.table(
            f"None recorded as of {part.as_of}",
            [("What", "w-50", ""), ("Where it would stand", "w-25", ""), ("Responsible", "w-25", "")],
            missing,
            small=True,
        )
    else:
        part.text("Every kind of evidence that the portal knows is recorded.")
    part.heading("Sections left out")
    part.table(
        "Nothing in the portal produces these yet",
        [("No.", "w-8", "num"), ("Section", "w-35", ""), ("Why", "w-37", ""), ("Responsible", "w-20", "")],
        [(number, title, why, who) for number, (title, why, who) in LEFT_OUT.items()],
        small=True,
    )
    return part.chapter()
