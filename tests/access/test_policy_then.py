"""The register of a past day tells what a duty allowed then, by the policy table entered then, or that it cannot."""

from __future__ import annotations

from dataclasses import replace

import pytest

from apps.access import policy_then, register
from apps.access.actors import Actor
from apps.access.acts.logs import enter_policy
from apps.access.duties import Duty
from apps.access.policy import TABLE
from apps.core.clock import now
from apps.core.errors import NotAllowed
from apps.trail import verifier
from apps.trail.models import Entry
from portal import starting
from tests.access.telling import refused
from tests.factories.doors import browser, session_api, text_of

ACT = policy_then.ACT
SUSPEND, DOWNLOAD = "approvals.suspend", "registry.download_artefact"


def test_the_table_is_said_and_read_again_whole():
    said, known = policy_then.running()
    back = policy_then.read(said)
    assert policy_then.said_of(back) == said
    for kind in ("organisation", "registry.model", "datasets.dataset"):
        for duty in Duty:
            for identified in (True, False):
                now_told = register.acts_of(duty, kind, identified=identified)
                then_told = register.acts_of(duty, kind, identified=identified, table=back)
                assert [row.act for row in then_told] == [row.act for row in now_told]
    assert known.startswith("sha256:")


@pytest.fixture
def two_releases(world, monkeypatch):
    """(before any table was entered, under the earlier one, under today's)."""
    before = now()
    table = dict(TABLE)
    table[SUSPEND] = replace(table[SUSPEND], duties=frozenset({Duty.OWNER}))
    table["approvals.retire"] = replace(table[SUSPEND], act="approvals.retire", label="Retire")
    del table[DOWNLOAD]
    with monkeypatch.context() as running:
        running.setattr(policy_then, "TABLE", table)
        assert [policy_then.enter_if_changed(), policy_then.enter_if_changed()] == [True, False]
    under = now()
    assert [policy_then.enter_if_changed(), policy_then.enter_if_changed()] == [True, False]
    return before, under, now()


def able(world, act: str, moment) -> set[str]:
    rows = register.register(Actor.of(world.compliance), moment)
    standing = register.standing_at(moment)
    return {row.username_then for row in register.holding(rows, act, standing.policy.rows)}


@pytest.mark.django_db
def test_a_past_day_is_told_by_the_table_of_then(world, two_releases):
    before, under, today = two_releases
    assert able(world, SUSPEND, under) == {"owner", "other_owner"}
    assert not {"owner", "other_owner"} & able(world, SUSPEND, today)
    assert able(world, DOWNLOAD, under) == set()
    assert "author" in able(world, DOWNLOAD, today)
    assert able(world, "approvals.retire", under) == {"owner", "other_owner"}
    assert able(world, "approvals.retire", today) == set()
    told = policy_then.at(under)
    assert "the policy table that was in force then, entered on" in told.told()
    assert told.digest != policy_then.at(today).digest
    assert policy_then.at(before).since is None
    assert "is not in the trail" in policy_then.at(before).told()
    assert verifier.verify().ok


@pytest.mark.django_db
def test_page_and_api_say_by_which_table(world, two_releases):
    before, under, _today = two_releases
    page = browser(world.compliance).get(
        "/access-register/", {"as-of": under.isoformat(), "act": "approvals.retire"}
    )
    assert "the policy table that was in force then" in text_of(page)
    assert "Retire (approvals.retire)" in text_of(page)
    early = browser(world.compliance).get("/access-register/", {"as-of": before.isoformat()})
    assert "Which policy table was in force then is not in the trail" in text_of(early)
    client = session_api(world.compliance)
    answer = client.get("/api/v1/access-register", {"as_of": under.isoformat(), "act": "approvals.retire"})
    lines = answer.json()["results"]
    line = lines[0]
    assert {each["username"] for each in lines} == {"owner", "other_owner"}
    assert line["policy"] == policy_then.at(under).digest
    assert line["policy_since"] is not None
    assert "approvals.retire" in line["acts"]
    assert client.get("/api/v1/access-register", {"act": "approvals.nothing"}).status_code == 422


@pytest.mark.django_db
def test_a_start_enters_it_and_no_person_does(world, settings):
    settings.SECOND_FACTOR = "required"
    starting.enter_configuration()
    starting.enter_configuration()
    assert Entry.objects.filter(act=ACT, kind="act").count() == 1
    with refused(NotAllowed, "service", act=ACT, by=world.administrator):
        enter_policy(world.administrator, acts={}, digest="sha256:x")


@pytest.mark.django_db
def test_before_the_installation_nothing_is_entered(world, monkeypatch):
    monkeypatch.setattr(policy_then, "SERVICE", "not-installed-yet")
    assert not policy_then.enter_if_changed()
    assert not Entry.objects.filter(act=ACT).exists()
