"""Validation runs: started by a person, finished or failed by the worker, per-case results read on record."""

from __future__ import annotations

from typing import Any

from apps.access.acting import Act, act
from apps.access.under_way import refuse_unless_under_way, stop
from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.errors import NotVisible, WrongState
from apps.core.models import Job
from apps.core.numbers import next_number
from apps.quality.acts import raise_by_portal
from apps.registry.states import TRANSITIONS
from apps.registry.states import WORDS as VERSION_WORDS
from apps.registry.states import State as VersionState
from apps.validations.acts.plans import locked_plan
from apps.validations.comparing import missing_comparisons
from apps.validations.loading import runs_of_versions
from apps.validations.models import Plan, Result, Run
from apps.validations.states import PLAN_WORDS, RUN_FACTS, PlanState, RunState, Verdict

EXECUTE = "validations.run"


@registries.precondition("validations.start_run")
def start_precondition(plan: Plan) -> None:
    """Locked plan, version ready, partitions compared, no run under way."""
    what = f"{plan.ref} cannot be run."
    if plan.state != PlanState.LOCKED:
        raise WrongState(
            what,
            fact=f"The plan is {PLAN_WORDS[PlanState(plan.state)].lower()}, not locked: criteria come before results.",
            rule="PC24",
            who=["a validator, after author and approver have signed the plan"],
        )
    if (VersionState(plan.version.state), "finish_run") not in TRANSITIONS:
        raise WrongState(
            what,
            fact=f"{plan.version.ref} is {VERSION_WORDS[VersionState(plan.version.state)].lower()}.",
            rule="PC28",
            who=["nobody: its release was decided"],
        )
    missing = missing_comparisons(plan)
    if missing:
        names = ", ".join(version.ref for version in missing[:5])
        raise WrongState(
            what,
            fact=f"The test data have not been compared with {names} yet.",
            rule="Annex 22 draft 6.1",
            who=["a validator, after the comparison; if it failed, compare again"],
        )
    found = runs_of_versions([plan.version_id])[plan.version_id]
    under_way = next((r for r in found if r.plan_id == plan.pk and r.state == RunState.QUEUED), None)
    if under_way is not None:
        raise WrongState(
            what,
            fact=f"{under_way.ref} is queued or running.",
            rule="one-run-at-a-time",
            who=["a validator, when it has ended"],
        )


@act("validations.start_run")
def start_run(act: Act, plan_id: int) -> Run:
    """Queue the next run of a locked plan. Every run keeps its number, whatever becomes of it."""
    plan = locked_plan(act, plan_id)
    act.allow(plan)
    run = act.create(
        Run,
        number=next_number(Run.subject_kind),
        plan=plan,
        requested_by=act.user,
        requested_at=now(),
    )
    act.write(run, job=act.after_commit(EXECUTE, run))
    act.about(run)
    return run


def _locked_run(act: Act, run_id: int) -> Run:
    plan_id = Run.objects.filter(pk=run_id).values_list("plan_id", flat=True).first()
    if plan_id is None:
        raise NotVisible
    plan = locked_plan(act, plan_id)
    run = act.lock(Run.objects.select_related("requested_by"), pk=run_id)
    run.plan = plan
    return run


@act("validations.finish_run")
def finish_run(act: Act, run_id: int, *, job: Job, outcome: dict[str, Any]) -> Run:
    """Write results, verdict and deviations of a run, once; the version counts as validated from then on.

    `outcome`: what `execution.execute` returns. A criterion that is not met, or cannot be decided, opens its own
    deviation; so do two scorings that differ.
    """
    run = _locked_run(act, run_id)
    act.allow(run)
    jobs.end(job)
    version = run.plan.version
    act.write(
        run,
        state=RunState.DONE,
        finished_at=now(),
        verdict=outcome["verdict"],
        results_digest=outcome["results_digest"],
        cases_digest=outcome["cases_digest"],
        environment=outcome["environment"],
        repeat_identical=outcome["repeat_identical"],
    )
    for judged in outcome["judgements"]:
        act.create(Result, run=run, **judged)
        if judged["verdict"] != Verdict.MET:
            word = "not met" if judged["verdict"] == Verdict.NOT_MET else "undecided"
            raise_by_portal(
                act,
                version,
                title=f"{judged['criterion']} {word} in {run.ref}: {judged['metric']}, {judged['subgroup']}",
                description=judged["sentence"],
                source=run,
                criterion=judged["criterion"],
            )
    if not outcome["repeat_identical"]:
        raise_by_portal(
            act,
            version,
            title=f"Two scorings in {run.ref} differ",
            description="The model gave other scores when the same cases were scored a second time.",
            source=run,
            criterion="repeatability",
        )
    move = TRANSITIONS.get((VersionState(version.state), "finish_run"))
    if move is not None and move != version.state:
        act.write(version, state=move)
    act.event(verdict=outcome["verdict"], results=outcome["results_digest"], cases=outcome["cases_digest"])
    return run


@act("validations.fail_run")
def fail_run(act: Act, run_id: int, *, job: Job, message: str) -> Run:
    """Keep a run that came to nothing, with the sentence that says why, and open a deviation for it."""
    run = _locked_run(act, run_id)
    act.allow(run)
    jobs.end(job, state=Job.State.FAILED, error=message)
    act.write(run, state=RunState.FAILED, finished_at=now(), failure=message)
    raise_by_portal(
        act,
        run.plan.version,
        title=f"{run.ref} of {run.plan.ref} failed",
        description=message,
        source=run,
        criterion="execution",
    )
    act.event(failure=message)
    return run


@registries.precondition("validations.cancel_run")
def cancel_precondition(run: Run) -> None:
    fact = RUN_FACTS[RunState(run.state)]
    refuse_unless_under_way(run, under_way=RunState.QUEUED, fact=fact, rule="run-under-way")


@act("validations.cancel_run")
def cancel_run(act: Act, run_id: int) -> Run:
    """Stop a run that is queued or under way. It keeps its number and the reason; nothing of it counts."""
    run = _locked_run(act, run_id)
    act.allow(run)
    stop(act, run, job=Job.objects.get(pk=run.job_id or 0), cancelled=RunState.CANCELLED)
    return run


@registries.precondition("validations.read_cases")
def read_precondition(run: Run) -> None:
    if run.state != RunState.DONE:
        raise WrongState(
            f"{run.ref} has no per-case results.",
            fact=RUN_FACTS[RunState(run.state)],
            rule="run-done",
            who=["whoever may read them, after a run that came to its end"],
        )


@act("validations.read_cases")
def read_cases(act: Act, run_id: int) -> Run:
    """Record that the person reads per-case results on test data (a read under DY6); the door serves the file then."""
    run = act.lock(Run.objects.select_related("plan__version__model", "plan__test_data__dataset"), pk=run_id)
    act.allow(run)
    act.event(cases=run.cases_digest, test_data=run.plan.test_data.ref)
    return run
