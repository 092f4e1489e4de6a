"""Rules of deviations, without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from apps.core.errors import BadInput, WrongState
from apps.quality import rules

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def test_only_open_or_expired_ones_are_accepted():
    rules.may_accept("DEV-1", "open", None, NOW)
    rules.may_accept("DEV-1", "accepted", NOW - timedelta(seconds=1), NOW)
    for state, until in (("accepted", None), ("accepted", NOW + timedelta(days=1)), ("closed", None)):
        with pytest.raises(WrongState):
            rules.may_accept("DEV-1", state, until, NOW)


def test_a_closed_one_is_not_closed_again():
    rules.may_close("DEV-1", "open")
    rules.may_close("DEV-1", "accepted")
    with pytest.raises(WrongState):
        rules.may_close("DEV-1", "closed")


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ("", None),
        ("2027-01-31", datetime(2027, 1, 31, tzinfo=UTC)),
        ("2027-01-31T10:00:00+02:00", datetime(2027, 1, 31, 8, tzinfo=UTC)),
    ],
)
def test_the_end_of_an_acceptance_is_read_as_utc(given, wanted):
    assert rules.parse_expiry(given, NOW) == wanted


@pytest.mark.parametrize(
    "given",
    [
        "soon",
        "2026-11-21",
        "2026-11-21T12:00:00Z",
        "31.01.2027",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
    ],
)
def test_an_end_that_is_past_or_unreadable_is_bad_input(given):
    with pytest.raises(BadInput) as refused:
        rules.parse_expiry(given, NOW)
    assert list(refused.value.fields) == ["expires_at"]


def test_title_and_description_are_needed():
    with pytest.raises(BadInput) as refused:
        rules.refuse_bad_text(" ", "")
    assert set(refused.value.fields) == {"title", "description"}
    with pytest.raises(BadInput) as refused:
        rules.refuse_bad_text("x" * 201, "found")
    assert set(refused.value.fields) == {"title"}
