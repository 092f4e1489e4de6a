"""Access tokens of people on the sheets of an access review; those of services stand and end with their service."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from apps.access import reach
from apps.access.reviewing import ORGANISATION, Line, Place, line_of
from apps.accounts.models import ApiToken
from apps.core.clock import now


def held_tokens(places: Iterable[Place]) -> dict[Place, list[Line]]:
    """Live tokens: one that is narrowed to objects on each of them, any other with the organisation."""
    wanted = set(places)
    found: dict[Place, list[Line]] = {}
    rows = ApiToken.objects.filter(ended_at=None, expires_at__gt=now(), owner__is_active=True)
    rows = rows.exclude(narrowed__service__isnull=False).select_related("owner", "narrowed__service")
    for token in rows.order_by("owner__printed_name", "pk"):
        reached = reach.reach_of(token)
        for place in sorted((reached.objects or {ORGANISATION}) & wanted):
            made = line_of(
                token.subject_kind,
                token.pk,
                token.ref,
                token.owner,
                duty="token",
                word=f"access token {token.name}",
                since=token.created_at,
                until=token.expires_at,
            )
            found.setdefault(place, []).append(made)
    return found


def over_tokens(ids: list[int]) -> dict[int, str]:
    """Id -> why a token no longer counts."""
    found = {}
    for token in ApiToken.objects.filter(pk__in=ids):
        if token.ended_at is not None:
            found[token.pk] = "ended meanwhile"
        elif token.expires_at <= now():
            found[token.pk] = "ran out meanwhile"
    return found


def end_token(act: Any, pk: int, _reason: str) -> None:
    """Inside the act that ends it."""
    act.write(act.lock(ApiToken.objects.all(), pk=pk), ended_at=now())
