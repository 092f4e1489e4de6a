"""Cover, answers on one page, how to verify, readiness and gaps."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from django.template.loader import render_to_string

from apps.analysis.metrics import LABELS
from apps.core.outcomes import WORDS, CheckState
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, counted, estimate, named, short

# Sections of the regulations' list that no part of the portal produces yet. Their numbers stay free.
LEFT_OUT = {
    7: "Algorithmic impact assessment",
    8: "Model card",
    10: "Lineage graph with sampled records",
    16: "Explainability",
    21: "CI/CD history",
    22: "Monitoring dashboards",
    23: "Drift history",
    24: "Decision log",
    25: "Changes and envelopes",
    26: "Incidents and CAPA (deviations are in 14)",
    29: "Retention log",
    30: "Traceability matrix",
    31: "Clause crosswalk",
    32: "Suppliers and reviews",
    33: "Portal validation",
}
STATE_MARKS = {
    "released": CheckState.MET,
    "rejected": CheckState.NOT_MET,
    "suspended": CheckState.NOT_MET,
    "validated": CheckState.WAITING,
    "plan_approved": CheckState.WAITING,
    "frozen": CheckState.WAITING,
    "registered": CheckState.NOT_STARTED,
}


@dataclass(frozen=True)
class Generation:
    """What belongs to this one building of the pack and stays outside the content digest. Times canonical."""

    ref: str
    requester: dict[str, str]
    purpose: str
    requested_at: str
    generated_at: str
    content_digest: str
    verification: dict[str, Any]  # {"ok", "checked", "findings"} of the trail's verifier
    trail_size: int  # entries under the checkpoint
    trail_entries: int  # entries in the extract
    later_entries: int  # entries in these scopes between as-of and generation
    manifest_digest: str
    files: list[dict[str, Any]] = field(default_factory=list)  # name, sha256, size, description


def gaps(content: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What is open, undecided, out of date or failed: (state, what, why)."""
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
        ("not_met", f"Conflict {c['rule']}: {c['person']}", f"{c['first']}; {c['second']}")
        for c in content["separation"]["conflicts"]
    ]
    return found


def cover(content: dict[str, Any], made: Generation) -> Chapter:
    version = content["version"]
    use = content["intended_use"]["content"]
    notes = []
    if not made.verification["ok"]:
        findings = made.verification["findings"]
        notes.append(
            ("Verification failed", f"{len(findings)} in the trail. First: {findings[0]['detail']}.", "bad")
        )
    void = sum(not s["valid"] for s in content["signatures"])
    if void:
        notes.append(
            ("Signatures out of date", f"{void} no longer match their record; see section 18.", "bad")
        )
    conflicts = len(content["separation"]["conflicts"])
    if conflicts:
        notes.append(("Separation of duties", f"{conflicts} conflicts found; see section 19.", "bad"))
    open_lines = len(gaps(content))
    if open_lines:
        word = "point is" if open_lines == 1 else "points are"
        notes.append(
            ("Open", f"{open_lines} {word} open, accepted by deviation or failed; see section 3.", "warn")
        )
    notes.append(
        (
            "Between as-of and generation",
            f"{counted(made.later_entries, 'entry', 'entries')} on these records (this pack's own among them).",
            "",
        )
    )
    checked = made.verification["checked"].get("entries", 0)
    html = render_to_string(
        "pdf/pack_cover.html",
        {
            "ref": made.ref,
            "title": f"{version['name']} {version['content']['label']}",
            "use": use["question"],
            "state": str(STATE_MARKS[version["state"]]),
            "word": version["state_word"],
            "notes": notes,
            "facts": [
                ("Version", version["ref"], "code"),
                ("Model file", version["content"]["artefact"]["digest"], "code"),
                ("Risk tier", use["tier"].capitalize()),
                ("As of", at(content["as_of"])),
                ("Generated at", at(made.generated_at)),
                ("Zone", "All times in this pack are UTC."),
                ("Requester", named(made.requester)),
                ("Purpose", made.purpose),
                ("Scope", f"{content['scope']} with its data, plans, runs, reports, gate and people"),
                ("Portal version", content["portal_version"]),
                ("Separation rules", f"version {content['separation']['rules_version']}"),
                (
                    "Trail at generation",
                    f"{'verified' if made.verification['ok'] else 'NOT VERIFIED'}, {checked} entries",
                ),
                ("Content digest", made.content_digest, "code"),
            ],
        },
    )
    return Chapter("cover", "Cover", "1", html, late=True, bare=True)


