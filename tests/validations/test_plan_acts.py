"""Plans: written, signed by two people, compared with the training data; by whom, and by whom not."""

from __future__ import annotations

import json

import pytest

from apps.access.signing import has_valid
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from apps.core.models import Job
from apps.quality.models import Deviation
from apps.registry.acts import add_author
from apps.registry.models import Version
from apps.trail.models import Entry, Signature
from apps.validations import queries
from apps.validations.acts import (
    compare_again,
    sign_plan_approval,
    sign_plan_author,
    start_run,
    write_plan,
)
from apps.validations.models import Plan
from tests.cast import give
from tests.factories.data import train_csv, vault_csv
from tests.factories.evidence import plan_input, signed, validated_world

pytestmark = pytest.mark.evidence("frozen")


@pytest.fixture
def frozen(world):
    return validated_world(world, until="frozen")


@pytest.fixture
def drafted(world):
    return validated_world(world, until="drafted")


def write(world, evidence, by="validator", **changes) -> Plan:
    return write_plan(world.people[by], evidence.version.pk, **plan_input(evidence.test, **changes))


def test_writing_makes_record_history_entry_and_job(world, frozen):
    plan = write(world, frozen)
    assert (plan.state, plan.written_by, plan.history.count()) == ("draft", world.validator, 1)
    entry = Entry.objects.filter(kind="act").latest("id")
    assert (entry.act, entry.subject_kind, entry.subject_id) == (
        "validations.write_plan",
        "validations.plan",
        str(plan.pk),
    )
    assert Job.objects.get(subject_kind="validations.plan", subject_id=plan.pk).state == "queued"


def test_a_new_draft_supersedes_the_earlier_one(world, drafted):
    second = write(world, drafted, threshold="0.4")
    first = Plan.objects.get(pk=drafted.plan.pk)
    assert (first.state, second.state, second.number) == ("superseded", "draft", first.number + 1)


def test_wrong_person_and_wrong_duty_write_nothing(world, frozen):
    with pytest.raises(NotVisible):
        write(world, frozen, by="stranger")
    for person in ("author", "approver", "owner", "administrator"):
        with pytest.raises((NotAllowed, NotVisible)):
            write(world, frozen, by=person)
    assert not Plan.objects.exists()


def test_who_developed_the_version_may_not_validate_it(world, frozen):
    """A validator who is named as an author: DY1 from the declaration."""
    add_author(world.owner, frozen.version.pk, person_id=world.validator.pk, reason="Wrote the features")
    with pytest.raises(Conflict) as refused:
        write(world, frozen)
    assert refused.value.rule.startswith("DY1:")
    assert not Plan.objects.exists()


def test_training_data_cannot_test(world, frozen):
    for test_data_id in (frozen.train.pk, 999_999):
        with pytest.raises(BadInput) as refused:
            write(world, frozen, test_data_id=test_data_id)
        assert list(refused.value.fields) == ["test_data_id"]


def test_faults_of_the_plan_are_named_by_field(world, frozen):
    with pytest.raises(BadInput) as refused:
        write(world, frozen, label_column="result", criteria=[])
    assert set(refused.value.fields) == {"label_column", "criteria"}


def test_two_signatures_lock_the_plan(world, drafted):
    plan = drafted.plan
    sign_plan_author(world.validator, plan.pk, signature=signed(plan))
    locked = sign_plan_approval(world.approver, plan.pk, signature=signed(plan))
    assert (locked.state, locked.version.state) == ("locked", "plan_approved")
    assert locked.locked_at is not None
    assert has_valid(locked, "authorship")
    assert has_valid(locked, "approval")
    assert Version.objects.get(pk=drafted.version.pk).history.count() >= 2
    with pytest.raises(WrongState) as refused:
        write(world, drafted)
    assert refused.value.rule == "PC24"


def test_the_order_of_signatures(world, drafted):
    plan = drafted.plan
    with pytest.raises(WrongState):
        sign_plan_approval(world.approver, plan.pk, signature=signed(plan))
    sign_plan_author(world.validator, plan.pk, signature=signed(plan))
    with pytest.raises(WrongState):
        sign_plan_author(world.validator, plan.pk, signature=signed(plan))


def test_only_its_writer_signs_as_author(world, drafted):
    give(world, "stranger", "validator", world.model)
    with pytest.raises(NotAllowed) as refused:
        sign_plan_author(world.stranger, drafted.plan.pk, signature=signed(drafted.plan))
    assert refused.value.who == ("Validator Person",)
    with pytest.raises(NotAllowed):
        sign_plan_author(world.approver, drafted.plan.pk, signature=signed(drafted.plan))
    with pytest.raises(NotVisible):
        sign_plan_author(world.other_developer, drafted.plan.pk, signature=signed(drafted.plan))
    assert not Signature.objects.filter(subject_kind="validations.plan").exists()


