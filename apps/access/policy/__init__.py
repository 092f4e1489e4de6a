"""One table: act → who may ask, what is demanded, what it counts as. Nothing else grants anything.

`verbs` are what separation of duties counts (`separation.py`): they are read from recorded acts, so what a
person did stays done whatever duties they hold later.
"""

from __future__ import annotations

from apps.access.policy import (
    accounts,
    approvals,
    asks,
    boards,
    datasets,
    duties,
    erasures,
    explanation,
    factors,
    fairness,
    inspections,
    packs,
    quality,
    registry,
    reviews,
    robustness,
    separation,
    services,
    trail_reviews,
    training,
    validations,
    verification,
)
from apps.access.policy.types import MEANINGS, READERS, REJECTION, WHO, Policy, meaning_sentence

__all__ = [
    "MEANINGS",
    "READERS",
    "REJECTION",
    "TABLE",
    "WHO",
    "Policy",
    "acts_counting_as",
    "acts_on",
    "meaning_sentence",
    "policy",
]

_PARTS = (
    accounts,
    factors,
    erasures,
    duties,
    inspections,
    separation,
    datasets,
    registry,
    validations,
    fairness,
    explanation,
    robustness,
    verification,
    quality,
    trail_reviews,
    approvals,
    boards,
    packs,
    training,
    reviews,
    services,
    asks,
)
_ROWS = [row for part in _PARTS for row in part.ROWS]
TABLE: dict[str, Policy] = {row.act: row for row in _ROWS}
if len(TABLE) != len(_ROWS):
    raise RuntimeError("an act stands twice in the policy table")


def policy(act: str) -> Policy:
    """The row of `act`; an act that is not in the table cannot happen."""
    try:
        return TABLE[act]
    except KeyError:
        raise LookupError(f"{act} is not in the policy table") from None


def acts_counting_as(verb: str) -> frozenset[str]:
    return frozenset(row.act for row in _ROWS if verb in row.verbs)


def acts_on(kind: str) -> list[Policy]:
    return [row for row in _ROWS if row.subject == kind and not row.service]
