"""The stream of a version: acts, refusals and machines in one list, newest first; each line links to its entry."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

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


# What the stream can be narrowed to; a change is an act that writes a record and signs nothing.
SHOWS = {"all": "All", "signatures": "Signatures", "changes": "Changes"}
_SIGNING = [row.act for row in TABLE.values() if row.signs]
_CHANGING = [row.act for row in TABLE.values() if not row.signs and not row.reads]


def shown(wanted: str) -> str:
    """One of `SHOWS`, from a query string; everything where it says nothing that is one."""
    return wanted if wanted in SHOWS else "all"


def timeline(actor: Actor, version: Version, *, limit: int, show: str = "all") -> list[Line]:
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
    if show != "all":
        told = told.filter(kind=Kind.ACT, act__in=_SIGNING if show == "signatures" else _CHANGING)
    rows = told.order_by("-id")[:limit]
    bound, judged = _bound(version)
    lines = []
    for entry in rows:
        line = line_of(entry)
        own = (entry.subject_kind, entry.subject_id) in judged
        stale = line.signed and own and entry.act_id not in bound[entry.subject_kind]
        lines.append(replace(line, stale=stale))
    return lines


def gathered(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines in their order: those side by side in which the portal worked are one part, any other is one alone."""
    parts: list[list[Line]] = []
    for line in lines:
        if line.machine and parts and parts[-1][-1].machine:
            parts[-1].append(line)
        else:
            parts.append([line])
    return parts


def stream(actor: Actor, version: Version, *, limit: int, show: str) -> dict[str, Any]:
    """What `registry/_timeline.html` shows: `show` is what the query string asks for."""
    show = shown(show)
    lines = timeline(actor, version, limit=limit, show=show)
    return {
        "timeline": gathered(lines),
        "shows": SHOWS,
        "show": show,
        "whole": len(lines) < limit,
        "limit": limit,
    }


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
