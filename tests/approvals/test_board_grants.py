"""Seats on review boards: reviewed, lapsed when nobody confirms them, in the access register as of any moment."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access import lapsing
from apps.access.actors import as_actor
from apps.access.acts import withdraw_review
from apps.access.models import ReviewSheet
from apps.access.register_grants import OTHER, as_data, in_force_at
from apps.access.reviewing import shown
from apps.approvals import board_change_acts, board_seat_acts
from apps.approvals.board_models import BoardMember
from apps.core.clock import now
from tests.access.test_reviews import decide, later, opened, sheet_of, sign
from tests.approvals.boards import approved, founded, open_change, planned, proposed, seat, seats
from tests.factories.doors import browser, session_api, text_of

pytestmark = pytest.mark.evidence("high_gate")


def seats_on(sheet) -> set[tuple[str, str]]:
    return {(line["person"], line["word"]) for line in sheet.lines if line["duty"] == "seat"}


def sheets_of(review) -> list[ReviewSheet]:
    return list(ReviewSheet.objects.filter(review=review).select_related("review"))


def state_of(board, person: str) -> tuple[str, str]:
    member = board.members.get(person__username=person)
    return member.state, member.closed_by.username if member.closed_by else ""


def test_a_seat_stands_on_the_sheet_of_each_model_its_board_is_asked_about(world, high_gate):
    board = founded(world)
    other = founded(world, {}, name="Data board")
    seat(world, other, "monitor", "legal")
    quiet = opened(world, models=[world.model.pk])
    assert all(seats_on(sheet) == set() for sheet in sheets_of(quiet))
    for sheet in sheets_of(quiet):
        assert sheet.lines
    withdraw_review(world.compliance, quiet.pk, reason="Opened again")
    planned(world, high_gate, board)
    review = opened(world, models=[world.model.pk, world.other_model.pk])
    found = {sheet.scope_id: set() for sheet in sheets_of(review)}
    for sheet in sheets_of(review):
        found[sheet.scope_id] |= seats_on(sheet)
    assert found == {
        world.other_model.pk: set(),
        world.model.pk: {
            ("security", "in the chair of Release board for security"),
            ("process_expert", "member of Release board for domain"),
            ("stranger", "member of Release board for ethics"),
            ("author", "member of Release board for product"),
        },
    }


def test_every_seat_stands_with_the_organisations_own_duties(world):
    board = founded(world)
    ended = seat(world, board, "monitor", "legal")
    board_seat_acts.end_seat(world.compliance, ended.pk, reason="Left")
    review = opened(world, organisation=True)
    found = set().union(*(seats_on(sheet) for sheet in sheets_of(review)))
    assert {person for person, _word in found} == {"security", "process_expert", "stranger", "author"}


def test_a_seat_is_kept_or_ended_by_the_owner_of_the_model(world, high_gate):
    board = founded(world)
    planned(world, high_gate, board)
    review = opened(world)
    sheet = sheet_of(review)
    board_seat_acts.end_seat(world.compliance, seats(board, "author")[0], reason="Left the function")
    assert {
        line["decision"] for line in shown(sheet) if line["ref"] == f"BM-{seats(board, 'author')[0]}"
    } == {"gone"}
    decide(world, sheet, end=("stranger",))
    assert state_of(board, "stranger") == ("approved", "")
    sign(world, sheet)
    assert state_of(board, "stranger") == ("ended", "owner")
    assert board.members.get(person=world.stranger).end_reason == f"{review.ref}: Moved to another team"
    assert state_of(board, "security") == ("approved", "")
    assert state_of(board, "author") == ("ended", "compliance")


def test_seats_that_nobody_confirmed_lapse(world, high_gate, monkeypatch):
    board = founded(world)
    planned(world, high_gate, board)
    review = opened(world)
    later(monkeypatch, days=15)
    lapsing.lapse_reviews()
    for person in ("security", "process_expert", "stranger", "author"):
        state, by = state_of(board, person)
        assert (state, by not in ("", "owner", "compliance")) == ("ended", True)
    told = board.members.get(person=world.stranger).end_reason
    assert told.startswith(f"Nobody confirmed it in {review.ref}")


def named(world, moment) -> set[str]:
    kind = OTHER["seats"]
    return {row.username_then for row in in_force_at(as_actor(world.compliance), kind, moment)}


def test_the_register_says_who_had_a_seat_at_any_moment(world, high_gate):
    start = now()
    board = approved(world, proposed(world))
    asked = board_seat_acts.request_seat(
        world.registrar, board.pk, person_id=world.stranger.pk, function="ethics", reason="Ethics"
    )
    requested = now()
    board_seat_acts.approve_seat(world.compliance, asked.pk)
    held = now()
    seat(world, board, "security", "security", chair=True)
    both = now()
    board_seat_acts.end_seat(world.compliance, asked.pk, reason="Left")
    after = now()
    board_change_acts.end_board(world.registrar, board.pk, reason="Not needed")
    board_change_acts.approve_board_change(world.compliance, open_change(board).pk)
    assert [named(world, each) for each in (start, requested, held, both, after, now())] == [
        set(),
        set(),
        {"stranger"},
        {"stranger", "security"},
        {"security"},
        set(),
    ]
    row = in_force_at(as_actor(world.compliance), OTHER["seats"], both).get(username_then="security")
    told = as_data(OTHER["seats"], row)
    assert told["access"] == f"BM-{row.id}, chair of Release board ({board.ref}) for security"
    assert (told["record"], told["intact"], told["until"]) == ("approvals.board_member", True, None)
    assert BoardMember.objects.count() == 2


def test_the_register_of_seats_in_page_and_api(world, django_assert_max_num_queries):
    board = founded(world)
    client = browser(world.compliance)
    page = text_of(client.get("/access-register/seats/"))
    assert "Seats on review boards" in page
    assert f"member of Release board ({board.ref}) for ethics" in page
    told = session_api(world.compliance).get("/api/v1/access-register/other/seats").json()
    assert {row["username"] for row in told["results"]} == {
        "security",
        "process_expert",
        "stranger",
        "author",
    }
    queries = count(world)
    seat(world, board, "monitor", "legal")
    with django_assert_max_num_queries(queries):
        client.get("/access-register/seats/")


def count(world) -> int:
    client = browser(world.compliance)
    client.get("/access-register/seats/")
    with CaptureQueriesContext(connection) as caught:
        client.get("/access-register/seats/")
    return len(caught)