def test_who_wrote_the_plan_may_not_approve_it(world, drafted):
    """Even with the approver's duty: DY10 reads what was done."""
    give(world, "validator", "approver", world.model)
    sign_plan_author(world.validator, drafted.plan.pk, signature=signed(drafted.plan))
    with pytest.raises(Conflict) as refused:
        sign_plan_approval(world.validator, drafted.plan.pk, signature=signed(drafted.plan))
    assert refused.value.rule.startswith("DY10")
    assert "Approver Person" in refused.value.who


def test_rejecting_is_signed_with_a_reason_and_another_plan_follows(world, drafted):
    plan = drafted.plan
    sign_plan_author(world.validator, plan.pk, signature=signed(plan))
    with pytest.raises(BadInput):
        sign_plan_approval(world.approver, plan.pk, signature=signed(plan, decision="rejected"))
    rejected = sign_plan_approval(
        world.approver, plan.pk, reason="Limits too low", signature=signed(plan, decision="rejected")
    )
    assert (rejected.state, rejected.version.state) == ("rejected", "frozen")
    mine = Signature.objects.filter(subject_kind="validations.plan", subject_id=str(plan.pk))
    assert mine.get(meaning="approval").decision == "rejected"
    assert write(world, drafted).state == "draft"
    assert Plan.objects.get(pk=plan.pk).state == "superseded"


def test_a_digest_that_was_not_shown_signs_nothing(world, drafted):
    other = write(world, drafted, threshold="0.4")
    with pytest.raises(Conflict) as refused:
        sign_plan_author(world.validator, other.pk, signature=signed(drafted.plan))
    assert refused.value.rule == "21 CFR 11.70"
    assert Plan.objects.get(pk=other.pk).state == "draft"


def test_partitions_without_a_common_row_are_compared_by_the_worker(world, drafted):
    (comparison,) = drafted.plan.comparisons.all()
    assert (comparison.dataset_version, comparison.rows, comparison.test_rows) == (drafted.train, 300, 400)
    assert (comparison.shared_rows, comparison.shared_units) == (0, 0)
    entry = Entry.objects.filter(act="validations.finish_comparison").latest("id")
    assert (entry.actor_name, entry.on_behalf_name) == ("Countersign worker", "Validator Person")
    assert not Deviation.objects.exists()


@pytest.mark.evidence(None)
def test_shared_rows_open_a_blocking_deviation(world):
    leaky = vault_csv() + b"".join(train_csv().splitlines(keepends=True)[1:8])
    evidence = validated_world(world, until="drafted", test=leaky)
    (comparison,) = evidence.plan.comparisons.all()
    assert (comparison.shared_rows, comparison.shared_units) == (7, 7)
    deviation = Deviation.objects.get()
    assert deviation.blocking
    assert deviation.description.startswith("7 of 407 test rows are also in")
    assert (deviation.source_kind, deviation.raised_on_behalf_of) == ("validations.plan", world.validator)


def test_no_run_before_the_partitions_are_compared(world, frozen):
    plan = write(world, frozen)
    with pytest.raises(WrongState) as refused:
        compare_again(world.validator, plan.pk)
    assert "queued" in refused.value.fact
    sign_plan_author(world.validator, plan.pk, signature=signed(plan))
    sign_plan_approval(world.approver, plan.pk, signature=signed(plan))
    with pytest.raises(WrongState) as refused:
        start_run(world.validator, plan.pk)
    assert refused.value.rule == "Annex 22 draft 6.1"
    run_queued()
    assert start_run(world.validator, plan.pk).ref == "R-1"


def test_a_comparison_that_failed_says_why_and_is_asked_for_again(world, frozen):
    from apps.core import blobs

    path = blobs.path(frozen.train.table_digest)
    aside = path.with_suffix(".aside")
    path.rename(aside)
    plan = write(world, frozen)
    run_queued()
    page = queries.plan_page(world.validator, plan.pk)
    assert (page.job.state, page.missing) == ("failed", [frozen.train])
    assert "differ from their digest" in page.job.error
    told = json.loads(Entry.objects.get(act="validations.fail_comparison").body)
    assert told["facts"]["failure"] == page.job.error
    aside.rename(path)
    with pytest.raises(NotAllowed):
        compare_again(world.owner, plan.pk)
    compare_again(world.validator, plan.pk)
    run_queued()
    page = queries.plan_page(world.validator, plan.pk)
    assert (page.job.state, page.missing) == ("done", [])
    with pytest.raises(WrongState):
        compare_again(world.validator, plan.pk)


def test_plans_are_seen_by_who_has_a_duty_on_the_model(world, drafted, django_assert_max_num_queries):
    assert set(queries.plans(world.author)) == {drafted.plan}
    assert set(queries.plans(world.other_developer)) == set()
    with pytest.raises(NotVisible):
        queries.plan_page(world.other_developer, drafted.plan.pk)
    with django_assert_max_num_queries(20):
        queries.plan_page(world.author, drafted.plan.pk)
