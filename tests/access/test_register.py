"""The access register tells of any moment what the gate said then."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.access import gate, register
from apps.access.actors import Actor
from apps.access.acts import (
    approve_assignment,
    approve_inspection,
    confirm_identity,
    create_account,
    create_token,
    deactivate_account,
    end_assignment,
    request_assignment,
    request_inspection,
    set_password,
)
from apps.access.duties import MODEL, Duty
from apps.access.facts import facts_of
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Assignment
from apps.access.policy import TABLE, policy
from apps.access.register_grants import OTHER, in_force_at
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Refused
from apps.datasets.sensitive_acts import grant_read, mark_sensitive, request_read
from tests.cast import PASSWORD, give
from tests.datasets.test_acts import uploaded
from tests.factories.doors import browser, session_api, text_of
from tests.factories.services import service

pytestmark = pytest.mark.django_db

# Acts by their duties alone: what state and separation add is another question.
ASKED = (
    ("registry.register_version", "model"),
    ("registry.write_intended_use", "model"),
    ("access.request_assignment", "model"),
    ("access.request_waiver", "model"),
    ("datasets.upload_version", "dataset"),
    ("datasets.upload_test_version", "dataset"),
    ("datasets.mark_sensitive", "dataset"),
    ("access.create_account", "organisation"),
    ("registry.register_model", "organisation"),
    ("access.request_inspection", "organisation"),
)


def subject_of(world, where: str):
    return {"model": world.model, "dataset": world.dataset, "organisation": ORGANISATION_SUBJECT}[where]


def said_by_gate(world, people) -> dict[tuple[str, str], bool]:
    """Duty and sight, as the gate judges them now."""
    found = {}
    with shared():
        for person in User.objects.filter(pk__in=[person.pk for person in people]):
            for act, where in ASKED:
                verdict = gate.may(person, act, subject_of(world, where))
                found[person.username, act] = verdict.allowed or verdict.status not in (403, 404)
    return found


def said_by_register(world, people, moment) -> dict[tuple[str, str], bool]:
    rows = list(register.held_at(moment))
    found = {}
    for person in people:
        for act, where in ASKED:
            parents = {*facts_of(subject_of(world, where)).parents, ("organisation", 0)}
            found[person.username, act] = any(
                row.person_id == person.pk
                and (row.scope_kind, row.scope_id) in parents
                and register.could(
                    policy(act),
                    duty=row.duty,
                    scope_kind=row.scope_kind,
                    identified=row.identified_then is not None,
                )
                for row in rows
            )
    return found


@pytest.mark.long
@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(1, 12))])
def test_the_register_at_any_moment_is_what_the_gate_said_then(world, seed):
    """Assignments, ends, expiries, departures, inspections in a random order; the gate is asked after each."""
    chance = random.Random(seed)
    names = ("author", "curator", "steward", "validator", "owner", "administrator", "inspector", "stranger")
    people = [world.people[name] for name in names]
    for number in range(2):
        made = create_account(
            world.administrator,
            username=f"new{number}",
            printed_name=f"New {number}",
            email=f"new{number}@example.org",
        )
        people.append(set_password(made, made.pk, password=PASSWORD))
    spare = [*people[-2:], world.stranger]
    told: list[tuple[datetime, dict[tuple[str, str], bool]]] = []

    def ask_and_approve():
        person, parent = chance.choice(spare), chance.choice([world.model, world.dataset])
        kinds = ["owner", "developer", "validator"] + (
            ["curator", "steward"] if parent == world.dataset else []
        )
        ends = now() + timedelta(milliseconds=chance.choice([60, 200, 10**9]))
        asked = request_assignment(
            world.registrar,
            person_id=person.pk,
            duty=chance.choice(kinds),
            scope_kind=parent.subject_kind,
            scope_id=parent.pk,
            ends_at=ends,
            reason="By chance",
        )
        approve_assignment(chance.choice([world.owner, world.compliance]), asked.pk)

    def end_one():
        open_ones = list(Assignment.objects.active().filter(person__in=spare))
        if open_ones:
            end_assignment(world.compliance, chance.choice(open_ones).pk, reason="By chance")

    def inspect():
        person = chance.choice(spare)
        found = request_inspection(
            world.administrator,
            person_id=person.pk,
            authority="Agency",
            places=[(MODEL, world.model.pk)],
            ends_at=now() + timedelta(milliseconds=chance.choice([80, 10**8])),
            reason="By chance",
        )
        approve_inspection(world.compliance, found.pk)

    def leave():
        if chance.random() < 0.3:
            deactivate_account(world.administrator, spare[0].pk, reason="Left")

    def identify():
        confirm_identity(world.compliance, chance.choice(spare).pk, how="known")

    for _step in range(14):
        try:
            chance.choice(
                [ask_and_approve, ask_and_approve, ask_and_approve, end_one, inspect, leave, identify]
            )()
        except Refused:
            continue  # by chance it was not allowed: nothing changed
        finally:
            first, between = said_by_gate(world, people), now()
            if said_by_gate(world, people) == first:  # nothing ran out while it was asked
                told.append((between, first))
    assert len(told) > 5
    for moment, answer in told:
        found = said_by_register(world, people, moment)
        different = {key: (answer[key], found[key]) for key in answer if answer[key] != found[key]}
        assert not different, (seed, moment)


def test_rows_written_in_the_same_instant_are_told_apart(world, monkeypatch):
    """A coarse clock gives several rows of one record the same time: the last written counts."""
    given = give(world, "stranger", "monitor", world.model)
    end_assignment(world.owner, given.pk, reason="At once")
    same = datetime(2026, 1, 1, tzinfo=UTC)
    past = Assignment.history.model
    times = [row.history_date for row in past.objects.filter(id=given.pk)]
    assert len(times) == 3
    rows = past.objects.filter(id=given.pk).order_by("history_id")
    before_end = rows[1].history_date
    assert (
        given.pk in set(register.held_at(before_end).values_list("id", flat=True))
        or rows[1].starts_at > before_end
    )
    assert given.pk not in set(register.held_at(rows[2].history_date).values_list("id", flat=True))
    newest = register.newest_at(Assignment, rows[2].history_date).get(id=given.pk)
    assert newest.history_id == max(row.history_id for row in rows)
    assert not register.held_at(same).exists(), "before the installation nobody could do anything"


def test_rows_of_one_instant_under_a_frozen_clock(world, monkeypatch):
    frozen = now()
    monkeypatch.setattr("django.utils.timezone.now", lambda: frozen)
    given = give(world, "stranger", "monitor", world.model)
    end_assignment(world.owner, given.pk, reason="At once")
    dates = set(Assignment.history.model.objects.filter(id=given.pk).values_list("history_date", flat=True))
    assert dates == {frozen}
    later = now()
    assert given.pk not in set(register.held_at(later).values_list("id", flat=True))
    assert register.newest_at(Assignment, later).filter(id=given.pk).count() == 1


def test_each_row_says_whether_it_is_as_the_portal_wrote_it(world):
    row = register.held_at(now()).first()
    said = register.as_data(row, "lotx", register.standing_at(now()))
    assert said["intact"]
    row.duty = "deployer"
    assert not register.as_data(row, "lotx", register.standing_at(now()))["intact"]


def test_by_person_object_and_act(world):
    actor, rows = Actor.of(world.compliance), register.register(Actor.of(world.compliance), now())
    assert {r.duty for r in register.by_person(rows, "@author")} == {"developer"}
    assert {r.username_then for r in register.by_person(rows, "Cora")} == {"compliance"}
    on_other = register.on_object(actor, rows, "visc")
    assert {r.username_then for r in on_other} == {"other_owner", "other_developer"}
    assert {r.duty for r in register.on_object(actor, rows, "organisation")} == {
        "administrator",
        "compliance",
        "inspector",
        "registrar",
    }
    able = {(r.username_then, r.scope_kind) for r in register.holding(rows, "datasets.upload_test_version")}
    assert able == {("steward", "datasets.dataset")}
    assert {r.duty for r in register.holding(rows, "access.approve_organisation_assignment")} == {
        "compliance"
    }


def test_who_sees_the_register(world):
    moment = now()

    def seen(name: str) -> set[tuple[str, str]]:
        rows = register.register(Actor.of(world.people[name]), moment)
        return {(r.username_then, r.duty) for r in rows}

    everything = {(a.person.username, a.duty) for a in Assignment.objects.active().select_related("person")}
    assert seen("compliance") == everything
    assert seen("inspector") == everything
    assert seen("stranger") == set()
    assert ("other_owner", "owner") not in seen("author")
    assert ("validator", "validator") in seen("author")


def test_an_administrator_could_nothing_on_models(world):
    acts = {row.act for row in register.acts_of(Duty.ADMINISTRATOR, "organisation")}
    assert "access.create_account" in acts
    assert not {a for a in acts if TABLE[a].subject.startswith(("registry.", "packs.", "validations."))}


def test_the_number_of_queries_does_not_grow_with_the_rows(world, django_assert_num_queries):
    actor = Actor.of(world.compliance)
    rows = register.register(actor, now())
    for shown in (rows[:1], rows):
        with django_assert_num_queries(1):
            found = list(shown)
        with django_assert_num_queries(4):  # with the training matrix and the policy table of then
            standing = register.standing_at(now())
            [register.as_data(row, "lotx", standing) for row in found]


# ---------------------------------------------------------------- beside duties


def named(actor, kind: str, moment=None) -> set[tuple[str, int]]:
    rows = in_force_at(Actor.of(actor), OTHER[kind], moment or now())
    return {(row.username_then, row.id) for row in rows}


def test_tokens_services_and_read_access_as_of_any_moment(world):
    before = now()
    version = uploaded(world)
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients")
    asked = request_read(world.author, version.pk, hours=8, reason="Query 7")
    grant = grant_read(world.steward, asked.pk, hours=8)
    token = create_token(world.author, name="ci")
    made = service(world)
    during = now()
    assert named(world.compliance, "tokens") == {("author", token.pk)}
    assert named(world.compliance, "services") == {("author", made.pk)}
    assert named(world.compliance, "read-access") == {("author", grant.pk)}
    deactivate_account(world.administrator, world.author.pk, reason="Left")
    for kind, row in (("tokens", token), ("services", made), ("read-access", grant)):
        assert named(world.compliance, kind) == set()
        assert named(world.compliance, kind, before) == set()
        assert named(world.compliance, kind, during) == {("author", row.pk)}
        assert named(world.stranger, kind, during) == set()
    assert named(world.steward, "read-access", during) == {("author", grant.pk)}
    assert named(world.steward, "tokens", during) == set()


def test_the_other_access_is_read_with_as_many_queries_for_many_as_for_few(world):
    client = browser(world.compliance)
    create_token(world.author, name="one", objects=[("registry.model", world.model.pk)])
    client.get("/access-register/tokens/")
    with CaptureQueriesContext(connection) as few:
        page = text_of(client.get("/access-register/tokens/"))
    assert "one (cs_" in page
    assert "on model lotx" in page
    create_token(world.author, name="two", only_acts=["registry.freeze"])
    create_token(world.colleague, name="three", objects=[("registry.model", world.model.pk)])
    with CaptureQueriesContext(connection) as many:
        assert "three (cs_" in text_of(client.get("/access-register/tokens/"))
    assert len(many) == len(few)
    told = session_api(world.compliance).get("/api/v1/access-register/other/tokens").json()
    assert [row["username"] for row in told["results"]] == ["author", "author", "colleague"]
    assert all(row["intact"] for row in told["results"])
    assert session_api(world.compliance).get("/api/v1/access-register/other/everything").status_code == 404
    assert client.get("/access-register/everything/").status_code == 404
