"""The server's clock. Always aware, always UTC.

While records are shown as they stood (`as_of`), `now()` is that moment, so that what was in force, due or overdue then
is told as it was. What concerns the one who looks (a session, an entry, a printed page) asks `real_now()`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

_stopped: ContextVar[datetime | None] = ContextVar("countersign_clock", default=None)


def now() -> datetime:
    return _stopped.get() or real_now()


def real_now() -> datetime:
    return datetime.now(UTC)


def as_of() -> datetime | None:
    """The moment at which the clock stands; None when it goes."""
    return _stopped.get()


@contextmanager
def stopped_at(moment: datetime | None) -> Iterator[None]:
    """The clock stands at `moment` (aware); with None it goes again, for what is asked of today in between."""
    token = _stopped.set(moment)
    try:
        yield
    finally:
        _stopped.reset(token)


def iso(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds: the one way a time is written in canonical content."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
