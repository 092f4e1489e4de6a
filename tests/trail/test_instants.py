"""The moment that is asked for: what is read of it, and the sentence where it cannot be."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from apps.core.clock import now
from apps.trail import instants
from apps.trail.instants import BadInstant, first_entry, known, read

NINE = datetime(2026, 11, 1, 9, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-01T09:00:00Z",
        "2026-11-01T09:00Z",
        "2026-11-01 09:00:00Z",
        "2026-11-01T10:00:00+01:00",
        "2026-11-01T10:00:00 01:00",  # a plus sign, as it comes out of an address
        "2026-11-01T04:30:00-04:30",
        " 2026-11-01T09:00:00.000000z ",
    ],
)
def test_an_instant_has_a_zone(text):
    assert read(text).moment == NINE
    assert read(text).text == "2026-11-01T09:00:00Z"
    assert read(text).words == ""


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-11-01T09:00:00", "does not say of which zone"),
        ("yesterday", "is no moment"),
        ("2026-02-30", "is no moment"),
        ("2026-13-01T09:00:00Z", "is no moment"),
        ("2026-11-01T25:00:00Z", "is no moment"),
        ("20261101", "is no moment"),
        ("1762000000", "is no moment"),
        ("0001-01-01T00:00:00+14:00", "is no moment"),
        ("", "is no moment"),
        ("2026-11-01T09:00:00Z; DROP TABLE trail_entry", "is no moment"),
        ("٢٠٢٦-11-01", "is no moment"),
    ],
)
def test_what_is_no_instant_is_refused_with_what_to_write(text, why):
    with pytest.raises(BadInstant) as refused:
        read(text)
    assert refused.value.status == 400
    assert why in refused.value.fact
    assert "2026-11-01T09:00:00Z" in refused.value.fact


def test_a_date_is_its_end_in_the_organisations_zone(settings):
    settings.ORGANISATION_TIME_ZONE = "Europe/Zurich"
    found = read("2026-11-01")
    assert found.moment == datetime(2026, 11, 1, 22, 59, 59, 999999, tzinfo=UTC)
    assert found.day == date(2026, 11, 1)
    assert found.words == "the end of 2026-11-01 in Europe/Zurich, the organisation's zone"


@pytest.mark.parametrize(
    ("zone", "day", "end"),
    [
        # The day on which clocks go back has 25 hours, the one on which they go forward 23.
        ("Europe/Zurich", "2026-10-25", "2026-10-25T22:59:59.999999Z"),
        ("Europe/Zurich", "2026-10-24", "2026-10-24T21:59:59.999999Z"),
        ("Europe/Zurich", "2026-03-29", "2026-03-29T21:59:59.999999Z"),
        ("Europe/Zurich", "2026-03-28", "2026-03-28T22:59:59.999999Z"),
        # There midnight itself is left out: the day before ends where the clock jumps to one.
        ("America/Santiago", "2026-09-05", "2026-09-06T03:59:59.999999Z"),
        ("Asia/Tokyo", "2026-11-01", "2026-11-01T14:59:59.999999Z"),
    ],
)
def test_a_day_ends_when_the_clocks_of_the_zone_say_so(settings, zone, day, end):
    settings.ORGANISATION_TIME_ZONE = zone
    assert read(day).text == end


def test_the_repeated_hour_is_two_instants():
    first, second = read("2026-10-25T02:30:00+02:00"), read("2026-10-25T02:30:00+01:00")
    assert second.moment - first.moment == timedelta(hours=1)


@pytest.mark.django_db
def test_nothing_is_told_of_what_lies_ahead_or_before_the_trail(world):
    with pytest.raises(BadInstant, match="nothing to show") as ahead:
        known(read((now() + timedelta(hours=1)).isoformat()))
    assert "This moment lies ahead" in ahead.value.fact
    with pytest.raises(BadInstant) as today:
        known(read((now() + timedelta(days=1)).date().isoformat()))
    assert "This day is not over" in today.value.fact
    began = first_entry()
    with pytest.raises(BadInstant) as before:
        known(read("2001-01-01T00:00:00Z"))
    assert f"it begins at {began:%Y-%m-%d %H:%M:%S} UTC" in before.value.fact
    assert known(instants.Instant(began)).moment == began
