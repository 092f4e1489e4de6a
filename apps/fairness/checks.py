"""What the bias report answers for a gate."""

from __future__ import annotations

from typing import Any

from apps.access.sharing import once
from apps.access.signing import content_digest, still_signed
from apps.core import registries
from apps.core.outcomes import CheckState, Outcome
from apps.fairness.models import Report
from apps.fairness.queries import reports_of_versions
from apps.fairness.states import State, Verdict
from apps.quality.queries import accepted_for
from apps.registry.models import Version
from apps.validations.checks import last_done_run


def last_report(version: Version) -> Report | None:
    """The newest bias report on the newest done run of the version's locked plan, cancelled ones left out.

    Of those with the same figures one that is signed comes first: computing again with the same result changes nothing.
    """
    return once(("last report", version.pk), lambda: _last_report(version))


def last_done_report(version: Version) -> Report | None:
    """The newest finished bias report on that run."""
    return once(("last done report", version.pk), lambda: _last_report(version, state=State.DONE))


def _last_report(version: Version, state: State | None = None) -> Report | None:
    run = last_done_run(version)
    if run is None:
        return None
    found = reports_of_versions([version.pk])[version.pk]
    mine = [
        r for r in found if r.run_id == run.pk and r.state != State.CANCELLED and state in (None, r.state)
    ]
    for report in mine:
        report.run = run
    newest = mine[0] if mine else None
    if newest is None or newest.state != State.DONE:
        return newest
    same = [r for r in mine if r.results_digest == newest.results_digest]
    return next((r for r in same if signed(r)), newest) if len(same) > 1 else newest


def signed(report: Report) -> bool:
    """Whether a bias tester's signature stands on the report as it is."""
    given: str | None = report.reviewed_as  # type: ignore[attr-defined]  # by reports_of_versions
    return given is not None and still_signed(report, given)


@registries.check("bias_within_limits")
def bias_within_limits(version: Version) -> Outcome:
    """Every locked limit kept and the report signed by a bias tester who did not develop the version.

    A breach or too little data needs a deviation accepted by somebody else.
    """
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
    unsigned = () if signed(report) else (("fairness.sign_report", report.subject_kind, report.pk),)
    waits = "A bias tester who did not develop the version has not signed it yet."
    if not open_ones:
        if unsigned:
            return Outcome(CheckState.WAITING, why=waits, rule="PC26", needs=unsigned, **common)
        return Outcome(CheckState.MET, **_with_signed(common, report))
    worst = next((item for item in open_ones if item["verdict"] == Verdict.BREACHED), open_ones[0])
    if {item["id"] for item in open_ones} <= set(accepted_for(report, version)):
        if unsigned:
            return Outcome(CheckState.WAITING, why=waits, rule="PC26", needs=unsigned, **common)
        return Outcome(CheckState.BY_DEVIATION, why=worst["sentence"], **_with_signed(common, report))
    return Outcome(
        CheckState.NOT_MET,
        why=f"{worst['sentence']} The developers may register a new version, or an approver may accept the deviation.",
        rule="PC26",
        needs=unsigned,
        **common,
    )


def _with_signed(common: dict[str, Any], report: Report) -> dict[str, Any]:
    """The same with the digest of the signed record."""
    return common | {"digests": (report.results_digest, content_digest(report))}
