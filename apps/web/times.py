"""Times as people read them: UTC first, then the reader's own zone, both named (21 CFR 11.50, Annex 11)."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_named(name: str | None) -> ZoneInfo | None:
    """The zone of that IANA name; None for UTC, for no name and for a name the system does not know."""
    if not name or name in ("UTC", "Etc/UTC"):
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None


def offset(moment: datetime) -> str:
    """`UTC+01:00` for an aware moment."""
    shift = moment.utcoffset()
    if shift is None:
        raise ValueError("A time without a zone cannot be shown.")
    minutes = int(shift.total_seconds() // 60)
    sign = "-" if minutes < 0 else "+"
    return f"UTC{sign}{abs(minutes) // 60:02d}:{abs(minutes) % 60:02d}"


def spoken(moment: datetime, zone_name: str | None = None, *, seconds: bool = False) -> str:
    """`2026-11-19 14:02 UTC (15:02 Europe/Zurich, UTC+01:00)`; the local date too when it differs.

    `moment` must be aware; raises ValueError otherwise.
    """
    if moment.tzinfo is None:
        raise ValueError("A time without a zone cannot be shown.")
    clock = "%H:%M:%S" if seconds else "%H:%M"
    utc = moment.astimezone(UTC)
    text = utc.strftime(f"%Y-%m-%d {clock} UTC")
    zone = zone_named(zone_name)
    if zone is None:
        return text
    local = utc.astimezone(zone)
    shape = clock if local.date() == utc.date() else f"%Y-%m-%d {clock}"
    return f"{text} ({local.strftime(shape)} {zone.key}, {offset(local)})"


def day_begins(day: date) -> datetime:
    """The first moment of a UTC day."""
    return datetime.combine(day, time.min, UTC)


def day_ends(day: date) -> datetime:
    """The last moment of a UTC day."""
    return datetime.combine(day, time.max, UTC)
