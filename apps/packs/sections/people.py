"""Sections 19 and 20: whether anybody checked their own work, and who held which duty when."""

from __future__ import annotations

from typing import Any

from apps.core.outcomes import CheckState
from apps.core.rulewords import rule_words
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, named

SCOPES = {
    "global": "all duties a person holds",
    "family": "every version of the model, its data and test sets",
    "model": "one model or dataset",
    "version": "the version and those it was derived from",
    "lineage": "the version, its data and those before them",
    "record": "one record",
    "account": "one account",
    "siblings": "the signature slots of one gate",
}


def _section(content: dict[str, Any], number: int, title: str) -> Section:
    return Section(f"s{number}", str(number), title, at(content["as_of"]))


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
    if found["waived"]:
        part.table(
            "Conflicts that a signed waiver covers",
            [
                ("Rule", "w-8", ""),
                ("Person", "w-17", ""),
                ("Did", "w-25", ""),
                ("And", "w-25", ""),
                ("Waiver", "w-25", ""),
            ],
            [(c["rule"], c["person"], c["first"], c["second"], c["waiver"]) for c in found["waived"]],
            small=True,
        )
    part.table(
        "Waivers on this version or its model, also proposed, run out and revoked ones",
        [
            ("Waiver, rule", "w-13", ""),
            ("For", "w-15", ""),
            ("Reason, compensating control", "w-32", ""),
            ("Signed by", "w-18", ""),
            ("From, until", "w-22", ""),
        ],
        [
            (
                f"{w['ref']}, {w['rule']}: {w['state']}",
                f"{w['person']}, on {w['on']}",
                f"{w['reason']} Control: {w['control']}",
                w["signed_by"] or "nobody yet",
                f"{at(w['from']) if w['from'] else 'not signed'} to {at(w['until'])}"
                + (f"; ended by {w['ended']}" if w["ended"] else ""),
            )
            for w in found["waivers"]
        ],
        small=True,
    )
    part.heading("Who did what on this version")
    _who_did(part, "Recorded acts by person, on this version and its own records", found["matrix"])
    for group in found["shared"]:
        if group["matrix"]:
            part.heading(f"Shared with others: {group['what'][:1].lower()}{group['what'][1:]}")
            part.text(group["why"])
            _who_did(part, group["what"], group["matrix"])
    part.heading(f"Rules, version {found['rules_version']}")
    part.facts([("Digest of the rules", found["rules_digest"], "code")])
    part.table(
        "Each rule with its verdict",
        [
            ("Rule", "w-8", ""),
            ("Text", "w-35", ""),
            ("Judged on", "w-20", ""),
            ("Source", "w-17", ""),
            ("Verdict", "w-20", ""),
        ],
        [
            (r["id"], r["text"], SCOPES.get(r["scope"], r["scope"]), r["source"], _rule_verdict(r))
            for r in (*found["static"], *found["dynamic"])
        ],
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
                f"{e['refused']} {rule_words(e['rule'])}" if e["rule"] else e["refused"],
            )
            for e in found["refusals"]
        ],
        small=True,
    )
    return part.chapter()


def _who_did(part: Section, caption: str, matrix: list[dict[str, Any]]) -> None:
    part.table(
        caption,
        [("Person", "w-30", ""), ("Acts", "w-70", "")],
        [
            (
                f"{m['who']}, on behalf of {m['on_behalf']}" if m["on_behalf"] else m["who"],
                "; ".join(f"{a['act']}" + (f" ({a['times']}×)" if a["times"] > 1 else "") for a in m["acts"]),
            )
            for m in matrix
        ],
        small=True,
    )


def _rule_verdict(rule: dict[str, Any]) -> Cell:
    if rule.get("note", "").startswith(
        "no act"
    ):  # the rule stands ready; nothing in the portal could break it
        return Cell("Nothing to judge yet", "state", str(CheckState.NOT_APPLICABLE))
    if not rule.get("judged", True):
        return Cell("Not at this tier", "state", str(CheckState.NOT_APPLICABLE))
    if rule["conflicts"]:
        return Cell(f"{rule['conflicts']} found", "state", str(CheckState.NOT_MET))
    return Cell("Kept", "state", str(CheckState.MET))


def _ended(duty: dict[str, Any]) -> str:
    """`ended by C. Cora, 2026-11-21 10:00 UTC: has left`; who and when are not known of old rows."""
    if not duty["ended_by"]:
        return duty["state"]
    return (
        f"{duty['state']} by {duty['ended_by']['printed_name']}, {at(duty['ended_at'])}: {duty['end_reason']}"
    )


def second_factors(content: dict[str, Any]) -> str:
    """Whether they were required, in words, with the entry that says so."""
    found = content["sign_in"]
    if found is None:
        return "The trail does not say whether they were required."
    return f"{found['told']} Since {at(found['since'])}, entry {found['entry']}."


def people(content: dict[str, Any]) -> Chapter:
    part = _section(content, 20, "People and duties over time")
    part.facts([("Second factors at sign-in and signing", second_factors(content))])
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
                "in force" if d["in_force"] else _ended(d),
            )
            for d in content["duties"]
        ],
        small=True,
    )  # fmt: skip
    return part.chapter()
