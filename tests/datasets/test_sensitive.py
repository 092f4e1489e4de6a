"""Sensitive data: read under a grant only, asked for with a justification, given for hours by the steward."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from apps.access import gate
from apps.access.actors import Actor
from apps.access.acts import create_token, end_assignment
from apps.access.models import Assignment
from apps.access.policy import TABLE
from apps.core import registries
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.datasets.acts import download_version, read_test_profile
from apps.datasets.grants import ReadGrant, Unmarking
from apps.datasets.models import Dataset
from apps.datasets.sensitive_acts import (
    approve_unmark,
    end_read,
    grant_read,
    mark_sensitive,
    read_profile,
    refuse_read,
    refuse_unmark,
    request_read,
    request_unmark,
)
from tests.access.telling import assert_history, assert_told, last, refused
from tests.cast import give
from tests.datasets.test_acts import in_vault, uploaded
from tests.factories.services import as_service, service, service_token

pytestmark = pytest.mark.django_db
WHY = "To answer query 7 of the data manager"


def marked(world) -> None:
    mark_sensitive(world.owner, world.dataset.pk, reason="Patients of one small hospital")


@pytest.fixture
def version(world):
    found = uploaded(world)
    marked(world)
    found.dataset.refresh_from_db()
    return found


def asked(world, version, by="author", hours=4) -> ReadGrant:
    return request_read(world.people[by], version.pk, hours=hours, reason=WHY)


def granted(world, version, by="author", hours=4) -> ReadGrant:
    return grant_read(world.steward, asked(world, version, by, hours).pk, hours=hours)


def test_every_reading_act_asks_for_what_opens_a_sensitive_dataset():
    reading = {row.act for row in TABLE.values() if row.verbs & {"read", "read_test"}}
    # Whoever uploads test data has them already.
    assert reading - {"datasets.upload_test_version"} <= set(registries.allowance)


def test_marking_shuts_the_rows_to_everybody(world, version):
    assert_told(
        "datasets.mark_sensitive",
        by=world.owner,
        about=world.dataset,
        reason="Patients of one small hospital",
    )
    assert_history(
        Dataset.objects.get(pk=world.dataset.pk),
        act="datasets.mark_sensitive",
        by=world.owner,
        reason="Patients of one small hospital",
    )
    for name in ("author", "curator", "steward", "owner", "validator"):
        with refused(
            NotAllowed, "sensitive-access", act="datasets.download_version", by=world.people[name]
        ) as caught:
            download_version(world.people[name], version.pk, reason="Curious")
        others = "Steward Person, who grants access when you ask for it"
        wanted = others if name != "steward" else "nobody yet: an owner or compliance officer"
        assert caught.value.who[0].startswith(wanted)


def test_a_dataset_that_is_not_sensitive_is_read_as_before(world):
    found = uploaded(world)
    assert download_version(world.author, found.pk, reason="For training").digest == found.file_digest
    assert "under" not in json.loads(last("datasets.download_version").body)["facts"]
    with refused(WrongState, "sensitive-access", act="datasets.request_read", by=world.author):
        asked(world, found)


def test_the_gate_says_so_before_anybody_tries(world, version):
    verdict = gate.may(world.author, "datasets.download_version", version)
    assert (verdict.allowed, verdict.status) == (False, 403)
    assert verdict.rule.startswith("sensitive-access")
    granted(world, version)
    verdict = gate.may(world.author, "datasets.download_version", version)
    assert verdict.allowed
    assert verdict.under == (f"RA-{ReadGrant.objects.get().pk}: {WHY}",)


def test_from_request_to_use_to_lapse(world, version, monkeypatch):
    grant = asked(world, version)
    assert_told("datasets.request_read", by=world.author, about=grant, reason=WHY)
    assert_history(grant, act="datasets.request_read", by=world.author, reason=WHY)
    with pytest.raises(NotAllowed) as caught:
        download_version(world.author, version.pk, reason="For training")
    assert "is not decided yet" in caught.value.fact
    grant_read(world.steward, grant.pk, hours=2)
    grant.refresh_from_db()
    assert_told("datasets.grant_read", by=world.steward, about=grant)
    assert (grant.state, grant.hours, grant.hours_given, grant.expires_at - grant.decided_at) == (
        "granted",
        4,
        2,
        timedelta(hours=2),
    ), "what was asked for stays beside what was given"
    download_version(world.author, version.pk, reason="For training")
    facts = json.loads(last("datasets.download_version").body)["facts"]
    assert facts["under"] == [f"{grant.ref}: {WHY}"]
    with pytest.raises(NotAllowed):
        download_version(world.validator, version.pk, reason="Of somebody else's access")
    later = now() + timedelta(hours=2, seconds=1)
    for module in ("grants", "sensitive"):
        monkeypatch.setattr(f"apps.datasets.{module}.now", lambda: later)
    with pytest.raises(NotAllowed) as caught:
        download_version(world.author, version.pk, reason="Once more")
    assert "ran out on" in caught.value.fact
    assert grant.word == "Run out"


@pytest.mark.parametrize("hours", [0, -1, 9, 10_000, True, "8", 1.5, None])
def test_hours_out_of_bounds_are_refused(world, version, hours):
    with pytest.raises(BadInput) as caught:
        asked(world, version, hours=hours)
    assert list(caught.value.fields) == ["hours"]
    assert not ReadGrant.objects.exists()


def test_the_most_hours_are_a_setting(world, version, settings):
    settings.SENSITIVE_HOURS = 2
    with pytest.raises(BadInput):
        asked(world, version, hours=3)
    settings.SENSITIVE_HOURS = 24
    grant = asked(world, version, hours=20)
    with pytest.raises(BadInput):
        grant_read(world.steward, grant.pk, hours=21)  # never more than was asked for
    settings.SENSITIVE_HOURS = 2
    with pytest.raises(BadInput):
        grant_read(world.steward, grant.pk, hours=20)


@pytest.mark.parametrize("justification", ["", "   ", "\x00", "x" * 2001, "half \ud800"])
def test_a_justification_is_needed(world, version, justification):
    with pytest.raises(BadInput) as caught:
        request_read(world.author, version.pk, hours=4, reason=justification)
    assert list(caught.value.fields) == ["reason"]


def test_who_may_not_ask_and_who_may_not_grant(world, version):
    with refused(NotVisible, "visibility", act="datasets.request_read", by=world.stranger):
        asked(world, version, by="stranger")
    for name in ("deployer", "monitor"):
        with pytest.raises(NotVisible):  # they see no dataset here
            asked(world, version, by=name)
    grant = asked(world, version)
    for name in ("owner", "curator", "validator", "compliance"):
        with refused(NotAllowed, "duty", act="datasets.grant_read", by=world.people[name]):
            grant_read(world.people[name], grant.pk, hours=1)
    with refused(NotVisible, "visibility", act="datasets.grant_read", by=world.other_owner):
        grant_read(world.other_owner, grant.pk, hours=1)


def test_nobody_grants_it_to_themself(world, version):
    own = asked(world, version, by="steward")
    with refused(Conflict, "DY17", act="datasets.grant_read", by=world.steward):
        grant_read(world.steward, own.pk, hours=1)
    give(world, "stranger", "steward", world.dataset)
    grant_read(world.stranger, own.pk, hours=1)
    own.refresh_from_db()
    assert own.in_force()
    with pytest.raises(IntegrityError), transaction.atomic():
        ReadGrant.objects.filter(pk=own.pk).update(decided_by=world.steward)


def test_one_request_or_access_at_a_time(world, version):
    grant = asked(world, version)
    with refused(WrongState, "sensitive-access", act="datasets.request_read", by=world.author):
        asked(world, version)
    grant_read(world.steward, grant.pk, hours=1)
    with refused(WrongState, "sensitive-access", act="datasets.request_read", by=world.author):
        asked(world, version)
    with refused(WrongState, "sensitive-access", act="datasets.grant_read", by=world.steward):
        grant_read(world.steward, grant.pk, hours=1)
    end_read(world.steward, grant.pk, reason="Done early")
    assert asked(world, version).pk != grant.pk
    twin = ReadGrant(
        dataset=world.dataset, person=world.author, justification="x", hours=1, requested_at=now()
    )
    with pytest.raises(IntegrityError), transaction.atomic():  # what the lock keeps apart, the table refuses
        ReadGrant.objects.bulk_create([twin])


def test_a_refused_request_opens_nothing(world, version):
    grant = asked(world, version)
    refuse_read(world.steward, grant.pk, reason="The summary answers it")
    assert_told("datasets.refuse_read", by=world.steward, about=grant, reason="The summary answers it")
    with pytest.raises(NotAllowed) as caught:
        download_version(world.author, version.pk, reason="All the same")
    assert "was refused" in caught.value.fact


def test_an_access_that_is_ended_is_over_at_once(world, version):
    grant = granted(world, version)
    with refused(NotAllowed, "duty", act="datasets.end_read", by=world.author):
        end_read(world.author, grant.pk, reason="x")
    end_read(world.compliance, grant.pk, reason="An incident")
    assert_told("datasets.end_read", by=world.compliance, about=grant, reason="An incident")
    with pytest.raises(NotAllowed) as caught:
        download_version(world.author, version.pk, reason="Once more")
    assert "was ended on" in caught.value.fact
    with refused(WrongState, "sensitive-access", act="datasets.end_read", by=world.steward):
        end_read(world.steward, grant.pk, reason="Twice")


def test_a_duty_that_ends_in_the_middle_shuts_the_rows_although_the_hours_run(world, version):
    granted(world, version, by="curator")
    download_version(world.curator, version.pk, reason="To mend a column")
    duty = Assignment.objects.get(person=world.curator, duty="curator")
    end_assignment(world.owner, duty.pk, reason="Moved on")
    with pytest.raises(NotVisible):
        download_version(world.curator, version.pk, reason="Once more")
    waiting = asked(world, version, by="author")
    for each in Assignment.objects.filter(person=world.author):
        end_assignment(world.owner if each.duty != "owner" else world.compliance, each.pk, reason="Left")
    with refused(WrongState, "sensitive-access", act="datasets.grant_read", by=world.steward):
        grant_read(world.steward, waiting.pk, hours=1)


def test_profiles_are_read_under_a_grant_too(world, version):
    test = in_vault(world, b"patient,age,arm\nP9,33,a\n")
    with pytest.raises(NotAllowed):
        read_test_profile(world.steward, test.pk)
    with pytest.raises(NotAllowed):
        read_profile(world.author, version.pk)
    granted(world, version)
    assert read_profile(world.author, version.pk)["rows"] == 3
    assert last("datasets.read_profile").actor_uuid == str(world.author.uuid)
    with refused(WrongState, "sensitive-access", act="datasets.read_profile", by=world.author):
        read_profile(world.author, test.pk)


def test_a_second_person_takes_the_mark_away(world, version):
    wanted = request_unmark(world.owner, world.dataset.pk, reason="Published since")
    assert_told("datasets.request_unmark", by=world.owner, about=wanted, reason="Published since")
    with refused(WrongState, "sensitive-access", act="datasets.request_unmark", by=world.steward):
        request_unmark(world.steward, world.dataset.pk, reason="Twice")
    with refused(Conflict, "DY17", act="datasets.approve_unmark", by=world.owner):
        approve_unmark(world.owner, wanted.pk)
    with refused(NotAllowed, "duty", act="datasets.approve_unmark", by=world.curator):
        approve_unmark(world.curator, wanted.pk)
    assert not gate.may(world.author, "datasets.download_version", version).allowed
    approve_unmark(world.steward, wanted.pk)
    world.dataset.refresh_from_db()
    assert not world.dataset.sensitive
    assert_told("datasets.approve_unmark", by=world.steward, about=wanted, wrote=2)
    assert download_version(world.author, version.pk, reason="Open again").digest == version.file_digest
    with refused(WrongState, "sensitive-access", act="datasets.approve_unmark", by=world.steward):
        approve_unmark(world.steward, wanted.pk)
    with refused(WrongState, "sensitive-access", act="datasets.request_unmark", by=world.owner):
        request_unmark(world.owner, world.dataset.pk, reason="Not marked")


def test_the_mark_stays_when_the_second_person_refuses(world, version):
    wanted = request_unmark(world.steward, world.dataset.pk, reason="A bother")
    refuse_unmark(world.compliance, wanted.pk, reason="Still patients")
    assert_told("datasets.refuse_unmark", by=world.compliance, about=wanted, reason="Still patients")
    assert Dataset.objects.get(pk=world.dataset.pk).sensitive
    assert Unmarking.objects.get().state == "refused"


def test_marking_wrongly(world, version):
    with refused(WrongState, "sensitive-access", act="datasets.mark_sensitive", by=world.owner):
        marked(world)
    with refused(NotAllowed, "duty", act="datasets.mark_sensitive", by=world.curator):
        mark_sensitive(world.curator, world.dataset.pk, reason="x")
    with refused(NotVisible, "visibility", act="datasets.mark_sensitive", by=world.stranger):
        mark_sensitive(world.stranger, world.dataset.pk, reason="x")
    with pytest.raises(BadInput):
        mark_sensitive(world.other_owner, world.other_dataset.pk, reason=" ")


def test_who_sees_requests(world, version):
    mine = asked(world, version)
    mark_sensitive(world.other_owner, world.other_dataset.pk, reason="Plant secrets")
    leak = ReadGrant(
        dataset=world.other_dataset, person=world.other_owner, justification="x", hours=1, requested_at=now()
    )
    ReadGrant.objects.bulk_create([leak])  # behind the acts: something that could leak
    for name, seen in {
        "author": {mine.pk},
        "steward": {mine.pk},
        "stranger": set(),
        "administrator": set(),
        "other_owner": {leak.pk},
        "compliance": {mine.pk, leak.pk},
        "inspector": {mine.pk, leak.pk},
    }.items():
        assert set(gate.visible(world.people[name], ReadGrant).values_list("pk", flat=True)) == seen, name


# ---------------------------------------------------------------- tokens and services


def by_token(token) -> Actor:
    return Actor.of(token.owner, via="api", token=token)


def test_a_grant_is_for_the_person_in_the_browser_not_for_their_tokens(world, version):
    """Least privilege: whoever finds a token in a pipeline has not found the rows of a sensitive dataset."""
    act = "datasets.download_version"
    granted(world, version)
    place = ("datasets.dataset", world.dataset.pk)
    assert download_version(world.author, version.pk, reason=WHY)
    for narrowed in ({}, {"only_acts": [act]}, {"objects": [place]}):
        token = create_token(world.author, name="ci", **narrowed)
        with refused(NotAllowed, "token-scope", act=act, by=world.author) as caught:
            download_version(by_token(token), version.pk, reason=WHY)
        assert caught.value.who[0] == "the person, signed in"
        assert not gate.may(by_token(token), act, version).allowed
    named = create_token(world.author, name="nightly copy", only_acts=[act], objects=[place])
    assert download_version(by_token(named), version.pk, reason=WHY)
    assert json.loads(last(act).body)["facts"]["token"] == named.prefix
    ReadGrant.objects.update(expires_at=now() + timedelta(microseconds=1))
    with refused(NotAllowed, "sensitive-access", act=act, by=world.author):
        download_version(by_token(named), version.pk, reason=WHY)


@pytest.mark.parametrize("whole", [True, False])
def test_a_service_reads_sensitive_data_only_where_its_scope_names_them(world, version, whole):
    act = "datasets.download_version"
    granted(world, version)
    place = ("organisation", 0) if whole else ("datasets.dataset", world.dataset.pk)
    made = service(world, only_acts=[act], objects=[place])
    actor = as_service(service_token(world, made))
    if whole:
        with refused(NotAllowed, "token-scope", act=act, by=world.author):
            download_version(actor, version.pk, reason=WHY)
    else:
        assert download_version(actor, version.pk, reason=WHY)
