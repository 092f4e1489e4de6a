"""What an act, or its refusal, leaves in the trail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction

from apps.access.actors import Actor
from apps.access.organisation import ORGANISATION_SUBJECT, Organisation
from apps.access.policy import Policy
from apps.core.errors import BadInput, Busy, Refused
from apps.trail import current
from apps.trail.writer import Who, record


def _who(actor: Actor, duties: Sequence[str]) -> Who:
    """Who answers for the deed, so that it counts as theirs wherever deeds are counted, and the service that did it."""
    who = Who.of(actor.user, duties)
    if actor.through is None:
        return who
    by = f", by service {actor.through.name}"
    return replace(who, name=who.name[: 160 - len(by)] + by)


def enter(
    kind: str,
    actor: Actor,
    row: Policy,
    subject: Any,
    reason: str,
    facts: dict[str, Any],
    open_act: current.CurrentAct | None = None,
    duties: Sequence[str] = (),
) -> None:
    if actor.token is not None:
        facts = {**facts, "token": actor.token.prefix}
    if actor.through is not None:
        facts = {**facts, "service": actor.through.name}
    if actor.address:
        facts = {**facts, "address": actor.address}
    record(
        kind=kind,
        act=row.act,
        act_id=open_act.act_id if open_act else "",
        actor=_who(actor, duties),
        on_behalf=Who.of(actor.on_behalf) if actor.on_behalf else None,
        subject=subject,
        scope=getattr(subject, "scope", "") if subject is not None else "",
        reason=reason,
        body=facts,
        rows=open_act.rows if open_act else (),
        via=actor.via,
    )


def enter_refusal(
    actor: Actor,
    row: Policy,
    refused: Refused,
    subject: Any,
    reason: str,
    asked: dict[str, Any] | None = None,
) -> None:
    """A refused attempt is a fact of the trail; input that does not parse is not an attempt, and a database that was
    busy refused nobody."""
    if isinstance(refused, (BadInput, Busy)):
        return
    if subject is not None and getattr(subject, "pk", None) is None and not isinstance(subject, Organisation):
        subject = None
    with transaction.atomic():
        facts = {**refused.parts(), "status": refused.status}
        if refused.cause:
            facts["cause"] = refused.cause
        if asked:
            facts["asked"] = asked
        enter("refusal", actor, row, subject or ORGANISATION_SUBJECT, reason, facts)
