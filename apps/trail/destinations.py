"""Where the trail is told: witnesses, the time-stamping authority, log stores. What is due is sent.

A place that fails is tried again after a pause that doubles, up to five minutes; one that contradicts this log, too:
its word is a finding for as long as it stands.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from django.conf import settings

from apps.core import registries
from apps.core.clock import iso, now
from apps.trail import stamps, streams, witnesses
from apps.trail.anchor_models import Destination
from apps.trail.models import Checkpoint, Entry, Pending
from apps.trail.outside import Contradicted, Unreachable, scrubbed

log = logging.getLogger("countersign.trail")
FIRST_PAUSE, LAST_PAUSE = 2.0, 300.0
LONGEST_WAIT = 3600.0
SEAL_PATIENCE = timedelta(minutes=5)


class Place(Protocol):
    """What witnesses, stamps and streams have in common."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def period(self) -> timedelta: ...
    def due(self, row: Destination, newest: Checkpoint, now: datetime) -> bool: ...
    def send(self, row: Destination, newest: Checkpoint) -> int: ...


def configured() -> list[Place]:
    """Every configured place; ImproperlyConfigured."""
    own = [*witnesses.configured(), *stamps.configured(), *streams.configured()]
    return [*own, *(place for give in registries.outside["places"] for place in give())]


def row_of(place: Place) -> Destination:
    row, _ = Destination.objects.get_or_create(
        kind=place.kind, name=place.name, defaults={"known_since": now()}
    )
    return row


def step(place: Place, *, at_once: bool = False) -> bool:
    """Send what is due; True when something was sent. `at_once`: pauses and periods do not count.

    Contradicted and Unreachable are kept in the place's row, not raised.
    """
    row = row_of(place)
    newest = Checkpoint.objects.order_by("-size").first()
    if newest is None:
        return False
    if at_once:
        if newest.size <= row.position and not row.contradicted:
            return False
    elif (row.next_at and now() < row.next_at) or not (row.failures or place.due(row, newest, now())):
        return False
    try:
        position = place.send(row, newest)
    except (Contradicted, Unreachable) as error:
        _failed(place, row, error)
        return False
    change = {"position": position, "done_at": now(), "next_at": None, "failures": 0, "error": ""}
    Destination.objects.filter(pk=row.pk).update(**change, contradicted=False, alarmed_at=None)
    if row.failures:
        log.info("%s %s answers again", place.kind, place.name)
    return True


def _failed(place: Place, row: Destination, error: Contradicted | Unreachable) -> None:
    pause = min(LAST_PAUSE, FIRST_PAUSE * 2 ** min(row.failures, 20))
    if isinstance(error, Unreachable):
        pause = max(pause, min(error.wait, LONGEST_WAIT))
    if str(error) != row.error:
        log.warning("%s %s: %s", place.kind, place.name, error)
    position = row.position
    if isinstance(place, streams.Stream) and not row.failures:
        position = place.rewind(position)
    Destination.objects.filter(pk=row.pk).update(
        position=position,
        next_at=now() + timedelta(seconds=pause),
        failures=row.failures + 1,
        error=str(error),
        contradicted=isinstance(error, Contradicted),
    )


def standing_still() -> tuple[Destination, str] | None:
    """The sealer's own row and a sentence, when an entry has waited longer than SEAL_PATIENCE; else None."""
    row, _ = Destination.objects.get_or_create(kind="sealer", name="log", defaults={"known_since": now()})
    first = Pending.objects.order_by("entry_id").values("entry_id")[:1]
    oldest = Entry.objects.filter(pk__in=first).values_list("at", flat=True).first()
    if oldest is None or now() - oldest < SEAL_PATIENCE:
        Destination.objects.filter(pk=row.pk, alarmed_at__isnull=False).update(alarmed_at=None)
        return None
    return (
        row,
        f"entries have waited to be sealed since {iso(oldest)}: no sealer is at work, or it cannot seal",
    )


def untold() -> list[tuple[Destination, str]]:
    """The faults of which nobody was alarmed yet: outside, and of the sealer."""
    still = standing_still()
    every = [*faults(), *([still] if still else [])]
    return [(row, fault) for row, fault in every if row.alarmed_at is None]


def alarmed(rows: Iterable[Destination]) -> None:
    """People were alarmed of these; again only after the place was well in between."""
    Destination.objects.filter(pk__in=[row.pk for row in rows]).update(alarmed_at=now())


def faults() -> list[tuple[Destination, str]]:
    """What is wrong outside, in words: places that contradict this log, and those that have been silent too long."""
    found = []
    newest = Checkpoint.objects.order_by("-size").first()
    for place in configured():
        row = Destination.objects.filter(kind=place.kind, name=place.name).first()
        if row is None:
            continue  # nobody was to tell it yet
        if row.contradicted:
            found.append((row, scrubbed(row.error)))
        elif newest is not None and newest.size > row.position:
            last = row.done_at or row.known_since
            allowed = timedelta(hours=settings.TRAIL_SILENT_HOURS) + place.period
            if now() - last > allowed:
                why = f": {scrubbed(row.error)}" if row.error else ""
                found.append((row, f"the {place.kind} {place.name} has taken nothing since {iso(last)}{why}"))
    return found
