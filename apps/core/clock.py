"""The server's clock. Always aware, always UTC.

While records are shown as they stood (`as_of`), `now()` is that moment, so that what was in force, due or overdue then
is told as it was. What concerns the one who looks (a session, an entry, a printed page) asks `real_now()`.

Time does not go back: where the server's clock is set back, `real_now()` stands at the latest moment that was seen
until the clock has caught up, so that nothing that lapsed comes back to life. The trail tells a new process how late it
was.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

_stopped: ContextVar[datetime | None] = ContextVar("countersign_clock", default=None)


def now() -> datetime:
    return _stopped.get() or real_now()


_latest = datetime.min.replace(tzinfo=UTC)


def _system() -> datetime:
    return datetime.now(UTC)


def real_now() -> datetime:
    global _latest
    moment = _system()
    if moment > _latest:
        _latest = moment
    return _latest


def passed(moment: datetime) -> None:
    """It was as late as this already, as something outside this process knows."""
    global _latest
    _latest = max(_latest, moment)


def behind() -> timedelta:
    """How far the server's clock is behind the latest moment that was seen; zero when it is right."""
    return max(_latest - _system(), timedelta(0))


def forget() -> None:
    """Begin anew: the clock was ahead, and somebody has said so in the trail."""
    global _latest
    _latest = datetime.min.replace(tzinfo=UTC)


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
