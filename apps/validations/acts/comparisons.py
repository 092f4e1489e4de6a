"""Independence of the test set: recorded by the worker, asked for again when it failed."""

from __future__ import annotations

from typing import Any

from apps.access.acting import Act, act
from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.errors import WrongState
from apps.core.models import Job
from apps.datasets.models import DatasetVersion
from apps.quality.acts import raise_by_portal
from apps.validations.acts.plans import COMPARE, locked_plan
from apps.validations.comparing import missing_comparisons
from apps.validations.models import Comparison, Plan
from apps.validations.queries import newest_job
from apps.validations.states import PlanState


@act("validations.finish_comparison")
def finish_comparison(act: Act, plan_id: int, *, job: Job, found: list[dict[str, Any]]) -> Plan:
    """Write one comparison per data version; an overlap opens a blocking deviation (Annex 22 draft 6.1, 6.4)."""
    plan = locked_plan(act, plan_id)
    act.allow(plan)
    jobs.end(job)
    for row in found:
        version = DatasetVersion.objects.select_related("dataset").get(pk=row["dataset_version"])
        comparison = act.create(
            Comparison,
            plan=plan,
            dataset_version=version,
            rows=row["rows"],
            test_rows=row["test_rows"],
            shared_rows=row["shared_rows"],
            shared_units=row["shared_units"],
            compared_at=now(),
        )
        if comparison.shared_rows or comparison.shared_units:
            raise_by_portal(
                act,
                plan.version,
                title=f"Test data of {plan.ref} overlap with {version.ref}",
                description=_overlap_sentence(plan, version, comparison),
                source=plan,
                criterion=f"independence:{version.ref}"[:120],
            )
    act.event(
        compared=len(found),
        shared_rows=sum(row["shared_rows"] for row in found),
        columns=[row["columns"] for row in found],
    )
    return plan


def _overlap_sentence(plan: Plan, version: DatasetVersion, comparison: Comparison) -> str:
    words = [f"{comparison.shared_rows:,} of {comparison.test_rows:,} test rows are also in {version.ref}."]
    if comparison.shared_units is not None:
        words.append(f"{comparison.shared_units:,} units ({plan.test_data.entity_column}) are in both.")
    words.append("Results on data the model was made from say nothing about new cases.")
    return " ".join(words)


@act("validations.fail_comparison")
def fail_comparison(act: Act, plan_id: int, *, job: Job, message: str) -> Plan:
    """Record why the partitions could not be compared; no run may start until they are."""
    plan = locked_plan(act, plan_id)
    act.allow(plan)
    jobs.end(job, state=Job.State.FAILED, error=message)
    act.event(failure=message)
    return plan


@registries.precondition("validations.compare_again")
def again_precondition(plan: Plan) -> None:
    job = newest_job(plan)
    if plan.state in (PlanState.SUPERSEDED, PlanState.REJECTED):
        fact, who = "The plan is no longer in use.", "nobody"
    elif job is not None and not job.ended:
        fact, who = "The comparison is queued or running.", "nobody: wait for it"
    elif not missing_comparisons(plan):
        fact, who = "Every partition was compared already.", "nobody"
    else:
        return
    raise WrongState(f"{plan.ref} is not compared again.", fact=fact, rule="PC23", who=[who])


@act("validations.compare_again")
def compare_again(act: Act, plan_id: int) -> Plan:
    """Queue the comparison anew after it failed."""
    plan = locked_plan(act, plan_id)
    act.allow(plan)
    act.after_commit(COMPARE, plan)
    return plan
