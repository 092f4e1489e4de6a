"""The moment that is asked for: an instant with its zone, or a date, which means the end of that day."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from django.conf import settings

from apps.core.clock import real_now
from apps.core.errors import Refused
from apps.trail.models import Entry

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
# In an address a plus sign is a blank: 09:00 01:00 was meant as 09:00+01:00.
_BLANK_ZONE = re.compile(r"(\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?) (\d{2}:?\d{2})", re.ASCII)
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:?\d{2})?", re.ASCII | re.IGNORECASE
)
LIKE = "2026-11-01T09:00:00Z, 2026-11-01T10:00:00+01:00, or a date such as 2026-11-01"


@dataclass(frozen=True)
class Instant:
    """One moment, UTC. `day`: the date that was given in its place; the moment is its end in `zone`."""

    moment: datetime
    day: date | None = None
    zone: str = ""

    @property
    def text(self) -> str:
        """As it stands in addresses and answers: `2026-11-01T09:00:00Z`, with a fraction where there is one."""
        return self.moment.isoformat().replace("+00:00", "Z")

    @property
    def words(self) -> str:
        """What a date was taken for; empty where an instant was given."""
        return (
            f"the end of {self.day.isoformat()} in {self.zone}, the organisation's zone" if self.day else ""
        )


class BadInstant(Refused):
    """The moment cannot be read, or nothing can be told of it."""

    status = 400

    def __init__(self, fact: str) -> None:
        super().__init__(
            "There is nothing to show as of that moment.",
            fact=fact,
            rule="as-of",
            who=["you, with another moment"],
        )


def zone() -> ZoneInfo:
    return ZoneInfo(settings.ORGANISATION_TIME_ZONE)


def end_of(day: date) -> datetime:
    """The last microsecond of a day by the organisation's clock, however long clocks made it."""
    after = datetime.combine(day + timedelta(days=1), time.min, zone())
    return after.astimezone(UTC) - timedelta(microseconds=1)


def read(text: str) -> Instant:
    """The instant that `text` says; BadInstant with a sentence when it says none. The trail is not asked."""
    said = text.strip()
    try:
        if _DAY.fullmatch(said):
            day = date.fromisoformat(said)
            return Instant(end_of(day), day, settings.ORGANISATION_TIME_ZONE)
        said = _BLANK_ZONE.sub(r"\1+\2", said)
        if not _TIME.fullmatch(said):
            raise ValueError
        moment = datetime.fromisoformat(said.upper())
    except (ValueError, OverflowError):
        raise BadInstant(f"“{text[:60]}” is no moment. Write it as {LIKE}.") from None
    if moment.tzinfo is None:
        raise BadInstant(f"“{text[:60]}” does not say of which zone it is. Write it as {LIKE}.")
    try:
        return Instant(moment.astimezone(UTC))
    except OverflowError:
        raise BadInstant(f"“{text[:60]}” is no moment. Write it as {LIKE}.") from None


def known(instant: Instant) -> Instant:
    """The same instant; BadInstant where it lies ahead, or before the trail begins."""
    if instant.moment > real_now():
        ahead = "This day is not over" if instant.day else "This moment lies ahead"
        raise BadInstant(f"{ahead}: nobody knows yet how the records will stand then.")
    began = first_entry()
    if began is None or instant.moment < began:
        told = f"it begins at {began:%Y-%m-%d %H:%M:%S} UTC" if began else "it is empty"
        raise BadInstant(f"The trail tells nothing of that moment: {told}.")
    return instant


def first_entry() -> datetime | None:
    """When the trail begins."""
    at: datetime | None = Entry.objects.order_by("id").values_list("at", flat=True).first()
    return at
