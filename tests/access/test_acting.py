"""The act itself: one transaction, permission asked, a refusal kept, the same key the same answer."""

from __future__ import annotations

import json

import pytest
from django.db import connection, transaction

from apps.access import acting
from apps.access.acting import NothingRecorded, act
from apps.access.actors import Actor
from apps.access.acts import create_account, create_token, request_assignment, set_preferences
from apps.access.gate import ORGANISATION_SUBJECT
from apps.access.models import Assignment, IdempotencyKey
from apps.accounts.models import ApiToken, User
from apps.core.clock import now
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible
from apps.core.models import Job
from apps.registry.acts import register_model
from apps.registry.models import Model
from apps.trail.current import WriteOutsideAct, opened
from apps.trail.models import Entry, Signature
from apps.validations.acts import start_run
from tests.access.telling import assert_history, assert_told, body_of, last, refused
from tests.factories.evidence import signed, validated_world

pytestmark = pytest.mark.django_db
NAME = "access.set_preferences"


@pytest.fixture(autouse=True)
def own_acts(monkeypatch):
    """Acts made here do not take the place of the portal's."""
    monkeypatch.setattr(acting, "ACTS", {})


def counts() -> dict[str, int]:
    return {
        "entries": Entry.objects.exclude(kind="refusal").count(),
        "history": User.history.count(),
        "jobs": Job.objects.count(),
        "keys": IdempotencyKey.objects.count(),
    }


def test_an_act_that_is_not_in_the_table_cannot_be_made():
    with pytest.raises(LookupError, match=r"access\.become_king is not in the policy table"):
        act("access.become_king")


def test_an_act_on_the_wrong_kind_of_record_is_a_fault(world):
    @act("registry.freeze")
    def freeze(act):
        act.allow(world.model)

    with pytest.raises(LookupError, match=r"registry.freeze acts on registry.version, not on registry.model"):
        freeze(world.author)


def test_acts_do_not_nest(world):
    @act(NAME)
    def outer(act):
        act.allow(act.user)
        act.write(act.user, time_zone="Asia/Tokyo")
        create_token(act.user, name="inner")

    before = counts()
    with pytest.raises((RuntimeError, WriteOutsideAct)):
        outer(world.author)
    assert counts() == before
    assert User.objects.get(pk=world.author.pk).time_zone == "UTC"
    assert not ApiToken.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_act_inside_a_transaction_of_the_callers_is_refused(world):
    """What an act wrote is there when it returns: nobody can roll it back afterwards."""
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        create_token(world.author, name="inner")
    assert not ApiToken.objects.exists()


def test_an_act_that_asks_no_permission_writes_nothing(world):
    @act(NAME)
    def silent(act):
        return act.user

    @act(NAME)
    def hasty(act):
        act.write(act.user, time_zone="Asia/Tokyo")
        act.allow(act.user)

    before = counts()
    with pytest.raises(NothingRecorded, match="ended without permission asked"):
        silent(world.author)
    with pytest.raises(NothingRecorded, match="writes before permission was asked"):
        hasty(world.author)
    assert counts() == before


def test_rows_written_around_the_act_are_rolled_back_with_it(world):
    @act(NAME)
    def sly(act):
        act.user.time_zone = "Asia/Tokyo"
        act.user.save()

    before = counts()
    with pytest.raises(NothingRecorded):
        sly(world.author)
    assert counts() == before
    assert User.objects.get(pk=world.author.pk).time_zone == "UTC"


@pytest.mark.evidence("drafted")
def test_an_act_with_a_meaning_never_ends_without_its_signature(world):
    evidence = validated_world(world, until="drafted")

    @act("validations.sign_plan_author")
    def forgets(act):
        act.allow(evidence.plan)

    signatures = Signature.objects.count()
    with pytest.raises(NothingRecorded, match="ended without its signature"):
        forgets(world.validator, signature=signed(evidence.plan))
    with refused(BadInput, "signature", act="validations.sign_plan_author", by=world.validator):
        forgets(world.validator)
    with refused(BadInput, "signature", act="validations.sign_plan_author", by=world.validator):
        forgets(world.validator, signature=signed(evidence.plan, decision="perhaps"))
    with refused(BadInput, "reason", act="validations.sign_plan_author", by=world.validator):
        forgets(world.validator, signature=signed(evidence.plan, decision="rejected"))
    assert Signature.objects.count() == signatures


