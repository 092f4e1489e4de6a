"""Service accounts on the sheets of an access review: each stands on every object it reaches, and ends as a whole."""

from __future__ import annotations

from collections.abc import Iterable

from apps.access.reviewing import Line, Place, line_of
from apps.accounts.services import ServiceAccount
from apps.core.clock import now

LIVE = (ServiceAccount.State.APPROVED, ServiceAccount.State.SUSPENDED)


def held_services(places: Iterable[Place]) -> dict[Place, list[Line]]:
    """Services that reach these objects, in force or suspended; the line is their owner's, who answers for them."""
    wanted = set(places)
    found: dict[Place, list[Line]] = {}
    rows = ServiceAccount.objects.filter(state__in=LIVE, ends_at__gt=now()).select_related("owner")
    for service in rows.order_by("name"):
        for place in sorted(service.reaches() & wanted):
            made = line_of(
                service.subject_kind,
                service.pk,
                service.ref,
                service.owner,
                duty="service",
                word=f"answers for the service {service.name}",
                since=service.starts_at,
                until=service.ends_at,
            )
            found.setdefault(place, []).append(made)
    return found


def over_services(ids: list[int]) -> dict[int, str]:
    """Id -> why a service no longer counts."""
    found = {}
    for service in ServiceAccount.objects.filter(pk__in=ids):
        if service.state not in LIVE:
            found[service.pk] = f"ended meanwhile: {service.end_reason}"
        elif service.ends_at <= now():
            found[service.pk] = "ran out meanwhile"
    return found
