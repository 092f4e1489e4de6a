"""Sections 17 to 20, 27, 28 and 34: who decided, whether they might, and the trail of it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from apps.core.outcomes import WORDS, CheckState
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, counted, named, short
from apps.packs.sections.front import LEFT_OUT, Generation

TRAIL_ROWS = 1000  # a chapter; chapters are what is laid out in parallel
PRINTED_ROWS = 5000  # the newest are printed, all are in trail.csv and entries.log


def _section(content: dict[str, Any], number: int, title: str) -> Section:
    return Section(f"s{number}", str(number), title, at(content["as_of"]))


def gate_ledger(content: dict[str, Any]) -> Chapter:
    part = _section(content, 17, "Gate ledger")
    gate = content["gate"]
    part.heading(f"As of {part.as_of}: {gate['now']['headline'].lower()}")
    part.table(
        f"Evaluation by {gate['now']['template']}",
        [("State", "w-20", ""), ("Check, clause", "w-30", ""), ("Evidence", "w-25", ""), ("Why", "w-25", "")],
        [
            (Cell(r["word"], "state", r["state"]), f"{r['title']} ({r['clause']})", r["evidence"], r["why"])
            for r in gate["now"]["rows"]
        ],
        small=True,
    )
    if not gate["gates"]:
        part.none("owner, QA approver, validator or developer opens the release gate")
    for number, each in enumerate(gate["gates"], 1):
        part.heading(f"Gate {number} ({each['kind']}): {each['state_word'].lower()}")
        part.facts(
            [
                ("Template", each["template"]),
                ("Opened", f"{at(each['opened_at'])} by {named(each['opened_by'])}"),
                ("Decided", at(each["decided_at"])),
                *(
                    [("Board minute", f"{each['minute']['number']} of {each['minute']['held_on']}"),
                     ("Minute's file", each["minute"]["file_digest"], "code")]
                    if each["minute"]
                    else []
                ),
            ]
        )  # fmt: skip
        part.table(
            "Signatures it wants",
            [
                ("Slot", "w-20", ""),
                ("State", "w-15", ""),
                ("Signer", "w-20", ""),
                ("Signed at", "w-20", ""),
                ("Reason", "w-25", ""),
            ],
            [(s["code"], s["state"], s["signer"], at(s["signed_at"]), s["reason"]) for s in each["slots"]],
        )
        part.table(
            "Snapshots of the evaluation, each when something was decided",
            [
                ("Taken at", "w-25", ""),
                ("Because", "w-25", ""),
                ("Open rows then", "w-15", "num"),
                ("Digest", "w-35", ""),
            ],
            [
                (
                    at(s["taken_at"]),
                    s["cause"],
                    sum(not CheckState(r["state"]).closed for r in s["evaluation"]["rows"]),
                    Cell(short(s["digest"]), "code"),
                )
                for s in each["snapshots"]
            ],
        )
    return part.chapter()


def signature_manifest(content: dict[str, Any]) -> Chapter:
    part = _section(content, 18, "Signature manifest")
    rows = content["signatures"]
    valid = sum(s["valid"] for s in rows)
    part.text(f"{counted(len(rows), 'signature')}, {valid} match the record as of {part.as_of}.", lead=True)
    if not rows:
        part.none("the signers named by the plan, the intended use and the gate")
    for s in rows:
        part.put(
            "base_signature",
            name=s["printed_name"],
            verdict=s["verdict"],
            facts=[
                ("User", s["username"]),
                ("Record", s["record"]),
                ("Record version", s["record_version"] or "–"),
                ("Decision", s["decision"]),
                ("Meaning", f"{s['meaning_text']} ({s['meaning']})"),
                ("Reason", s["reason"] or "–"),
                ("Signed at", at(s["signed_at"])),
                ("Duties then", s["duties"] or "–"),
                ("Identity shown by", ", ".join(s["factors"])),
                ("Digest signed", s["content_digest"], "code"),
                ("Digest recomputed", s["recomputed_digest"], "code"),
            ],
        )
    return part.chapter()


def separation(content: dict[str, Any]) -> Chapter:
    part, found = _section(content, 19, "Separation of duties"), content["separation"]
    conflicts = found["conflicts"]
    part.text(f"Conflicts found among the recorded acts and reads: {len(conflicts) or 'none'}.", lead=True)
    part.text(f"Declared authors, who count as developers: {', '.join(found['authors']) or 'none'}.")
    if conflicts:
        part.table(
            "Conflicts",
            [("Rule", "w-10", ""), ("Person", "w-20", ""), ("Did", "w-35", ""), ("And", "w-35", "")],
            [(c["rule"], c["person"], c["first"], c["second"]) for c in conflicts],
        )
    part.heading("Who did what")
    part.table(
        "Recorded acts by person, on the version, its data and its records",
        [("Person", "w-30", ""), ("Acts", "w-70", "")],
        [
            (
                f"{m['who']}, on behalf of {m['on_behalf']}" if m["on_behalf"] else m["who"],
                "; ".join(f"{a['act']}" + (f" ({a['times']}×)" if a["times"] > 1 else "") for a in m["acts"]),
            )
            for m in found["matrix"]
        ],
        small=True,
    )
    part.heading(f"Rules, version {found['rules_version']}")
    part.facts([("Digest of the rules", found["rules_digest"], "code")])
    part.table(
        "Each rule with its verdict",
        [("Rule", "w-10", ""), ("Text", "w-45", ""), ("Source", "w-25", ""), ("Verdict", "w-20", "")],
        [(r["id"], r["text"], r["source"], _rule_verdict(r)) for r in (*found["static"], *found["dynamic"])],
        small=True,
    )
    part.table(
        "Duties held together against a rule",
        [("Rule", "w-10", ""), ("Person", "w-30", ""), ("Duty", "w-30", ""), ("And", "w-30", "")],
        [(c["rule"], c["person"], c["first"], c["second"]) for c in found["static_conflicts"]],
    )
    part.heading("Refused attempts")
    part.table(
        "What was tried and not allowed",
        [
            ("Entry", "w-10", "num"),
            ("When", "w-20", ""),
            ("Who", "w-20", ""),
            ("What and why not", "w-50", ""),
        ],
        [
            (
                e["entry"],
                at(e["at"]),
                e["who"],
                f"{e['refused']} Rule {e['rule']}." if e["rule"] else e["refused"],
            )
            for e in found["refusals"]
        ],
        small=True,
    )
    return part.chapter()


def _rule_verdict(rule: dict[str, Any]) -> Cell:
    if rule["conflicts"]:
        return Cell(f"{rule['conflicts']} found", "state", str(CheckState.NOT_MET))
    return Cell("Kept", "state", str(CheckState.MET))


def people(content: dict[str, Any]) -> Chapter:
    part = _section(content, 20, "People and duties over time")
    part.table(
        "Duties on the model, its data and the organisation; also refused and ended ones",
        [
            ("Person", "w-18", ""), ("Duty, on", "w-22", ""), ("From, to", "w-22", ""),
            ("Asked, approved by", "w-20", ""), ("State", "w-18", ""),
        ],
        [
            (
                named(d["person"]), f"{d['duty_word']}, {d['on']}",
                f"{at(d['starts_at'])} to {at(d['ends_at']) if d['ends_at'] else 'open'}",
                f"{d['requester'].get('printed_name', '–')}, {d['approver'].get('printed_name', '–')}",
                "in force" if d["in_force"] else d["state"],
            )
            for d in content["duties"]
        ],
        small=True,
    )  # fmt: skip
    return part.chapter()


def access_log(content: dict[str, Any]) -> Chapter:
    part = _section(content, 27, "Access and export log")
    part.table(
        "Who read or took out data, model file, per-case results and packs, with what justification",
        [
            ("Entry", "w-8", "num"),
            ("When", "w-20", ""),
            ("Who", "w-20", ""),
            ("Did", "w-27", ""),
            ("Reason", "w-25", ""),
        ],
        [
            (e["entry"], at(e["at"]), e["who"], f"{e['told']} ({e['record']})", e["reason"])
            for e in content["access_log"]
        ],
        small=True,
    )
    return part.chapter()


def trail(content: dict[str, Any], made: Generation) -> Iterator[Chapter]:
    """The trail, in as many chapters as its length asks for; the first tells what the verifier found."""
    entries = content["trail"]["entries"]
    printed = entries[-PRINTED_ROWS:]
    part = _section(content, 28, "Audit trail")
    found = made.verification
    checked = ", ".join(f"{count} {what.replace('_', ' ')}" for what, count in found["checked"].items())
    if found["ok"]:
        part.note(
            "Verified",
            f"The whole trail was verified when this pack was built: nothing found. Checked: {checked}.",
        )
    else:
        part.note("Not verified", f"{len(found['findings'])} findings when this pack was built.", "bad")
        part.table(
            "Findings",
            [
                ("Table", "w-20", ""),
                ("Row", "w-10", ""),
                ("Field", "w-15", ""),
                ("What is wrong", "w-55", ""),
            ],
            [(f["table"], f["row"], f["field"], f["detail"]) for f in found["findings"][:200]],
            small=True,
        )
    part.facts(
        [
            ("Scopes", ", ".join(content["trail"]["scopes"])),
            ("Entries up to the as-of", f"{len(entries)}, of which {len(printed)} are printed"),
            ("Extract in the bundle", f"{made.trail_entries} entries with the rows they wrote"),
            ("Checkpoint", f"signed over {made.trail_size} entries of the whole log"),
        ]
    )
    numbers = iter(printed)
    first = True
    while batch := list(islice(numbers, TRAIL_ROWS)) or ([] if not first else [None]):
        if not first:
            part = Section(f"s28-{batch[0]['entry']}", "28", "Audit trail, continued", part.as_of)
        part.table(
            "Acts, events and refusals, oldest first",
            [
                ("Entry", "w-8", "num"), ("When", "w-18", ""), ("Who", "w-18", ""),
                ("What, on which record", "w-36", ""), ("Digest", "w-20", ""),
            ],
            [_line(e) for e in batch if e],
            small=True,
        )  # fmt: skip
        yield part.chapter()
        first = False


def _line(entry: dict[str, Any]) -> tuple[Any, ...]:
    who = f"{entry['who']} for {entry['on_behalf']}" if entry["on_behalf"] else entry["who"]
    if entry["kind"] == "refusal":
        told = f"REFUSED: {entry['refused']} {entry['rule']}"
    else:
        told = f"{entry['told']} ({entry['record']})" + (", signed" if entry["signed"] else "")
    if entry["reason"]:
        told += f". Reason: {entry['reason']}"
    return entry["entry"], at(entry["at"]), who, told, Cell(short(entry["digest"]), "code")


def appendix(content: dict[str, Any], made: Generation) -> Chapter:
    part = _section(content, 34, "Appendices and file manifest")
    part.text(
        "Nothing is withheld: this pack has no redaction. Test data and per-case results are never in a pack."
    )
    part.heading("Embedded files")
    part.table(
        "Files in this PDF",
        [("File", "w-22", ""), ("What", "w-33", ""), ("Bytes", "w-10", "num"), ("SHA-256", "w-35", "")],
        [
            (f["name"], f["description"], f["size"], Cell(f["sha256"].removeprefix("sha256:"), "code"))
            for f in made.files
        ],
        small=True,
    )
    part.facts([("manifest.json", made.manifest_digest, "code")])
    part.heading("States of a check")
    part.text(", ".join(WORDS[state] for state in CheckState) + ".")
    part.heading("Methods")
    part.text(
        "Proportions: Wilson score interval. Differences of proportions: Newcombe. Ratios: Katz, logarithmic. "
        "Area under the ROC curve: DeLong. All intervals are two-sided 95 %. A verdict is given on the interval's "
        "bound that the locked rule names (point, lower, upper; near, far), and is “too little data to tell” "
        "below the least n."
    )
    part.heading("Sections left out")
    part.text("; ".join(f"{number} {title}" for number, title in LEFT_OUT.items()) + ".")
    return part.chapter()
