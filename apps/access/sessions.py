"""Browser sessions of people: noted when they begin, ended with the row that the browser's cookie points to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db.models import QuerySet

from apps.access.throttle import network
from apps.accounts.models import SignedIn, User
from apps.core.clock import now

KNOWN_FOR = timedelta(days=30)


def begin(user: User, key: str, *, address: str, browser: str) -> SignedIn:
    """Note a session that has just begun under this key of the session store."""
    return SignedIn.objects.create(
        user=user, key=key, began_at=now(), seen_at=now(), address=address[:60], browser=browser[:200]
    )


def seen(key: str) -> None:
    """Note that the session is in use."""
    row = SignedIn.objects.filter(key=key).first()
    if row is not None:
        row.seen_at = now()
        row.save(update_fields=["seen_at"])


def renamed(old: str, new: str) -> None:
    """The session got another key: its cookie was renewed."""
    row = SignedIn.objects.filter(key=old).first()
    if row is not None:
        row.key = new
        row.save(update_fields=["key"])


def live(user: User) -> QuerySet[SignedIn]:
    """Sessions that can still be used: not ended, not idle, not too old."""
    return SignedIn.objects.filter(
        user=user,
        ended_at=None,
        seen_at__gt=now() - timedelta(seconds=settings.SESSION_IDLE_SECONDS + 30),
        began_at__gt=now() - timedelta(seconds=settings.SESSION_ABSOLUTE_SECONDS),
    )


def end(rows: Iterable[SignedIn], cause: str) -> list[str]:
    """End these sessions at once; returns their refs."""
    ended = []
    for row in rows:
        if row.key:
            Session.objects.filter(session_key=row.key).delete()
        row.key, row.ended_at, row.cause = None, now(), cause[:60]
        row.save(update_fields=["key", "ended_at", "cause"])
        ended.append(row.ref)
    return ended


def end_all(user: User, cause: str, *, keep: str = "") -> list[str]:
    """End every session of a person, except the one under the key `keep`."""
    rows = SignedIn.objects.filter(user=user, ended_at=None)
    return end(rows.exclude(key=keep) if keep else rows, cause)


def known_address(user: User, address: str) -> bool:
    """Whether the person signed in from here, with success, in the last 30 days."""
    recent = SignedIn.objects.filter(user=user, began_at__gt=now() - KNOWN_FOR)
    here = network(address)
    return any(network(each) == here for each in recent.values_list("address", flat=True).distinct())
