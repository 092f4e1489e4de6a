"""Several requested duties approved in one go: each by an act of its own, each that is refused with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from apps.access import acts, queries
from apps.access.acting import refuse_at_front
from apps.access.actors import Actor, as_actor
from apps.access.gate import visible
from apps.access.models import Assignment
from apps.accounts.models import User
from apps.core.errors import BadInput, Refused

MOST = 50
MAX_ID = 2**63 - 1  # what the database can number


@dataclass(frozen=True)
class Answered:
    """What became of one request. `assignment` is None where there is none that the person may see."""

    number: int
    assignment: Assignment | None
    refused: Refused | None

    @property
    def ref(self) -> str:
        return f"A-{self.number}"


def approve_many(who: Actor | User, numbers: Sequence[int], *, idempotency_key: str = "") -> list[Answered]:
    """Approve each of these requests, in this order. One that is refused stops none of the others.

    A repeat under the same key approves nothing twice and answers the same of what was approved.
    """
    actor = as_actor(who)
    refuse_at_front(actor, "access.approve_assignment")
    wanted = list(dict.fromkeys(numbers))
    if not 1 <= len(wanted) <= MOST:
        told = [f"Choose between 1 and {MOST} requests."]
        raise BadInput("Nothing was approved.", fields={"assignments": told})
    rows = visible(actor, Assignment).select_related("person", "requester")
    known = rows.in_bulk(wanted)
    return [_one(actor, number, known.get(number), idempotency_key) for number in wanted]


def _one(actor: Actor, number: int, assignment: Assignment | None, key: str) -> Answered:
    organisation = assignment is not None and queries.approval_of(assignment).act.endswith(
        "organisation_assignment"
    )
    approve = acts.approve_organisation_assignment if organisation else acts.approve_assignment
    try:
        approve(actor, number, idempotency_key=f"{key[:80]}:{number}" if key else "")
    except Refused as refused:
        return Answered(number, assignment, refused)
    return Answered(number, assignment, None)


def told(answers: Iterable[Answered]) -> str:
    """`2 of 3 requests are approved: A-4, A-6. Not approved: A-5.`"""
    every = list(answers)
    done = [each.ref for each in every if each.refused is None]
    left = [each.ref for each in every if each.refused is not None]
    if not left:
        return f"{_all(every)} approved: {', '.join(done)}."
    if not done:
        return (
            f"None of the {len(every)} is approved: {', '.join(left)}."
            if len(every) > 1
            else (f"It is not approved: {left[0]}.")
        )
    return f"{len(done)} of {len(every)} requests are approved: {', '.join(done)}. Not approved: {', '.join(left)}."


def _all(every: Sequence[Answered]) -> str:
    return "The request is" if len(every) == 1 else f"All {len(every)} requests are"
