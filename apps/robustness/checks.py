"""What the probes answer for a gate."""

from __future__ import annotations

from typing import Any

from apps.access.sharing import once
from apps.access.signing import content_digest
from apps.analysis.probes import PRIVACY, PROBES, ROBUSTNESS
from apps.core import registries
from apps.core.outcomes import CheckState, Outcome
from apps.quality.queries import accepted_for
from apps.registry.models import Version
from apps.robustness.loading import plans_of_versions, reports_read
from apps.robustness.models import ProbePlan, ProbeReport
from apps.robustness.rules import outdated
from apps.robustness.states import PlanState, PrivateTraining, ReportState, Verdict
from apps.validations.checks import live_plan
from apps.validations.states import PlanState as ValidationState

CHECK = "robustness"
RULE = "probe-limits"
LIVE = (PlanState.DRAFT, PlanState.AUTHORED, PlanState.LOCKED)


def live_probe_plan(version: Version) -> ProbePlan | None:
    """The probe plan of the version's live validation plan that is locked or being written."""
    return once(("live probe plan", version.pk), lambda: _live_probe_plan(version))


def _live_probe_plan(version: Version) -> ProbePlan | None:
    validation = live_plan(version)
    if validation is None:
        return None
    found = plans_of_versions([version.pk])[version.pk]
    plan = next((p for p in found if p.validation_plan_id == validation.pk and p.state in LIVE), None)
    if plan is not None:
        plan.validation_plan = validation
    return plan


def last_probe_report(version: Version) -> ProbeReport | None:
    """The newest report of the live probe plan that was not cancelled."""
    plan = live_probe_plan(version)
    if plan is None:
        return None
    return next((r for r in reports_read(plan) if r.state != ReportState.CANCELLED), None)


def last_done_probe_report(version: Version) -> ProbeReport | None:
    """The newest finished report of the live probe plan."""
    plan = live_probe_plan(version)
    if plan is None:
        return None
    return next((r for r in reports_read(plan) if r.state == ReportState.DONE), None)


@registries.check(CHECK)
def robustness(version: Version) -> Outcome:
    """Every locked limit on robustness kept; a breach or too little data needs a deviation that somebody accepted.

    Below high tier no check of privacy is asked, and the table of a private training is asked for here.
    """
    return _kept(version, ROBUSTNESS, private=version.intended_use.tier != "high")


@registries.check("privacy")
def privacy(version: Version) -> Outcome:
    """The same for what the model's answers give away about the rows it was trained on."""
    return _kept(version, PRIVACY, private=True)


def _kept(version: Version, family: str, *, private: bool) -> Outcome:
    plan = live_probe_plan(version)
    report = last_probe_report(version)
    if plan is None or plan.state != PlanState.LOCKED:
        return _not_locked(version, plan)
    done = report is not None and report.state == ReportState.DONE
    if not done and (why := outdated(plan.ref, plan.catalogue)):
        # A report that was made stands: it was made under the catalogue of its limits.
        needs = (("robustness.write_plan", plan.validation_plan.subject_kind, plan.validation_plan_id),)
        return Outcome(CheckState.OUT_OF_DATE, why=why, rule="probe-catalogue", refs=(plan.ref,), needs=needs)
    if report is None:
        needs = (("robustness.request_report", plan.subject_kind, plan.pk),)
        why = f"The probes of {plan.ref} have not been made yet."
        return Outcome(CheckState.NOT_STARTED, why=why, refs=(plan.ref,), needs=needs)
    if report.state == ReportState.QUEUED:
        job = report.job
        said = f" · {job.done} of {job.total}" if job and job.total else ""
        return Outcome(CheckState.RUNNING, evidence=f"Probe report {report.ref}{said}", refs=(report.ref,))
    if report.state == ReportState.FAILED:
        return Outcome(
            CheckState.NOT_MET,
            evidence=f"Probe report {report.ref} failed",
            why=report.failure,
            rule=RULE,
            refs=(report.ref,),
            needs=(("robustness.request_report", plan.subject_kind, plan.pk),),
        )
    if private and (outcome := _private_open(version, report)) is not None:
        return outcome
    return _judged(version, report, family)


