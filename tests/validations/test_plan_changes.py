"""After the lock: a plan is replaced with a deviation, a run is cancelled with a reason; by whom, and by whom not."""

from __future__ import annotations

import json

import pytest

from apps.access.actors import Actor
from apps.access.signing import has_valid
from apps.core import jobs
from apps.core.errors import BadInput, Conflict, NotAllowed, NotVisible, WrongState
from apps.core.jobs import run_queued
from apps.core.models import Job
from apps.quality.models import Deviation
from apps.registry.acts import add_author
from apps.trail.models import Entry
from apps.validations import checks
from apps.validations.acts import cancel_run, finish_run, replace_plan, start_run
from apps.validations.models import Plan, Run
from tests.cast import give
from tests.factories.evidence import done_run, plan_input, sign_both, validated_world

pytestmark = pytest.mark.evidence("locked")
WHY = "The limit was taken from the wrong report."


@pytest.fixture
def locked(world):
    return validated_world(world, until="locked")


def replace(world, evidence, by="validator", reason=WHY, **changes) -> Plan:
    given = plan_input(evidence.test, **changes)
    return replace_plan(world.people[by], evidence.plan.pk, reason=reason, **given)


def test_a_replaced_plan_stays_and_the_new_one_begins_with_a_deviation(world, locked):
    first = done_run(world, locked.plan)
    plan = replace(world, locked, threshold="0.4")
    earlier = Plan.objects.get(pk=locked.plan.pk)
    assert (earlier.state, plan.state, plan.replaces) == ("superseded", "draft", earlier)
    assert has_valid(earlier, "approval")
    assert earlier.history.count() > 1
    locked.version.refresh_from_db()
    assert locked.version.state == "frozen"
    found = Deviation.objects.get(criterion="plan-change")
    assert found.blocking
    assert found.raised_by == world.validator
    assert found.description == f"The results of {first.ref} were known by then. Reason given: {WHY}"
    entry = Entry.objects.filter(act="validations.replace_plan").latest("id")
    assert (json.loads(entry.body)["reason"], entry.subject_id) == (WHY, str(plan.pk))
    assert checks.last_done_run(locked.version) is None  # no run of the old plan counts for the new one
    run_queued()
    sign_both(world, plan)
    again = done_run(world, Plan.objects.select_related("version").get(pk=plan.pk))
    assert (again.number, again.state) == (first.number + 1, "done")
    assert Run.objects.get(pk=first.pk).state == "done"


def test_who_may_not_replace_a_plan_and_with_what_not(world, locked):
    with pytest.raises(NotVisible):
        replace(world, locked, by="stranger")
    for person in ("author", "approver", "owner"):
        with pytest.raises(NotAllowed):
            replace(world, locked, by=person)
    with pytest.raises(BadInput):
        replace(world, locked, reason=" ")
    with pytest.raises(BadInput) as refused:
        replace(world, locked, criteria=[])
    assert set(refused.value.fields) == {"criteria"}
    give(world, "stranger", "validator", world.model)
    add_author(world.owner, locked.version.pk, person_id=world.stranger.pk, reason="Wrote the features")
    with pytest.raises(Conflict) as conflict:
        replace(world, locked, by="stranger")
    assert conflict.value.rule.startswith("DY1:")
    start_run(world.validator, locked.plan.pk)
    with pytest.raises(WrongState) as busy:
        replace(world, locked)
    assert "queued or running" in busy.value.fact
    assert Plan.objects.get().state == "locked"
    assert not Deviation.objects.exists()


@pytest.mark.evidence("drafted")
def test_a_plan_that_is_not_locked_is_written_anew_and_not_replaced(world):
    evidence = validated_world(world, until="drafted")
    with pytest.raises(WrongState) as refused:
        replace(world, evidence)
    assert "not locked" in refused.value.fact


def test_a_cancelled_run_keeps_its_number_and_reason_and_counts_for_nothing(world, locked):
    run = start_run(world.validator, locked.plan.pk)
    taken = jobs.claim(run.job_id)
    cancelled = cancel_run(world.validator, run.pk, reason="Started by mistake")
    assert (cancelled.state, cancelled.failure) == ("cancelled", "Started by mistake")
    assert cancelled.history.count() >= 2
    assert Job.objects.get(pk=run.job_id).state == "cancelled"
    with pytest.raises(jobs.Lost):  # the worker that held it notices, and can write nothing
        jobs.Running(taken).report(1, 2, "Scoring")
    outcome = dict.fromkeys(("verdict", "results_digest", "cases_digest"), "")
    outcome |= {"environment": {}, "repeat_identical": True, "judgements": []}
    with pytest.raises(jobs.Lost):
        finish_run(_worker(taken), run.pk, job=taken, outcome=outcome)
    assert run_queued() == 0
    assert checks.last_run(locked.version) is None
    assert not Deviation.objects.exists()
    entry = Entry.objects.filter(act="validations.cancel_run").latest("id")
    assert json.loads(entry.body)["reason"] == "Started by mistake"
    with pytest.raises(WrongState) as refused:
        cancel_run(world.validator, run.pk, reason="Again")
    assert refused.value.fact == "It was cancelled."
    assert start_run(world.validator, locked.plan.pk).number == run.number + 1


def _worker(job):
    return Actor.service("worker", on_behalf=job.requested_by)


def test_who_may_not_cancel_a_run(world, locked):
    run = start_run(world.validator, locked.plan.pk)
    with pytest.raises(NotVisible):
        cancel_run(world.stranger, run.pk, reason="Stop")
    for person in ("author", "approver", "bias_tester"):
        with pytest.raises(NotAllowed):
            cancel_run(world.people[person], run.pk, reason="Stop")
    with pytest.raises(BadInput):
        cancel_run(world.validator, run.pk, reason="")
    give(world, "stranger", "validator", world.model)
    add_author(world.owner, locked.version.pk, person_id=world.stranger.pk, reason="Wrote the features")
    with pytest.raises(Conflict):
        cancel_run(world.stranger, run.pk, reason="Stop")
    assert Run.objects.get(pk=run.pk).state == "queued"
