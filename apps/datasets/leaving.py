"""Read access to sensitive data that a leaver holds or asked for."""

from __future__ import annotations

from typing import Any

from django.db.models import Q

from apps.access.leftovers import LEFT, Leftover, Thing
from apps.accounts.models import User
from apps.core.clock import now
from apps.datasets.grants import ReadGrant

State = ReadGrant.State


def held(person: User) -> list[Thing]:
    rows = ReadGrant.objects.filter(person=person).filter(
        Q(state=State.REQUESTED) | Q(state=State.GRANTED, expires_at__gt=now())
    )
    return [
        Thing(row, f"{row.ref} on {row.dataset.slug}", row.expires_at)
        for row in rows.select_related("dataset")
    ]


def end(act: Any, grant: ReadGrant, reason: str) -> None:
    """What waited is refused; what was in force ends now."""
    row = act.lock(ReadGrant.objects.all(), pk=grant.pk)
    if row.state == State.REQUESTED:
        act.write(row, state=State.REFUSED, decided_by=act.user, decided_at=now(), decision_reason=reason)
    else:
        act.write(row, state=State.ENDED, ended_by=act.user, ended_at=now(), end_reason=reason)


LEFT[ReadGrant.subject_kind] = Leftover("Read access to sensitive data", held, end)
