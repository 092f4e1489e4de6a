"""How an entry of the trail is told: with its decision, because a rejection is not what the act is called, and with
what it was about besides its record (a requirement, a target, a person with a duty).

One function for the timeline of a version, the audit pages and the inspection pack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.access.duties import WORDS, Duty
from apps.access.policy import TABLE

REJECTED = "rejected"
# An act of two outcomes: how it is told once the outcome is known.
DECIDED = {
    "verification.approve_requirement": {
        "approved": "approved a requirement",
        REJECTED: "rejected a requirement",
    },
}
# What an entry is about besides its record, from its facts; told where all the facts are there.
ABOUT = {
    "access.approve_assignment": "{duty} for @{person}",
    "access.approve_organisation_assignment": "{duty} for @{person}",
    "access.record_training": "{training}, of @{person}",
    "access.request_assignment": "{duty} for @{person} on {on}",
    "access.request_organisation_assignment": "{duty} for @{person}",
    "access.request_waiver": "{waived} for @{person}",
    "approvals.end_seat": "@{person} on {board}",
    "approvals.request_seat": "@{person} on {board}",
    "datasets.grant_read": "to @{person}, for {hours} hours",
    "registry.add_author": "@{author}",
    "verification.attach_evidence": "{evidence}",
    "verification.end_link": "{requirement} and the {target} {pattern}",
    "verification.link_requirement": "{requirement} and the {target} {pattern}",
    "verification.submit_claim": "{claim}",
}


def decision_of(facts: Mapping[str, Any]) -> str:
    """What the signer decided, as the entry's facts hold it: "approved", "rejected" or ""."""
    return str(facts.get("decision") or "")


def told_act(act: str, facts: Mapping[str, Any]) -> str:
    """The sentence of an act: "signed the release gate for QA", or "rejected at the release gate (QA approval)"."""
    about = about_of(act, facts)
    return f"{_done(act, facts)}: {about}" if about else _done(act, facts)


def _done(act: str, facts: Mapping[str, Any]) -> str:
    row, decision = TABLE.get(act), decision_of(facts)
    if told := DECIDED.get(act, {}).get(decision):
        return told
    if decision != REJECTED:
        return row.sentence if row else act
    label = row.label.removeprefix("Sign: ") if row else act
    return f"rejected at the release gate ({label})" if act.startswith("approvals.") else f"rejected: {label}"


def about_of(act: str, facts: Mapping[str, Any]) -> str:
    """What the act was about besides its record: "REQ-3 and criterion auc"; empty where the record says it all."""
    known = {name: str(value) for name, value in facts.items()}
    if known.get("duty") in WORDS:
        known["duty"] = WORDS[Duty(known["duty"])]
    try:
        return ABOUT.get(act, "").format_map(known)
    except KeyError:
        return ""  # an entry of before this fact was kept


def ending(facts: Mapping[str, Any]) -> str:
    """What stands after the sentence where a signature was given: ", signed" or ", rejection signed"."""
    if not facts.get("signatures"):
        return ""
    return ", rejection signed" if decision_of(facts) == REJECTED else ", signed"