def _private_open(version: Version, report: ProbeReport) -> Outcome | None:
    """Where differential privacy was used in training: what its table of utility still lacks; None when nothing."""
    plan, evidence = report.plan, report.epsilon
    if plan.private_training != PrivateTraining.USED:
        if evidence is None:
            return None
        why = (
            f"{plan.ref} declares training without differential privacy; the makers handed in {evidence.ref}, a table "
            "of utility against epsilon. One of the two is wrong."
        )
        return Outcome(
            CheckState.NOT_MET,
            why=why,
            evidence=f"Probe report {report.ref}",
            rule=RULE,
            refs=(report.ref,),
            digests=(report.results_digest,),
            needs=(("robustness.write_plan", plan.validation_plan.subject_kind, plan.validation_plan_id),),
        )
    declared = f"{plan.ref} declares training with differential privacy, epsilon {plan.private_epsilon}"
    common: dict[str, Any] = {
        "evidence": f"Probe report {report.ref}",
        "rule": RULE,
        "refs": (report.ref,),
        "digests": (report.results_digest,),
        "needs": (
            ("robustness.submit_evidence", version.subject_kind, version.pk),
            ("robustness.request_report", plan.subject_kind, plan.pk),
        ),
    }
    if evidence is None:
        why = f"{declared}: no table of utility against epsilon was handed in before {report.ref} was made."
        return Outcome(CheckState.NOT_MET, why=why, **common)
    released = next(row["epsilon"] for row in evidence.outcome["rows"] if row["released"])
    if float(released) != float(plan.private_epsilon):
        why = f"{declared}; the released row of {evidence.ref} says {released}."
        return Outcome(CheckState.NOT_MET, why=why, **common)
    return None


def _not_locked(version: Version, plan: ProbePlan | None) -> Outcome:
    if plan is None:
        validation = live_plan(version)
        if validation is None or validation.state != ValidationState.LOCKED:
            return Outcome(
                CheckState.NOT_STARTED, why="Limits of probes need a locked validation plan first."
            )
        needs = (("robustness.write_plan", validation.subject_kind, validation.pk),)
        return Outcome(CheckState.NOT_STARTED, why="No limits of probes are written yet.", needs=needs)
    drafted = plan.state == PlanState.DRAFT
    act = "robustness.sign_plan_author" if drafted else "robustness.sign_plan_approval"
    who = "its author's" if drafted else "a QA approver's"
    return Outcome(
        CheckState.WAITING,
        evidence=plan.ref,
        why=f"{plan.ref} waits for {who} signature.",
        refs=(plan.ref,),
        digests=(content_digest(plan),),
        needs=((act, plan.subject_kind, plan.pk),),
    )


def _judged(version: Version, report: ProbeReport, family: str) -> Outcome:
    limits = [line for line in report.summary if line["family"] == family]
    if not limits:
        named = ", ".join(PROBES[name].label.lower() for name in PROBES if PROBES[name].family == family)
        return Outcome(
            CheckState.NOT_MET,
            evidence=f"Probe report {report.ref}",
            why=f"{report.plan.ref} sets no limit on {named}.",
            rule=RULE,
            refs=(report.ref,),
        )
    open_ones = [line for line in limits if line["verdict"] != Verdict.WITHIN]
    kept = f"Probe report {report.ref}: {len(limits) - len(open_ones)} of {len(limits)} limits kept"
    # The sentence of such a line names who handed the files in.
    claims = [
        f"{line['what']}: submitted, not computed here. {line['sentence']}"
        for line in limits
        if line["submitted"]
    ]
    common: dict[str, Any] = {
        "evidence": " · ".join([kept, *claims]),
        "refs": (report.ref,),
        "digests": (report.results_digest,),
    }
    if not open_ones:
        return Outcome(CheckState.MET, **common)
    worst = next((line for line in open_ones if line["verdict"] == Verdict.BREACHED), open_ones[0])
    if {line["id"] for line in open_ones} <= set(accepted_for(report, version)):
        return Outcome(CheckState.BY_DEVIATION, why=worst["sentence"], **common)
    return Outcome(
        CheckState.NOT_MET,
        why=f"{worst['sentence']} The developers may register a new version, or an approver may accept the deviation.",
        rule=RULE,
        **common,
    )
