"""What is asked before an act looks at any record, and which refusal is told first."""

from __future__ import annotations

from typing import Any

from apps.access import showing, signing
from apps.access.actors import Actor
from apps.access.fresh import refuse_stale
from apps.access.gate import ORGANISATION_SUBJECT, front_refusal, may
from apps.access.policy import Policy
from apps.access.signing import SignatureInput
from apps.core.entered import unseen
from apps.core.errors import BadInput, Refused, TooMany
from apps.core.subjects import models_by_kind

MAX_REASON = 2000


def _is_text(given: str) -> bool:
    """JSON can carry half a character (a lone surrogate), which no record can hold."""
    try:
        given.encode()
    except UnicodeEncodeError:
        return False
    return True


def demands(
    actor: Actor, row: Policy, reason: str, signature: SignatureInput | None, second: showing.Shown | None
) -> signing.Components | None:
    """What is asked before any record is touched: the door, the reason, the components of a signature."""
    front = front_refusal(actor, row)
    if front is not None:
        raise front
    if (stale := refuse_stale(actor, row)) is not None:
        raise stale
    rejecting = signature is not None and signature.decision == "rejected"
    if (row.reason or rejecting) and not reason.strip():
        raise BadInput("A reason is needed.", rule="reason", fields={"reason": ["Say why, in a sentence."]})
    if len(reason) > MAX_REASON:
        raise BadInput(
            "The reason is too long.", rule="reason", fields={"reason": [f"At most {MAX_REASON} characters."]}
        )
    if "\x00" in reason or not _is_text(reason):
        raise BadInput(
            "The reason cannot be kept.",
            rule="reason",
            fields={"reason": ["It holds a character that is no text: type the reason anew."]},
        )
    if found := unseen(reason):
        raise BadInput(
            "The reason cannot be kept.",
            rule="reason",
            fields={"reason": [f"It holds {found}. Type that place anew."]},
        )
    if row.signs:
        if signature is None:
            raise BadInput(
                "A signature is needed.",
                rule="signature",
                fields={"password": ["Enter your password to sign."]},
            )
        if signature.decision not in signing.DECISIONS:
            raise BadInput(
                "A decision is needed.", rule="signature", fields={"decision": ["Choose approve or reject."]}
            )
        return signing.check_components(actor.user, signature, row)
    if row.shows:
        return showing.check(actor.user, second or showing.Shown(), row)
    return None


def asked_of(row: Policy, args: tuple[Any, ...]) -> Any:
    """The record an act was asked for, before the act itself has looked: its first argument is the key."""
    model = models_by_kind().get(row.subject)
    if model is None:
        return ORGANISATION_SUBJECT if row.subject == ORGANISATION_SUBJECT.subject_kind else None
    given = args[0] if args else None
    return model._default_manager.filter(pk=given).first() if isinstance(given, int) else None


def earlier_refusal(actor: Actor, row: Policy, subject: Any, refused: Refused) -> Refused:
    """Sight, duty and conflicts are told before bad input; sight and duty before a wrong password."""
    if subject is None or isinstance(refused, TooMany) or front_refusal(actor, row) is not None:
        return refused
    verdict = may(actor, row.act, subject)
    first = (403, 404, 409) if isinstance(refused, BadInput) else (403, 404)
    return verdict.refusal() if not verdict.allowed and verdict.status in first else refused
