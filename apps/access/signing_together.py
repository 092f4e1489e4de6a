"""Up to twenty records signed in one ceremony: listed as they were shown, the components shown once over all of them.

First everything that can be said before is said: a record that changed, that the person may not sign, or that is not
there stops the ceremony by its name, and nothing is signed. Then each record is signed by its own act, by itself: what
is refused only there is told by its name, and the others stand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from apps.access import past, signing
from apps.access.acting import ACTS, refuse_at_front
from apps.access.actors import Actor
from apps.access.ceremony import MOST, Listed, Together
from apps.access.entering import enter_refusal
from apps.access.gate import may, visible_one
from apps.access.models import IdempotencyKey
from apps.access.policy import TABLE, policy
from apps.access.signing import SignatureInput, content_digest
from apps.core.errors import BadInput, Conflict, Refused
from apps.core.subjects import model_of
from apps.trail.models import Signature

RULE = "one-ceremony"


@dataclass(frozen=True)
class Outcome:
    """What became of one record: its signature, or why it was not signed."""

    listed: Listed
    record: Any
    signature: Signature | None = None
    refused: Refused | None = None


def sign_together(
    actor: Actor, listed: Sequence[Listed], given: SignatureInput, *, idempotency_key: str = ""
) -> list[Outcome]:
    """Sign these records. `given`: the components, shown over all of them (`ceremony.challenge_of`); its digest and
    decision are not used. Raises Refused where nothing was signed at all."""
    past.refuse_acts()
    _refuse_list(listed)
    for name in sorted({one.act for one in listed}):
        refuse_at_front(actor, name)
    records = [visible_one(actor, model_of(policy(one.act).subject), pk=one.pk) for one in listed]
    repeat = IdempotencyKey.objects.filter(user=actor.user, key=f"{idempotency_key}:1").exists()
    if not (idempotency_key and repeat):
        _refuse_stale(actor, listed, records)
    try:
        shown = signing.check_components(actor.user, given, policy(listed[0].act), listed)
    except Refused as refused:
        asked = {"records": [str(record.ref) for record in records]}
        enter_refusal(actor, policy(listed[0].act), refused, records[0], "", asked)
        raise
    ceremony = Together(tuple(listed), shown)
    return [
        _signed(actor, one, record, ceremony, f"{idempotency_key}:{number}" if idempotency_key else "")
        for number, (one, record) in enumerate(zip(listed, records, strict=True), start=1)
    ]


def _refuse_list(listed: Sequence[Listed]) -> None:
    wrong = ""
    unknown = [one.act for one in listed if one.act not in TABLE or not TABLE[one.act].signs]
    if not 1 <= len(listed) <= MOST:
        wrong = f"One ceremony signs from 1 to {MOST} records; {len(listed)} are listed."
    elif unknown:
        wrong = f"{unknown[0]} signs nothing."
    elif len({(one.act, one.pk) for one in listed}) < len(listed):
        wrong = "A record is listed twice."
    elif len({TABLE[one.act].meaning for one in listed}) > 1:
        wrong = "All records of one ceremony are signed with the same meaning."
    elif any(one.decision not in signing.DECISIONS for one in listed):
        wrong = "Choose approve or reject for each record."
    else:
        asks = [one for one in listed if TABLE[one.act].reason or one.decision == "rejected"]
        if any(not one.reason.strip() for one in asks):
            wrong = "Say why, for each record that is rejected or whose signature needs a reason."
    if wrong:
        raise BadInput("Nothing was signed.", fact=wrong, rule=RULE, fields={"records": [wrong]})


def _refuse_stale(actor: Actor, listed: Sequence[Listed], records: Sequence[Any]) -> None:
    """Name every record that cannot be signed as it was shown; each is a refusal in the trail."""
    faults = []
    for one, record in zip(listed, records, strict=True):
        verdict = may(actor, one.act, record)
        refused: Refused | None = None
        if not verdict.allowed:
            refused = verdict.refusal()
        elif content_digest(record) != one.digest:
            refused = Conflict(
                f"{record.ref} was not signed: it changed since it was shown to you.",
                fact=f"You were shown {one.digest[:19]}…, which it is no more.",
                rule="21 CFR 11.70",
                who=["you, after reading it again"],
            )
        if refused is not None:
            enter_refusal(actor, policy(one.act), refused, record, one.reason)
            faults.append(f"{record.ref}: {refused.fact or refused.what}")
    if faults:
        raise Conflict(
            "Nothing was signed: not every record can be signed as it was shown to you.",
            fact=" ".join(faults),
            rule=RULE,
            who=["you, without these records, or after opening them again"],
        )


def _signed(actor: Actor, one: Listed, record: Any, ceremony: Together, key: str) -> Outcome:
    given = SignatureInput(one.digest, "", one.decision, together=ceremony)
    try:
        ACTS[one.act](actor, one.pk, reason=one.reason, signature=given, idempotency_key=key)
    except Refused as refused:
        return Outcome(one, record, refused=refused)
    mine = Signature.objects.filter(
        signer=actor.user, subject_kind=record.subject_kind, subject_id=str(record.pk)
    )
    return Outcome(one, record, signature=mine.order_by("-pk").first())
