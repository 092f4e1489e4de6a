"""The stream of a version: acts, refusals and machines in one list, newest first; each line links to its entry."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import CharField, Q
from django.db.models.functions import Cast

from apps.access.actors import Actor
from apps.access.facts import facts_of
from apps.access.gate import visible_within
from apps.access.policy import TABLE
from apps.access.signing import still_signed
from apps.access.telling import REJECTED, decision_of, told_act
from apps.approvals.loading import live_gate, slots_of
from apps.registry.checks import signatures_on_uses
from apps.registry.models import Version
from apps.trail.models import Entry, Kind
from apps.verification.models import Requirement


@dataclass(frozen=True)
class Line:
    entry_id: int
    at: datetime
    who: str  # the person, or the portal
    on_behalf: str  # for whom the portal worked
    machine: bool
    told: str
    ref: str
    reason: str
    refused: bool
    signed: bool
    rejected: bool
    stale: bool = False  # it signed, and the signature no longer matches the record


def timeline(actor: Actor, version: Version, *, limit: int) -> list[Line]:
    """The newest entries on the version's own records (its closure) that the reader may see, as sentences.

    One query and the facts.
    """
    closure = facts_of(version).closures["version"]
    by_kind: dict[str, list[str]] = {}
    for kind, pk in closure:
        by_kind.setdefault(kind, []).append(pk)
    condition = Q(pk__in=[])
    for kind, ids in by_kind.items():
        condition |= Q(subject_kind=kind, subject_id__in=ids)
    told = visible_within(actor, Entry).filter(condition, kind__in=[Kind.ACT, Kind.REFUSAL])
    told = told.exclude(of_later_uses(version))
    rows = told.order_by("-id")[:limit]
    bound, judged = _bound(version)
    lines = []
    for entry in rows:
        line = line_of(entry)
        own = (entry.subject_kind, entry.subject_id) in judged
        stale = line.signed and own and entry.act_id not in bound[entry.subject_kind]
        lines.append(replace(line, stale=stale))
    return lines


def of_later_uses(version: Version) -> Q:
    """Entries about requirements written for a later intended use than the version's: it never had to meet them."""
    later = Requirement.objects.filter(
        model=version.model_id, intended_use__number__gt=version.intended_use.number
    )
    ids = later.order_by().annotate(text_id=Cast("pk", CharField())).values("text_id")
    return Q(subject_kind=Requirement.subject_kind, subject_id__in=ids)


def _bound(version: Version) -> tuple[dict[str, set[str]], set[tuple[str, str]]]:
    """Kind -> ids of the acts whose signature binds its record now, and the records judged here.

    Those are the slots and the intended use of the version itself: what was signed on an ancestor is told there.
    """
    gate, use = live_gate(version), version.intended_use
    given = [(slot, slot.signature) for slot in slots_of(gate) if slot.signature]
    signed = [
        (use, s) for s in signatures_on_uses([version.model_id])[version.model_id] if s.number == use.number
    ]
    found: dict[str, set[str]] = {"approvals.slot": set(), use.subject_kind: set()}
    judged = {(use.subject_kind, str(use.pk)), *(("approvals.slot", str(slot.pk)) for slot, _ in given)}
    for record, signature in (*given, *signed):
        if still_signed(record, signature.content_digest):
            found[record.subject_kind].add(signature.act_id)
    return found, judged


def line_of(entry: Entry) -> Line:
    body = json.loads(entry.body)
    row = TABLE.get(entry.act)
    refused = entry.kind == Kind.REFUSAL
    facts = body.get("facts", {})
    by_portal = body.get("via") == "job"
    told = told_act(entry.act, facts)
    return Line(
        entry_id=entry.pk,
        at=entry.at,
        who="The portal" if by_portal else entry.actor_name or "Somebody not signed in",
        on_behalf=entry.on_behalf_name,
        machine=by_portal,
        told=f"was refused: {row.label if row else entry.act}" if refused else told,
        ref=body.get("subject", {}).get("ref", ""),
        reason=body.get("reason", ""),
        refused=refused,
        signed="signatures" in facts,
        rejected=decision_of(facts) == REJECTED,
    )