def test_an_act_without_a_meaning_never_signs(world):
    @act(NAME)
    def signs(act):
        act.allow(act.user)
        act.sign(world.model)

    with pytest.raises(NothingRecorded, match="signs without a signature"):
        signs(world.author)


# The entry and the history


def test_history_carries_act_actor_and_reason(world):
    made = create_account(
        Actor.of(world.administrator, via="api", address="192.0.2.1"),
        username="nnovak",
        printed_name="Nina Novak",
        email="n@example.org",
        reason="  Starts on Monday ",
    )
    entry = last("access.create_account")
    row = made.history.get()
    assert row.act_id == entry.act_id
    assert row.history_user == world.administrator
    assert row.mac
    facts = body_of(entry)
    assert (facts["via"], facts["facts"]) == ("api", {"address": "192.0.2.1"})
    link = made.enrolments.get().history.get()
    assert facts["rows"] == [
        ["accounts_historicaluser", row.history_id, row.mac],
        ["accounts_historicalenrolment", link.history_id, link.mac],
    ]
    assert facts["actor"]["duties"] == ["administrator on organisation:0"]
    assert facts["reason"] == row.history_change_reason.strip() == "Starts on Monday"


def test_a_reason_has_bounds(world):
    for reason in ("x" * 2001, "a\x00b", "a\ud800b"):
        with refused(BadInput, "reason", act=NAME, by=world.author) as caught:
            set_preferences(world.author, world.author.pk, time_zone="UTC", reason=reason)
        assert set(caught.value.fields) == {"reason"}
    set_preferences(world.author, world.author.pk, time_zone="UTC", reason="x" * 2000)


def test_a_reason_reads_as_it_is_written(world):
    """A mark that turns the order of letters round would print another reason in trail and pack."""
    with refused(BadInput, "reason", act=NAME, by=world.author) as caught:
        set_preferences(world.author, world.author.pk, time_zone="UTC", reason="Not \u202edetcejer")
    assert caught.value.fields == {
        "reason": [
            "It holds a character that nobody sees (U+202E), after 4 characters. Type that place anew."
        ]
    }


# Refusals


def test_a_refusal_is_kept_after_the_rollback_with_its_four_parts(world):
    @act("registry.register_model")
    def makes_and_is_refused(act):
        act.allow(ORGANISATION_SUBJECT)
        act.create(Model, slug="ghost", name="Ghost", registered_by=act.user, registered_at=now())
        raise Conflict("You cannot.", fact="Because.", rule="R1", who=["somebody"])

    with refused(Conflict, "R1", act="registry.register_model", by=world.registrar):
        makes_and_is_refused(world.registrar, reason="I want it")
    assert not Model.objects.filter(slug="ghost").exists()
    entry = last("registry.register_model", "refusal")
    facts = body_of(entry)
    assert facts["facts"] == {
        "what": "You cannot.",
        "fact": "Because.",
        "rule": "R1",
        "who": ["somebody"],
        "status": 409,
    }
    assert (facts["reason"], facts["rows"], entry.act_id) == ("I want it", [], "")


def test_a_refusal_names_the_record_and_never_one_that_was_rolled_back(world):
    @act("registry.register_model")
    def about_a_new_one(act):
        act.allow(ORGANISATION_SUBJECT)
        act.about(Model(slug="ghost", name="Ghost"))
        raise Conflict("You cannot.", rule="R1")

    with refused(Conflict, "R1", act="registry.register_model", by=world.registrar):
        about_a_new_one(world.registrar)
    entry = last("registry.register_model", "refusal")
    assert (entry.subject_kind, entry.subject_id) == ("organisation", "0")


def test_a_fault_is_no_refusal(world):
    @act(NAME)
    def breaks(act):
        act.allow(act.user)
        act.write(act.user, time_zone="Asia/Tokyo")
        raise ZeroDivisionError

    before, refusals = counts(), Entry.objects.filter(kind="refusal").count()
    with pytest.raises(ZeroDivisionError):
        breaks(world.author)
    assert counts() == before
    assert Entry.objects.filter(kind="refusal").count() == refusals


def test_a_broken_uniqueness_is_a_conflict(world):
    @act("registry.register_model")
    def does_not_look(act):
        act.allow(ORGANISATION_SUBJECT)
        act.create(Model, slug=world.model.slug, name="Twin", registered_by=act.user, registered_at=now())

    with refused(Conflict, "once-only", act="registry.register_model", by=world.registrar):
        does_not_look(world.registrar)
    assert Model.objects.filter(slug=world.model.slug).count() == 1
    assert connection.is_usable()