def _answers(content: dict[str, Any]) -> list[dict[str, Any]]:
    version, use, gate = content["version"], content["intended_use"]["content"], content["gate"]
    artefact, commit = version["content"]["artefact"], version["content"]["code"]["commit"]
    since = at(content["timeline"][-1]["at"]) if content["timeline"] else "–"
    valid = sum(s["valid"] for s in content["signatures"])
    signed = [s for s in content["signatures"] if s["kind"] == "approvals.slot"]
    approvals = (
        "; ".join(f"{s['printed_name']} ({s['meaning']}, {s['decision']})" for s in signed) or "Nobody yet"
    )
    conflicts = len(content["separation"]["conflicts"])
    runs = [r for r in content["runs"] if r["state"] == "done"]
    reports = [r for r in content["bias_reports"] if r["state"] == "done"]
    deviations = content["deviations"]
    open_ones = sum(d["state"] == "open" for d in deviations)
    return [
        {
            "question": "What is it, what may it be used for, what harm could it do?",
            "text": f"{version['name']}: {_cut(use['purpose'], 150)} Tier {use['tier']}: influence {use['influence']}, "
            f"consequence {use['consequence']}.",
            "links": [("s5", "Intended use"), ("s6", "Risk")],
        },
        {
            "question": "Which exact version, data and code, and since when?",
            "text": f"{version['ref']}, model file sha256 {short(artefact['digest'])}, code {commit[:12]}, "
            f"data {', '.join(d['ref'] for d in version['content']['data']) or 'none declared'}; "
            f"{version['state_word'].lower()} since {since}.",
            "links": [("s13", "Registry entry"), ("s11", "Snapshots")],
        },
        {
            "question": "Who approved it, were they independent, what did they sign?",
            "text": f"{_cut(approvals, 190)}. Conflicts of duties found: {conflicts or 'none'}; "
            f"{valid} of {len(content['signatures'])} signatures match their records.",
            "links": [("s18", "Signatures"), ("s19", "Separation")],
        },
        {
            "question": "How do you know it works, for whom does it work worst, against which limits set when?",
            "text": " ".join([_works(runs), _worst(reports)]),
            "links": [("s14", "Validation"), ("s15", "Fairness")],
        },
        {
            "question": "What went wrong, and what did you do?",
            "text": f"{counted(len(deviations), 'deviation')}, {open_ones} open; "
            f"gates rejected: {sum(g['state'] == 'rejected' for g in gate['gates'])}; "
            f"attempts refused: {len(content['separation']['refusals'])}.",
            "links": [("s3", "Gaps"), ("s14", "Deviations"), ("s17", "Gate ledger")],
        },
    ]


def _works(runs: list[dict[str, Any]]) -> str:
    if not runs:
        return "No validation run has ended."
    last = runs[-1]
    results = last["content"]["results"]
    met = sum(r["verdict"] == "met" for r in results)
    first = (
        f" {LABELS.get(results[0]['metric'], results[0]['metric'])}: {estimate(results[0])}."
        if results
        else ""
    )
    return f"{last['ref']}: {met} of {len(results)} criteria met, locked {at(last['plan_locked_at'])}.{first}"


def _worst(reports: list[dict[str, Any]]) -> str:
    if not reports:
        return "No bias report is done."
    order = {"breached": 0, "undecided": 1, "within": 2}
    lines = sorted(reports[-1]["content"]["summary"], key=lambda line: order.get(line["verdict"], 3))
    return (
        f"{reports[-1]['ref']}: {_cut(lines[0]['sentence'], 200)}"
        if lines
        else "The plan sets no bias limits."
    )


def _cut(text: str, length: int) -> str:
    said = " ".join(text.split())
    return said if len(said) <= length else f"{said[: length - 1].rstrip()}…"


def answers(content: dict[str, Any]) -> Chapter:
    part = Section("answers", "", "Answers", at(content["as_of"]))
    part.table(
        "Release gate, one line a check",
        [("State", "w-20", ""), ("Check", "w-35", ""), ("Evidence", "w-45", "")],
        [
            (Cell(row["word"], "state", row["state"]), row["title"], _cut(row["evidence"] or row["why"], 80))
            for row in content["gate"]["now"]["rows"]
        ],
        small=True,
    )
    html = render_to_string(
        "pdf/pack_answers.html",
        {
            "answers": _answers(content),
            "gate": part.chapter().html,
            "left_out": "; ".join(f"{number} {title}" for number, title in LEFT_OUT.items()),
        },
    )
    return Chapter("answers", "Answers", "", html, late=True)


def how_to_verify(content: dict[str, Any], made: Generation) -> Chapter:
    part = Section("s2", "2", "How to verify", at(content["as_of"]))
    part.text("Nothing here asks you to trust the portal: the evidence is embedded in this file.", lead=True)
    part.put(
        "pack_steps",
        steps=[
            (
                "Take the embedded files out of the PDF into an empty folder.",
                f"pdfdetach -saveall -o pack {made.ref}.pdf",
            ),
            (
                "Check every file, record, signature and trail entry with Python 3 alone, without network.",
                "python3 -I pack/check_pack.py pack",
            ),
            (
                "Compare the manifest with the digest printed here; the manifest names every other file by SHA-256.",
                f"sha256sum pack/manifest.json   {made.manifest_digest}",
            ),
            (
                "Compare the content digest that the check prints with the one on the cover.",
                made.content_digest,
            ),
            (
                "Compare the log's public key with one you hold from elsewhere: this one cannot vouch for itself.",
                "pack/log.pub",
            ),
        ],
    )
    part.heading("What is checked")
    part.table(
        "Digests and proofs",
        [("What", "w-25", ""), ("How", "w-75", "")],
        [
            ("Records", "SHA-256 of the canonical JSON (RFC 8785) of each record in content.json."),
            (
                "Signatures",
                "The statement signed, its digest, the digest of the record it names; the trail holds it.",
            ),
            (
                "Trail",
                "Each entry of the extract lies in the Merkle tree (RFC 6962) whose root the checkpoint signs.",
            ),
            (
                "Content digest",
                "Of all this pack says, without who asked and when it was built: the same moment gives the same.",
            ),
        ],
    )
    return part.chapter()


def readiness(content: dict[str, Any]) -> Chapter:
    part = Section("s3", "3", "Readiness and gaps", at(content["as_of"]))
    found = gaps(content)
    part.table(
        "Open, accepted by deviation, out of date or failed",
        [("State", "w-20", ""), ("What", "w-30", ""), ("Why", "w-50", "")],
        [(Cell(_word(state), "state", state), what, why) for state, what, why in found],
    )
    if not found:
        part.text("Every check of the gate is met, every signature matches its record, no run failed.")
    part.heading("Sections left out")
    part.table(
        "Nothing in the portal produces these yet",
        [("Section", "w-15", "num"), ("Title", "w-85", "")],
        list(LEFT_OUT.items()),
        small=True,
    )
    return part.chapter()


def _word(state: str) -> str:
    return WORDS[CheckState(state)]
