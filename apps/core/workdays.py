"""The organisation's working days, by its own clock and calendar. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

NAMES = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@lru_cache(maxsize=64)
def public_holidays(place: str, year: int) -> frozenset[date]:
    """Public holidays of a country (`CH`) or of a part of one (`CH-ZH`, ISO 3166-2); ValueError for no such place."""
    import holidays  # costs a start 30 ms that needs no holiday

    country, _, part = place.partition("-")
    try:
        return frozenset(holidays.country_holidays(country, subdiv=part or None, years=year))
    except NotImplementedError as error:
        raise ValueError(f"{place}: no holidays are known of it") from error


@dataclass(frozen=True)
class WorkingDays:
    """`days`: 0 (Monday) to 6. `place`: whose public holidays are free; "" for none. `closed`: free besides."""

    zone: str
    days: frozenset[int]
    place: str = ""
    closed: frozenset[date] = frozenset()

    @classmethod
    def parse(cls, zone: str, days: str, place: str = "", closed: str = "") -> WorkingDays:
        """From "Europe/Zurich", "Mon-Fri" or "Mon,Wed", "CH-ZH", "2026-12-24,2026-12-31"; else ValueError."""
        ZoneInfo(zone)
        found: set[int] = set()
        for part in days.split(","):
            first, _, last = part.strip().partition("-")
            one, two = NAMES.index(first), NAMES.index(last or first)
            found |= set(range(one, two + 1)) if one <= two else {*range(one, 7), *range(two + 1)}
        if place:
            public_holidays(place, 2026)  # any year: whether the place is known
        return cls(
            zone,
            frozenset(found),
            place,
            frozenset(map(date.fromisoformat, closed.replace(",", " ").split())),
        )

    def on(self, day: date) -> bool:
        """Whether the organisation works on this day of its own calendar."""
        if day.weekday() not in self.days or day in self.closed:
            return False
        return not self.place or day not in public_holidays(self.place, day.year)

    def after(self, moment: datetime) -> datetime:
        """One working day later (UTC): the same time, by the organisation's clock, on its next working day."""
        local = moment.astimezone(ZoneInfo(self.zone)) + timedelta(days=1)
        while not self.on(local.date()):
            local += timedelta(days=1)
        return local.astimezone(UTC)

    def told(self) -> str:
        """`Mon, Tue, without public holidays of CH-ZH and 2 days of its own`."""
        days = ", ".join(NAMES[day] for day in sorted(self.days))
        free = [f"public holidays of {self.place}"] if self.place else []
        if self.closed:
            free.append(f"{len(self.closed)} {'day' if len(self.closed) == 1 else 'days'} of its own")
        return f"{days}, without {' and '.join(free)}" if free else days
