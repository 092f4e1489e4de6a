"""Probe reports: asked for and cancelled by a person, finished or failed by the worker."""

from __future__ import annotations

from typing import Any

from apps.access.acting import Act, act
from apps.access.under_way import refuse_unless_under_way, stop
from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.errors import NotVisible, WrongState
from apps.core.models import Job
from apps.core.numbers import next_number
from apps.core.rulewords import stands
from apps.quality.acts import raise_by_portal
from apps.robustness.acts.plans import locked_probe_plan, refuse_outdated
from apps.robustness.loading import reports_of_versions
from apps.robustness.models import ProbePlan, ProbeReport
from apps.robustness.queries import newest_evidence
from apps.robustness.rules import refuse_decided
from apps.robustness.states import (
    PLAN_WORDS,
    REPORT_WORDS,
    EvidenceKind,
    PlanState,
    ReportState,
    Verdict,
)

PROBE = "robustness.probe"


@registries.precondition("robustness.request_report")
def request_precondition(plan: ProbePlan) -> None:
    what = f"The probes of {plan.ref} cannot be made."
    refuse_decided(plan.version.ref, plan.version.state, "No probes are made of")
    if plan.state != PlanState.LOCKED:
        raise WrongState(
            what,
            fact=f"The probe plan is {PLAN_WORDS[PlanState(plan.state)].lower()}: limits are locked before results.",
            rule="PC24",
            who=["a validator or bias tester, after author and approver have signed the plan"],
        )
    refuse_outdated(plan, what)
    found = reports_of_versions([plan.version.pk])[plan.version.pk]
    under_way = next((r for r in found if r.plan_id == plan.pk and r.state == ReportState.QUEUED), None)
    if under_way is not None:
        raise WrongState(
            what,
            fact=f"{under_way.ref} is queued or running.",
            rule="one-report-at-a-time",
            who=["a validator or bias tester, when it has ended"],
        )


@act("robustness.request_report")
def request_report(act: Act, plan_id: int) -> ProbeReport:
    """Queue the probes of a locked plan. Every report keeps its number, whatever becomes of it.

    It takes the newest files that were handed in for the version, as they are now.
    """
    plan = locked_probe_plan(act, plan_id)
    act.allow(plan)
    report = act.create(
        ProbeReport,
        number=next_number(ProbeReport.subject_kind),
        plan=plan,
        parity=newest_evidence(plan.version, EvidenceKind.PARITY),
        epsilon=newest_evidence(plan.version, EvidenceKind.EPSILON),
        requested_by=act.user,
        requested_at=now(),
    )
    act.write(report, job=act.after_commit(PROBE, report))
    act.about(report)
    return report


def _locked(act: Act, report_id: int) -> ProbeReport:
    plan_id = ProbeReport.objects.filter(pk=report_id).values_list("plan_id", flat=True).first()
    if plan_id is None:
        raise NotVisible
    plan = locked_probe_plan(act, plan_id)
    report = act.lock(ProbeReport.objects.select_related("requested_by"), pk=report_id)
    report.plan = plan
    return report


@registries.precondition("robustness.cancel_report")
def cancel_precondition(report: ProbeReport) -> None:
    fact = stands(REPORT_WORDS[ReportState(report.state)])
    refuse_unless_under_way(report, under_way=ReportState.QUEUED, fact=fact, rule="one-end")


@act("robustness.cancel_report")
def cancel_report(act: Act, report_id: int) -> ProbeReport:
    """Stop a report that is queued or running. It keeps its number and the reason; it decides nothing."""
    report = _locked(act, report_id)
    act.allow(report)
    stop(act, report, job=report.job, cancelled=ReportState.CANCELLED)
    return report


@act("robustness.finish_report")
def finish_report(act: Act, report_id: int, *, job: Job, outcome: dict[str, Any]) -> ProbeReport:
    """Write the report once; each limit that is breached or cannot be decided opens its own deviation.

    `outcome`: what `computing.compute` returns.
    """
    report = _locked(act, report_id)
    act.allow(report)
    jobs.end(job)
    act.write(report, state=ReportState.DONE, finished_at=now(), **outcome)
    for line in outcome["summary"]:
        if line["verdict"] != Verdict.WITHIN:
            word = "breached" if line["verdict"] == Verdict.BREACHED else "undecided"
            raise_by_portal(
                act,
                report.plan.version,
                title=f"{line['id']} {word} in {report.ref}: {line['what'].lower()}",
                description=line["sentence"],
                source=report,
                criterion=line["id"],
            )
    act.event(verdict=outcome["verdict"], results=outcome["results_digest"])
    return report


@act("robustness.fail_report")
def fail_report(act: Act, report_id: int, *, job: Job, message: str) -> ProbeReport:
    """Keep a report that came to nothing, with the sentence that says why, and open a deviation for it."""
    report = _locked(act, report_id)
    act.allow(report)
    jobs.end(job, state=Job.State.FAILED, error=message)
    act.write(report, state=ReportState.FAILED, finished_at=now(), failure=message)
    raise_by_portal(
        act,
        report.plan.version,
        title=f"{report.ref} of {report.plan.ref} failed",
        description=message,
        source=report,
        criterion="execution",
    )
    act.event(failure=message)
    return report
