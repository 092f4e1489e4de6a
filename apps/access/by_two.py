"""A record that two people sign: its writer first, then somebody else approves or rejects it.

Acts that lock a plan share this; each keeps its own lock, permission and states.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apps.access.acting import Act
from apps.access.signing import has_valid
from apps.accounts.models import User
from apps.core.errors import BadInput, NotAllowed, WrongState


def sign_as_author(act: Act, record: Any, *, writer: User, after: str) -> None:
    """The writer's own signature, which is never a rejection; the record is in the state `after` then."""
    if writer.pk != act.user.pk:
        raise NotAllowed(
            f"You cannot sign {record.ref} as its author.",
            fact=f"{writer.printed_name} wrote it.",
            rule="author-signs",
            who=[writer.printed_name],
        )
    if act.decision != "approved":
        raise BadInput(
            "An author signs their plan, or writes it anew.",
            rule="signature",
            fields={"decision": ["Choose approve, or write another plan: it supersedes this one."]},
        )
    act.refuse_if_changed(record)
    act.write(record, state=after)
    act.sign(record, record_version=record.ref)


def sign_as_approver(
    act: Act, record: Any, *, writer: User, rejected: str, approve: Callable[[], None]
) -> None:
    """Approve what still bears its author's valid signature, by what `approve` writes, or reject it with a reason."""
    if not has_valid(record, "authorship"):
        raise WrongState(
            f"{record.ref} cannot be approved.",
            fact="Its author's signature no longer matches the plan.",
            rule="21 CFR 11.70",
            who=[f"{writer.printed_name}, by writing the plan anew"],
        )
    act.refuse_if_changed(record)
    if act.decision == "rejected":
        act.write(record, state=rejected)
    else:
        approve()
    act.sign(record, record_version=record.ref)
