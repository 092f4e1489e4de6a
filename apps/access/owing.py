"""Who owes what they may do to the receiver of a request, and so does not approve it (EN4, decision 0006).

Duties and whatever else one person gives to another by approving it, such as a seat on a review board: an app that
has more of it contributes to `registries.empowered`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from apps.access import duties
from apps.access.models import Assignment
from apps.access.separation import Deed
from apps.access.sharing import gathered
from apps.core import registries

Pair = tuple[str, int]


@dataclass(frozen=True)
class Empowered:
    """What one person holds by another's approval: whose it is (uuid), the place where it counts, and its words."""

    person: str
    place: Pair
    told: str  # "the duty owner (A-3)"


def owed(
    kind: str, pk: int, receiver: str, here: Collection[Pair], approved: Iterable[Empowered]
) -> tuple[Deed, ...]:
    """Deeds on the request (kind, pk): who holds `here` what its receiver, by this name, approved."""
    return tuple(
        Deed(each.person, "owe_duty", kind, str(pk), f"hold {each.told}, which {receiver} approved")
        for each in approved
        if each.place in here
    )


def owing(kind: str, pk: int, receiver_id: int, receiver: str, here: Collection[Pair]) -> tuple[Deed, ...]:
    """The same, of what the receiver approved and that is in force now."""
    found = gathered("approved by", [receiver_id], _approved_by)[receiver_id]
    return owed(kind, pk, receiver, here, found or ())


def prime_owing(people: Collection[int]) -> None:
    """Read what these people approved, at once."""
    gathered("approved by", list(people), _approved_by)


def _approved_by(people: list[int]) -> dict[int, list[Empowered]]:
    """Person -> what is in force that they approved."""
    found: dict[int, list[Empowered]] = {}
    for give in registries.empowered["people"]:
        for approver, each in give(people):
            found.setdefault(approver, []).append(each)
    return found


@registries.empowered("people")
def duties_approved(people: list[int]) -> list[tuple[int, Empowered]]:
    """(who approved it, what is held by it) of the duties in force."""
    rows = Assignment.objects.active().filter(approver_id__in=people).select_related("person")
    return [
        (
            row.approver_id,
            Empowered(
                str(row.person.uuid),
                (row.scope_kind, row.scope_id),
                f"the duty {duties.WORDS[duties.Duty(row.duty)]} ({row.ref})",
            ),
        )
        for row in rows
        if row.approver_id is not None
    ]
