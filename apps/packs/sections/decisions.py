"""Sections 17 and 18: the gate with its decisions, and every signature."""

from __future__ import annotations

from typing import Any

from apps.core.outcomes import CheckState
from apps.packs.render import Chapter
from apps.packs.sections.blocks import Cell, Section, at, counted, named, short

SLOT_WORDS = {"wanted": "Wanted", "signed": "Signed", "rejected": "Rejected"}


def _section(content: dict[str, Any], number: int, title: str) -> Section:
    return Section(f"s{number}", str(number), title, at(content["as_of"]))


def gate_ledger(content: dict[str, Any]) -> Chapter:
    part = _section(content, 17, "Gate ledger")
    gate = content["gate"]
    part.heading(f"As of {part.as_of}: {gate['now']['headline'].lower()}")
    part.table(
        f"Evaluation by {gate['now']['template']}",
        [("State", "w-17", ""), ("Check, clause", "w-30", ""), ("Evidence", "w-33", ""), ("Why", "w-20", "")],
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
        if each.get("boards"):
            part.table(
                "What review boards decided, and who voted",
                [
                    ("Meeting", "w-20", ""),
                    ("Decision", "w-25", ""),
                    ("With a vote", "w-20", ""),
                    ("Recused", "w-20", ""),
                    ("Signed by", "w-15", ""),
                ],
                [
                    (
                        f"{m['ref']} of {m['board']}, {at(m['held_at'])}: {m['state_word'].lower()}",
                        m["decision"],
                        "; ".join(m["voted"]),
                        "; ".join(m["recused"]),
                        ", ".join(m["signed_by"]),
                    )
                    for m in each["boards"]
                ],
                small=True,
            )
        part.table(
            "Signatures it wants",
            [
                ("Slot", "w-22", ""),
                ("State", "w-12", ""),
                ("Signer", "w-18", ""),
                ("Signed at", "w-27", ""),
                ("Reason", "w-20", ""),
            ],
            [
                (
                    s["title"],
                    SLOT_WORDS.get(s["state"], s["state"]),
                    s["signer"] or f"wanted: {s['duty']}",
                    at(s["signed_at"]),
                    s["reason"],
                )
                for s in each["slots"]
            ],
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
    rows = [s for s in content["signatures"] if s["belongs"] != "ancestor"]
    others = [s for s in content["signatures"] if s["belongs"] == "ancestor"]
    valid = sum(s["valid"] for s in rows)
    part.text(
        f"{counted(len(rows), 'signature')} on this version, its records and its intended use; "
        f"{valid} {'matches' if valid == 1 else 'match'} the record as of {part.as_of}.",
        lead=True,
    )
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
                *(
                    [("Record version", s["record_version"])]
                    if s["record_version"] not in ("", s["record"])
                    else []
                ),
                ("Decision", s["decision"]),
                ("Meaning", f"{s['meaning_text']} ({s['meaning']})"),
                ("Reason", s["reason"] or "–"),
                ("Signed at", at(s["signed_at"])),
                ("Signed as", s["signed_as"] or "no duty recorded"),
                ("Identity shown by", ", ".join(s["factors"])),
                ("Digest signed", s["content_digest"], "code"),
                ("Digest recomputed", s["recomputed_digest"], "code"),
            ],
        )
    if others:
        part.heading("Versions it was derived from")
        part.text(
            "These signatures stand on records of earlier versions. None of them decides on this version."
        )
        part.table(
            "Signatures on versions it was derived from",
            [
                ("Name", "w-20", ""), ("Decision", "w-15", ""), ("Record", "w-30", ""), ("Signed at", "w-20", ""),
                ("Verdict", "w-15", ""),
            ],
            [(s["printed_name"], s["decision"], s["record"], at(s["signed_at"]), s["verdict"]) for s in others],
            small=True,
        )  # fmt: skip
    return part.chapter()