# The same key, the same answer


def test_the_same_key_makes_one_record(world):
    first = create_token(world.author, name="ci", idempotency_key="k")
    before = counts()
    again = create_token(world.author, name="ci", idempotency_key="k")
    assert again == first
    assert counts() == before
    assert ApiToken.objects.count() == 1


def test_a_key_stands_for_one_thing(world):
    create_token(world.author, name="ci", idempotency_key="k")
    for call in (
        lambda: create_token(world.author, name="other", idempotency_key="k"),
        lambda: create_token(world.author, name="ci", idempotency_key="k", reason="another"),
    ):
        with refused(BadInput, "idempotency", act="access.create_token", by=world.author) as caught:
            call()
        assert caught.value.status == 422
        assert caught.value.fact == "It belongs to an earlier access.create_token."
    with refused(BadInput, "idempotency", act=NAME, by=world.author):
        set_preferences(world.author, world.author.pk, time_zone="UTC", idempotency_key="k")


def test_a_repeat_is_answered_only_to_who_still_sees_what_was_made(world):
    """The lapse of a duty, or a narrower token, closes the answer too."""

    def ask():
        return request_assignment(
            world.owner,
            person_id=world.stranger.pk,
            duty="monitor",
            scope_kind="registry.model",
            scope_id=world.model.pk,
            reason="Needed",
            idempotency_key="k",
        )

    assert ask() == ask()
    with transaction.atomic(), opened("access.end_assignment", user_id=None) as under_way:
        Assignment.objects.filter(person=world.owner).update(ends_at=now())
        under_way.told = True
    with pytest.raises(NotVisible):
        ask()


def test_a_key_is_its_persons(world):
    mine = create_token(world.author, name="ci", idempotency_key="k")
    theirs = create_token(world.colleague, name="ci", idempotency_key="k")
    assert mine.pk != theirs.pk
    assert (mine.owner, theirs.owner) == (world.author, world.colleague)


def test_a_key_of_an_act_that_was_rolled_back_is_forgotten(world):
    given = {"slug": "newone", "name": "New", "owner_id": world.owner.pk}
    with pytest.raises(NotAllowed):
        register_model(world.owner, **given, idempotency_key="k")
    with pytest.raises(BadInput):
        register_model(world.registrar, **given | {"owner_id": 0}, idempotency_key="k")
    assert not IdempotencyKey.objects.exists()
    made = register_model(world.registrar, **given, idempotency_key="k")
    assert register_model(world.registrar, **given, idempotency_key="k") == made
    assert IdempotencyKey.objects.get().result_id == made.pk


def test_a_key_does_not_open_what_is_closed_meanwhile(world):
    """A repeat answers with the record the person made; it gives no new right."""
    asked = {
        "person_id": world.stranger.pk,
        "duty": "monitor",
        "scope_kind": "registry.model",
        "scope_id": world.model.pk,
        "reason": "x",
        "idempotency_key": "k",
    }
    made = request_assignment(world.owner, **asked)
    with pytest.raises(NotVisible):
        request_assignment(world.stranger, **asked)
    assert Assignment.objects.filter(person=world.stranger).get() == made


# What follows the commit


@pytest.mark.django_db(transaction=True)
def test_a_job_is_queued_with_the_commit_and_not_without(world, monkeypatch):
    sent: list[int] = []
    monkeypatch.setattr("apps.core.jobs.send", lambda pk, kind: sent.append(pk))
    evidence = validated_world(world, until="locked")
    sent.clear()
    run = start_run(world.validator, evidence.plan.pk)
    assert sent == [run.job_id]

    @act(NAME)
    def starts_and_breaks(act):
        act.allow(act.user)
        act.after_commit(run.job.kind, run)
        raise ZeroDivisionError

    before = Job.objects.count()
    with pytest.raises(ZeroDivisionError):
        starts_and_breaks(world.validator)
    assert sent == [run.job_id]
    assert Job.objects.count() == before


@pytest.mark.evidence("run")
def test_a_job_belongs_to_the_person_a_service_works_for(world):
    evidence = validated_world(world, until="run")
    assert evidence.run.job.requested_by == world.validator
    entry = assert_told("validations.finish_run", by=Actor.service("worker").user, about=evidence.run)
    assert entry.on_behalf_name == world.validator.printed_name
    assert_history(evidence.run, act="validations.finish_run", by=Actor.service("worker").user)
    assert json.loads(entry.body)["via"] == "job"
