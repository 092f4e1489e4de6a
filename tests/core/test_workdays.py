"""Working days by the organisation's clock, with its weekdays, public holidays and days of its own."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.workdays import WorkingDays, public_holidays

ZURICH = WorkingDays.parse("Europe/Zurich", "Mon-Fri", "CH-ZH", "2026-12-24, 2026-12-31")


def test_days_may_wrap_round_the_week():
    assert WorkingDays.parse("UTC", "Sun-Tue").days == {6, 0, 1}
    assert WorkingDays.parse("UTC", "Mon,Wed").days == {0, 2}


@pytest.mark.parametrize(
    "bad",
    [
        ("Atlantis", "Mon-Fri"),
        ("UTC", "Mon-Fry"),
        ("UTC", ""),
        ("UTC", "Mon-Fri", "XX"),
        ("UTC", "Mon-Fri", "CH-XX"),
        ("UTC", "Mon-Fri", "", "24.12.2026"),
    ],
)
def test_a_calendar_that_cannot_be_read_is_an_error(bad):
    with pytest.raises((ValueError, KeyError)):
        WorkingDays.parse(*bad)


def test_holidays_are_those_of_the_law():
    """Swiss federal law names the 1 August; Zurich's law Easter Monday, Ascension, Whit Monday and others."""
    known = {date(2026, 1, 1), date(2026, 4, 3), date(2026, 4, 6), date(2026, 5, 14), date(2026, 5, 25)}
    assert known | {date(2026, 8, 1), date(2026, 12, 25), date(2026, 12, 26)} <= public_holidays(
        "CH-ZH", 2026
    )
    assert date(2026, 7, 4) in public_holidays("US", 2026)


@pytest.mark.parametrize(
    ("moment", "later"),
    [
        ("2026-12-23T08:00", "2026-12-28T08:00"),  # closed, Christmas Day, Saturday, Sunday
        ("2026-04-02T08:00", "2026-04-07T08:00"),  # Maundy Thursday: after Easter Monday
        ("2026-12-27T23:30", "2026-12-28T23:30"),  # already Monday in Zurich
        (
            "2026-03-27T08:00",
            "2026-03-30T07:00",
        ),  # the clock goes forward on the Sunday between: still 9 in Zurich
    ],
)
def test_one_working_day_later(moment, later):
    at = datetime.fromisoformat(moment).replace(tzinfo=UTC)
    assert ZURICH.after(at) == datetime.fromisoformat(later).replace(tzinfo=UTC)


@given(
    st.integers(0, 5_000_000).map(
        lambda minutes: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    )
)
def test_what_is_due_is_due_on_the_first_working_day_after(moment):
    due = ZURICH.after(moment)
    here, there = (each.astimezone(ZoneInfo("Europe/Zurich")).date() for each in (moment, due))
    between = [here + timedelta(days=n) for n in range(1, (there - here).days)]
    assert here < there
    assert ZURICH.on(there)
    assert not any(map(ZURICH.on, between))


def test_it_is_told_with_what_is_free():
    assert WorkingDays.parse("UTC", "Mon-Tue").told() == "Mon, Tue"
    assert ZURICH.told() == "Mon, Tue, Wed, Thu, Fri, without public holidays of CH-ZH and 2 days of its own"
