"""How an entry of the trail is told: with its decision, because a rejection is not what the act is called.

One function for the timeline of a version, the audit pages and the inspection pack.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.access.policy import TABLE

REJECTED = "rejected"


def decision_of(facts: Mapping[str, Any]) -> str:
    """What the signer decided, as the entry's facts hold it: "approved", "rejected" or ""."""
    return str(facts.get("decision") or "")


def told_act(act: str, facts: Mapping[str, Any]) -> str:
    """The sentence of an act: "signed the release gate for QA", or "rejected at the release gate (QA approval)"."""
    row = TABLE.get(act)
    if decision_of(facts) != REJECTED:
        return row.sentence if row else act
    label = row.label.removeprefix("Sign: ") if row else act
    return f"rejected at the release gate ({label})" if act.startswith("approvals.") else f"rejected: {label}"


def ending(facts: Mapping[str, Any]) -> str:
    """What stands after the sentence where a signature was given: ", signed" or ", rejection signed"."""
    if not facts.get("signatures"):
        return ""
    return ", rejection signed" if decision_of(facts) == REJECTED else ", signed"
