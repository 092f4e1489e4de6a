"""What the bias report answers for a gate."""

from __future__ import annotations

from typing import Any

from apps.access.sharing import once
from apps.core import registries
from apps.core.outcomes import CheckState, Outcome
from apps.fairness.models import Report
from apps.fairness.queries import reports_of_versions
from apps.fairness.states import State, Verdict
from apps.quality.queries import accepted_for
from apps.registry.models import Version
from apps.validations.checks import last_done_run


def last_report(version: Version) -> Report | None:
    """The newest bias report on the newest done run of the version's locked plan."""
    return once(("last report", version.pk), lambda: _last_report(version))


def last_done_report(version: Version) -> Report | None:
    """The newest finished bias report on that run."""
    return once(("last done report", version.pk), lambda: _last_report(version, state=State.DONE))


def _last_report(version: Version, state: State | None = None) -> Report | None:
    run = last_done_run(version)
    if run is None:
        return None
    found = reports_of_versions([version.pk])[version.pk]
    report = next((r for r in found if r.run_id == run.pk and state in (None, r.state)), None)
    if report is not None:
        report.run = run
    return report


@registries.check("bias_within_limits")
def bias_within_limits(version: Version) -> Outcome:
    """Every locked limit kept; a breach or too little data needs a deviation accepted by somebody else."""
    run = last_done_run(version)
    if run is None:
        return Outcome(
            CheckState.NOT_STARTED, why="The bias report is computed on the scores of a finished run."
        )
    report = last_report(version)
    if report is None:
        needs = (("fairness.request_report", run.subject_kind, run.pk),)
        return Outcome(CheckState.NOT_STARTED, why=f"No bias report on run {run.ref} yet.", needs=needs)
    if report.state == State.QUEUED:
        job = report.job
        done = f" · {job.done} of {job.total}" if job and job.total else ""
        return Outcome(CheckState.RUNNING, evidence=f"Bias report {report.ref}{done}", refs=(report.ref,))
    if report.state == State.FAILED:
        return Outcome(
            CheckState.NOT_MET,
            evidence=f"Bias report {report.ref} failed",
            why=report.failure,
            rule="PC26",
            refs=(report.ref,),
            needs=(("fairness.request_report", run.subject_kind, run.pk),),
        )
    limits = report.summary
    open_ones = [item for item in limits if item["verdict"] != Verdict.WITHIN]
    evidence = f"Bias report {report.ref} on run {run.ref}: {len(limits) - len(open_ones)} of {len(limits)} limits kept"
    common: dict[str, Any] = {
        "evidence": evidence,
        "refs": (report.ref,),
        "digests": (report.results_digest,),
    }
    if not open_ones:
        return Outcome(CheckState.MET, **common)
    worst = next((item for item in open_ones if item["verdict"] == Verdict.BREACHED), open_ones[0])
    if {item["id"] for item in open_ones} <= set(accepted_for(report, version)):
        return Outcome(CheckState.BY_DEVIATION, why=worst["sentence"], **common)
    return Outcome(
        CheckState.NOT_MET,
        why=f"{worst['sentence']} The developers may register a new version, or an approver may accept the deviation.",
        rule="PC26",
        **common,
    )
