"""Rules of trail reviews: filters, sample, what outdates one; from facts alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.errors import BadInput, WrongState
from apps.core.workdays import WorkingDays
from apps.quality.review_rules import (
    FOLDER,
    Line,
    WorkingHours,
    check_finding,
    check_marks,
    draw,
    exceptions,
    may_open,
    must_be_complete,
    outdates,
    review_rules,
    sample_size,
    wanted_comment,
)

RULES = review_rules()
ZURICH = WorkingHours.parse(WorkingDays.parse("Europe/Zurich", "Mon-Fri"), "06:00-20:00")
NOON = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday


def line(entry, act, **more):
    given = {"at": NOON, "kind": "act", "person": True} | more
    return Line(entry=entry, act=act, **given)


def caught(code, *lines, covered=None):
    chosen = {one.entry for one in lines} if covered is None else covered
    return exceptions(lines, chosen, ZURICH, RULES)[code]


def test_every_filter_catches_what_it_names_and_nothing_else():
    lines = [
        line(1, "registry.register_version"),
        line(2, "registry.add_author"),
        line(3, "registry.freeze"),
        line(4, "registry.add_author"),
        line(5, "validations.write_plan"),
        line(6, "validations.sign_plan_approval"),
        line(7, "validations.start_run"),
        line(8, "validations.write_plan"),
        line(9, "validations.start_run"),
        line(10, "approvals.sign_approval", decision="rejected"),
        line(11, "validations.start_run", kind="refusal", rule="duty"),
        line(12, "approvals.sign_approval", kind="refusal", rule="21 CFR 11.200(a)(1)"),
        line(13, "registry.freeze", duties=("administrator on organisation:0",)),
        line(14, "registry.freeze", at=NOON.replace(hour=22)),
        line(15, "validations.finish_run", at=NOON.replace(hour=22), person=False),
    ]
    assert exceptions(lines, {one.entry for one in lines}, ZURICH, RULES) == {
        "late_edits": [4],
        "repeated_runs": [9],
        "criteria_edits": [8],
        "refusals": [11, 12],
        "off_hours": [14],
        "administrator": [13],
        "rejected": [10],
        "failed_signing": [12],
    }


def test_what_came_before_the_range_tells_what_is_late_and_repeated_in_it():
    lines = [line(1, "registry.freeze"), line(2, "validations.start_run"), line(3, "validations.start_run")]
    lines.append(line(4, "registry.add_author"))
    assert caught("repeated_runs", *lines, covered={3, 4}) == [3]
    assert caught("late_edits", *lines, covered={3, 4}) == [4]
    assert caught("repeated_runs", *lines, covered={4}) == []


@pytest.mark.parametrize(
    ("moment", "inside"),
    [
        (datetime(2026, 11, 18, 4, 59, tzinfo=UTC), False),  # 05:59 in Zurich, winter
        (datetime(2026, 11, 18, 5, 0, tzinfo=UTC), True),
        (datetime(2026, 7, 15, 4, 0, tzinfo=UTC), True),  # 06:00 in Zurich, summer
        (datetime(2026, 11, 18, 18, 59, tzinfo=UTC), True),
        (datetime(2026, 11, 18, 19, 0, tzinfo=UTC), False),
        (datetime(2026, 11, 21, 12, 0, tzinfo=UTC), False),  # a Saturday
        (datetime(2026, 11, 22, 23, 30, tzinfo=UTC), False),  # Monday 00:30 in Zurich
    ],
)
def test_hours_are_the_organisations_own(moment, inside):
    assert ZURICH.within(moment) is inside


@pytest.mark.parametrize(
    "bad",
    [
        ("Atlantis", "Mon-Fri", "06:00-20:00"),
        ("UTC", "Mon-Fry", "06:00-20:00"),
        ("UTC", "", "06:00-20:00"),
        ("UTC", "Mon", "20:00-06:00"),
        ("UTC", "Mon", "6 to 8"),
    ],
)
def test_hours_that_cannot_be_read_are_an_error(bad):
    with pytest.raises((ValueError, KeyError)):
        WorkingHours.parse(WorkingDays.parse(*bad[:2]), bad[2])


@given(st.lists(st.integers(1, 10**9), unique=True, max_size=200), st.text(min_size=1, max_size=32))
def test_a_sample_can_be_drawn_again_in_any_order(entries, seed):
    size = sample_size(len(entries), RULES)
    drawn = draw(seed, entries, size)
    assert drawn == draw(seed, list(reversed(entries)), size)
    assert len(drawn) == size == len(set(drawn))
    assert set(drawn) <= set(entries)


@pytest.mark.parametrize(
    ("acts", "size"), [(0, 0), (1, 1), (4, 4), (5, 5), (16, 5), (17, 6), (100, 11), (10**4, 50)]
)
def test_the_sample_grows_with_the_root_of_the_acts(acts, size):
    assert sample_size(acts, RULES) == size


def test_seeds_draw_different_samples():
    entries = range(1, 400)
    assert len({tuple(draw(f"{seed:032x}", entries, 20)) for seed in range(50)}) == 50


@pytest.mark.parametrize(
    ("act", "reads", "does"),
    [
        ("validations.start_run", False, True),
        ("validations.finish_run", False, True),
        ("registry.add_author", False, True),
        ("fairness.request_report", False, True),
        ("approvals.suspend", False, True),
        ("approvals.sign_approval", False, False),
        ("approvals.open_gate", False, False),
        ("quality.open_deviation", False, False),
        ("quality.sign_trail_review", False, False),
        ("packs.finish_pack", False, False),
        ("datasets.download_version", True, False),
    ],
)
def test_what_outdates_a_review(act, reads, does):
    assert outdates(act, RULES, reads=reads) is does


def test_comments_are_wanted_where_a_filter_says_so():
    found = {"late_edits": [4], "refusals": [5]}
    assert wanted_comment(4, found, RULES)
    assert not wanted_comment(5, found, RULES)
    assert not wanted_comment(6, found, RULES)


@pytest.mark.parametrize(
    ("entries", "comment", "field"),
    [
        ([], "", "entries"),
        ([9], "", "entries"),
        (list(range(1000)), "x", "entries"),
        ([2], "", "comment"),
        ([2], "  ", "comment"),
        ([1], "x" * 5000, "comment"),
    ],
)
def test_marks_that_are_no_good_are_said_beside_their_field(entries, comment, field):
    with pytest.raises(BadInput) as refused:
        check_marks(entries, comment, set(range(1, 1000)) - {9}, {2})
    assert set(refused.value.fields) == {field}


def test_marks_are_taken_once_each():
    assert check_marks([3, 1, 3], "", {1, 3}, set()) == [3, 1]


@pytest.mark.parametrize(
    ("text", "weight", "entry", "field"),
    [
        ("", "action", None, "text"),
        ("x" * 5000, "action", None, "text"),
        ("a", "bad", None, "weight"),
        ("a", "observation", 9, "entry"),
    ],
)
def test_findings_that_are_no_good(text, weight, entry, field):
    with pytest.raises(BadInput) as refused:
        check_finding(text, weight, entry, {1})
    assert set(refused.value.fields) == {field}


def test_one_review_at_a_time_and_never_of_nothing():
    may_open("lotx/1", "", False)
    with pytest.raises(WrongState, match="second"):
        may_open("lotx/1", "TR-1", False)
    with pytest.raises(WrongState, match="nothing to review"):
        may_open("lotx/1", "", True)


def test_a_review_is_signed_when_all_was_seen_and_deviations_are_open():
    must_be_complete("TR-1", 0, [])
    for facts in ((1, []), (0, ["TR-1/1"])):
        with pytest.raises(WrongState):
            must_be_complete("TR-1", *facts)


def test_no_exception_on_an_hour_that_the_clock_has_twice():
    """The hour after midnight UTC of the last Sunday in October is there twice in Zurich; neither is working time."""
    begins = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert not ZURICH.within(begins)
    assert not ZURICH.within(begins + timedelta(hours=1))


def test_a_version_of_the_rules_that_was_signed_never_changes():
    """Its words are part of what reviewers signed: a change is a new file."""
    known = {1: "e72aca912a44bba3e85fb531e0a20d2b6e88f5beca92627c66ed009ac811f0a8"}
    files = {int(path.stem[1:]): sha256(path.read_bytes()).hexdigest() for path in FOLDER.glob("v*.json")}
    assert files == known
