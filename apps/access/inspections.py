"""Reads of inspections: who is here with which scope until when, what they looked at, which copies they hold."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from apps.access import duties, past
from apps.access.actors import Actor
from apps.access.gate import visible
from apps.access.inspection_models import Copy, Inspection
from apps.access.looking import inspecting
from apps.access.models import Assignment
from apps.access.queries import place_names
from apps.accounts.models import User
from apps.trail.models import Entry, Kind

LOOKS = ("access.look", "access.take_copy", "access.spoil_copy")


@dataclass(frozen=True)
class Scope:
    """What an inspector may see now, in words; `everything` for all models and datasets. ends_at: of the last."""

    held: tuple[Assignment, ...]
    places: tuple[tuple[str, Assignment], ...]
    everything: bool
    ends_at: datetime | None


def scope_of(actor: Actor) -> Scope:
    held = inspecting(actor.user)
    names = place_names(actor, held)
    return Scope(
        tuple(held),
        tuple((names[each.scope], each) for each in held),
        any(each.scope_kind == duties.ORGANISATION for each in held),
        held[0].ends_at if held else None,
    )


def inspections(actor: Actor) -> QuerySet[Inspection]:
    """Inspections the reader may see, newest first."""
    rows = visible(actor, Inspection).select_related("person", "requester", "approver", "ended_by")
    return rows.order_by("-pk")


def copies(actor: Actor) -> QuerySet[Copy]:
    """Copies handed out that the reader may see, newest first."""
    return visible(actor, Copy).select_related("person").order_by("-number")


def looked_at(actor: Actor, person: User | None = None) -> QuerySet[Entry]:
    """What inspectors looked at and took, newest first: all for compliance, their own for everybody else."""
    rows = Entry.objects.filter(act__in=LOOKS, kind=Kind.ACT)
    if not _is_compliance(actor):
        rows = rows.filter(actor_uuid=str(actor.user.uuid))
    if person is not None:
        rows = rows.filter(actor_uuid=str(person.uuid))
    return visible(actor, Entry).filter(pk__in=rows.values("pk")).order_by("-id")


def watches(actor: Actor, person: User) -> bool:
    """Whether what this inspector looked at and took is told to the reader: a count of others says nothing true."""
    return actor.user.pk == person.pk or _is_compliance(actor)


def _is_compliance(actor: Actor) -> bool:
    """Today, also on a page of a moment past: a duty that has ended opens nothing of then."""
    with past.today():
        held = Assignment.objects.active().filter(person=actor.user, duty=duties.Duty.COMPLIANCE)
        return held.filter(scope_kind=duties.ORGANISATION).exists()


def facts_of_look(entry: Entry) -> dict[str, Any]:
    """page, path, record, status, address of one entry; `copy` where it handed one out."""
    found: dict[str, Any] = json.loads(entry.body)["facts"]
    return found


def authority(person: User) -> str:
    """On whose behalf an inspector is here: of the inspections that gave the duties in force."""
    held = inspecting(person)
    rows = Inspection.objects.filter(places__assignment__in=[each.pk for each in held]).distinct()
    found = sorted({each.authority for each in rows})
    return ", ".join(found) or "not stated: the duty was given without an inspection"
