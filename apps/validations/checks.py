"""What validation answers for a gate."""

from __future__ import annotations

from typing import Any

from apps.access.sharing import once
from apps.access.signing import content_digest
from apps.core import registries
from apps.core.outcomes import CheckState, Outcome
from apps.quality.queries import accepted_for
from apps.registry.loading import data_of_versions
from apps.registry.models import Version
from apps.registry.states import State as VersionState
from apps.validations.loading import comparisons_of, plans_of_versions, results_of_run, runs_of_versions
from apps.validations.models import Plan, Run
from apps.validations.states import PlanState, RunState, Verdict

LIVE = (PlanState.DRAFT, PlanState.AUTHORED, PlanState.LOCKED)


def live_plan(version: Version) -> Plan | None:
    return once(("live plan", version.pk), lambda: _live_plan(version))


def _live_plan(version: Version) -> Plan | None:
    plan = next((p for p in plans_of_versions([version.pk])[version.pk] if p.state in LIVE), None)
    if plan is not None:
        plan.version = version
    return plan


def last_run(version: Version) -> Run | None:
    """The newest run of the version's live plan, whatever became of it; a cancelled one showed nothing."""
    return once(("last run", version.pk), lambda: _last_run(version))


def last_done_run(version: Version) -> Run | None:
    """The newest finished run of the version's locked plan."""
    return once(("last done run", version.pk), lambda: _last_done_run(version))


def _last_done_run(version: Version) -> Run | None:
    locked = [r for r in _runs(version) if r.plan.state == PlanState.LOCKED]
    return next((run for run in locked if run.state == RunState.DONE), None)


def _last_run(version: Version) -> Run | None:
    counted = (r for r in _runs(version) if r.plan.state in LIVE and r.state != RunState.CANCELLED)
    return next(counted, None)


def _runs(version: Version) -> list[Run]:
    """Runs of all plans of the version, newest first, each with the version at hand."""
    found = runs_of_versions([version.pk])[version.pk]
    for run in found:
        run.plan.version = version
    return found


@registries.check("plan_locked")
def plan_locked(version: Version) -> Outcome:
    """Criteria locked by two signatures before any run (Annex 22 draft 4.2)."""
    plan = live_plan(version)
    if plan is None:
        if version.state == VersionState.REGISTERED:
            why = "The version is not frozen yet; a plan is written for a frozen one."
            needs = (("registry.freeze", version.subject_kind, version.pk),)
            return Outcome(CheckState.NOT_STARTED, why=why, needs=needs)
        needs = (("validations.write_plan", version.subject_kind, version.pk),)
        return Outcome(CheckState.NOT_STARTED, why="No validation plan is written yet.", needs=needs)
    common: dict[str, Any] = {"refs": (plan.ref,), "digests": (content_digest(plan),)}
    if plan.state == PlanState.DRAFT:
        needs = (("validations.sign_plan_author", plan.subject_kind, plan.pk),)
        return Outcome(
            CheckState.WAITING,
            evidence=plan.ref,
            why=f"{plan.ref} waits for its author's signature.",
            needs=needs,
            **common,
        )
    if plan.state == PlanState.AUTHORED:
        needs = (("validations.sign_plan_approval", plan.subject_kind, plan.pk),)
        return Outcome(
            CheckState.WAITING,
            evidence=plan.ref,
            why=f"{plan.ref} waits for a QA approver's signature.",
            needs=needs,
            **common,
        )
    first = next((run.requested_at for run in reversed(_runs(version)) if run.plan_id == plan.pk), None)
    when = f"{plan.ref} locked {plan.locked_at:%Y-%m-%d %H:%M} UTC"
    if first is not None and (plan.locked_at is None or first < plan.locked_at):
        return Outcome(
            CheckState.NOT_MET,
            evidence=when,
            why="A run was started before the plan was locked.",
            rule="PC24",
            **common,
        )
    return Outcome(CheckState.MET, evidence=when, **common)


@registries.check("test_independence")
def test_independence(version: Version) -> Outcome:
    """No row and no physical unit of the test set in any training partition (Annex 22 draft 6.1, 6.4)."""
    plan = live_plan(version)
    if plan is None:
        return Outcome(
            CheckState.NOT_STARTED, why="The validation plan names the test set; it is not written yet."
        )
    used = {row.dataset_version_id for row in data_of_versions([version.pk])[version.pk]}
    compared = comparisons_of(plan)
    refs = (plan.test_data.ref, *(c.dataset_version.ref for c in compared))
    if used - {c.dataset_version_id for c in compared}:
        return Outcome(
            CheckState.RUNNING,
            evidence=plan.test_data.ref,
            why="Training and test rows are being compared.",
            refs=refs,
        )
    shared_rows = sum(c.shared_rows for c in compared)
    shared_units = sum(c.shared_units or 0 for c in compared)
    against = ", ".join(c.dataset_version.ref for c in compared)
    evidence = f"{plan.test_data.ref} against {against}: {shared_rows} shared rows"
    if any(c.shared_units is not None for c in compared):
        evidence += f", {shared_units} shared units"
    if shared_rows or shared_units:
        return Outcome(
            CheckState.NOT_MET,
            evidence=evidence,
            why="Test data were used in training: the result of the test is void. A new test set is needed.",
            rule="EU GMP Annex 22 draft 6.1",
            refs=refs,
        )
    return Outcome(CheckState.MET, evidence=evidence, refs=refs, digests=(plan.test_data.file_digest,))


@registries.check("validation_passed")
def validation_passed(version: Version) -> Outcome:
    """The newest run within every locked criterion, or each failure accepted by deviation."""
    run = last_run(version)
    if run is None:
        plan = live_plan(version)
        needs = (
            (("validations.start_run", plan.subject_kind, plan.pk),)
            if plan and plan.state == PlanState.LOCKED
            else ()
        )
        why = "No validation run yet." if needs else "A run needs a locked plan first."
        return Outcome(CheckState.NOT_STARTED, why=why, needs=needs)
    if run.state == RunState.QUEUED:
        job = run.job
        done = f" · {job.done} of {job.total}" if job and job.total else ""
        return Outcome(CheckState.RUNNING, evidence=f"Run {run.ref}{done}", refs=(run.ref,))
    if run.state == RunState.FAILED:
        return Outcome(
            CheckState.NOT_MET,
            evidence=f"Run {run.ref} failed",
            why=run.failure,
            rule="PC25",
            refs=(run.ref,),
            needs=(("validations.start_run", run.plan.subject_kind, run.plan_id),),
        )
    common: dict[str, Any] = {
        "evidence": f"Run {run.ref}: {run.criteria_met} of {run.criteria} criteria met",
        "refs": (run.ref,),
        "digests": (run.results_digest,),
    }
    if run.criteria_met == run.criteria:
        return Outcome(CheckState.MET, **common)
    open_ones = [r for r in results_of_run(run) if r.verdict != Verdict.MET]
    worst = next((r for r in open_ones if r.verdict == Verdict.NOT_MET), open_ones[0])
    if {r.criterion for r in open_ones} <= set(accepted_for(run, version)):
        return Outcome(CheckState.BY_DEVIATION, why=worst.sentence, **common)
    return Outcome(
        CheckState.NOT_MET,
        why=f"{worst.sentence} The developers may register a new version, or an approver may accept the deviation.",
        rule="PC24",
        **common,
    )
