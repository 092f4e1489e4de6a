"""What the explanation answers for a gate (PC27)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from apps.access.sharing import once
from apps.access.signing import content_digest, standings
from apps.core import registries
from apps.core.outcomes import CheckState, Outcome
from apps.explanation.models import Report
from apps.explanation.queries import reports_of_versions
from apps.explanation.rules import doubts, wanted
from apps.explanation.states import DECISION_WORDS, Decision, Origin, ReviewState, State
from apps.quality.queries import accepted_for
from apps.registry.models import Version
from apps.validations.checks import last_done_run

CHECK = "explanation_reviewed"
HALVES = ("explanation.sign_review_expert", "explanation.sign_review_quality")


def last_report(version: Version) -> Report | None:
    """The newest explanation computed here on the newest done run, cancelled ones left out; of those with the same
    figures one that is reviewed comes first: computing again changes nothing when the result is the same.

    One of a single class is evidence beside it: it says nothing of what led to the other classes.
    """
    return once(("last explanation", version.pk), lambda: _last_report(version))


def report_bound(version: Version, decided: datetime | None) -> Report | None:
    """The explanation that the signatures of a gate bind: the newest that is done; of a gate that was decided, the
    newest that was done by then. One that is under way or failed takes no signature its matching content."""
    return _last_report(
        version,
        lambda r: (
            r.state == State.DONE
            and (decided is None or (r.finished_at is not None and r.finished_at <= decided))
        ),
    )


def _last_report(
    version: Version, counts: Callable[[Report], bool] = lambda r: r.state != State.CANCELLED
) -> Report | None:
    run = last_done_run(version)
    if run is None:
        return None
    found = [
        report
        for report in reports_of_versions([version.pk])[version.pk]
        if report.run_id == run.pk
        and report.origin == Origin.COMPUTED
        and not report.explained_class
        and counts(report)
    ]
    newest = found[0] if found else None
    if newest is not None and newest.state == State.DONE and newest.review_state != ReviewState.APPROVED:
        same = [r for r in found if r.results_digest == newest.results_digest]
        newest = next((r for r in same if r.review_state == ReviewState.APPROVED), newest)
    return newest


@registries.check(CHECK)
def explanation_reviewed(version: Version) -> Outcome:
    """Explained by the portal, features and surrogate reviewed by process expert and quality, both signatures valid."""
    use = version.intended_use
    if not wanted(use.tier, use.affects_people):
        why = "Asked for at high tier and where decisions materially affect people; the intended use says neither."
        return Outcome(CheckState.NOT_APPLICABLE, why=why)
    run = last_done_run(version)
    if run is None:
        return Outcome(
            CheckState.NOT_STARTED, why="The explanation is computed on the cases of a finished run."
        )
    report = last_report(version)
    asking = (("explanation.request_report", run.subject_kind, run.pk),)
    if report is None:
        why = f"No explanation on run {run.ref} yet."
        beside = _beside(version, run.pk, Origin.COMPUTED) or _beside(version, run.pk, Origin.SUBMITTED)
        if beside is not None and beside.explained_class:
            why = (
                f"No explanation on run {run.ref} of the class that each case gets yet; {beside.ref} explains "
                f"“{beside.explained_class}” alone and is evidence beside it."
            )
        elif beside is not None:
            why = (
                f"No explanation on run {run.ref} of the portal's own yet; {beside.ref} was made elsewhere and is "
                "evidence beside it."
            )
        refs = (beside.ref,) if beside else ()
        return Outcome(CheckState.NOT_STARTED, why=why, needs=asking, refs=refs)
    if report.state == State.QUEUED:
        job = report.job
        done = f" · {job.percent} %" if job and job.total else ""
        return Outcome(CheckState.RUNNING, evidence=f"Explanation {report.ref}{done}", refs=(report.ref,))
    if report.state == State.FAILED:
        return Outcome(
            CheckState.NOT_MET,
            evidence=f"Explanation {report.ref} failed",
            why=report.failure,
            rule="PC27",
            refs=(report.ref,),
            needs=asking,
        )
    return _reviewed(version, report)


def _beside(version: Version, run_id: int, origin: Origin) -> Report | None:
    """The newest explanation of a run of this origin that came to its end, where none of those the gate asks for is."""
    found = reports_of_versions([version.pk])[version.pk]
    return next((r for r in found if (r.run_id, r.origin, r.state) == (run_id, origin, State.DONE)), None)


def _reviewed(version: Version, report: Report) -> Outcome:
    features = report.summary.get("features", [])
    first = f", {features[0]['feature']} first" if features else ""
    common: dict[str, Any] = {
        "evidence": f"Explanation {report.ref}: {len(features)} features ranked{first}",
        "refs": (report.ref,),
        "digests": (report.results_digest,),
    }
    step = {
        ReviewState.NONE: ("explanation.write_review", "The features are not reviewed yet."),
        ReviewState.REJECTED: (
            "explanation.write_review",
            "Quality rejected the review; it is written anew.",
        ),
        ReviewState.WRITTEN: (
            HALVES[0],
            "The review is written and waits for the process expert's signature.",
        ),
        ReviewState.SIGNED: (HALVES[1], "The review waits for the signature of quality."),
    }.get(ReviewState(report.review_state))
    if step is not None:
        act, why = step
        return Outcome(
            CheckState.WAITING, why=why, needs=((act, report.subject_kind, report.pk),), rule="PC27", **common
        )
    if missing := _unsigned(report):
        return Outcome(CheckState.OUT_OF_DATE, why=missing, rule="21 CFR 11.70", **common)
    common["digests"] = (report.results_digest, content_digest(report))
    doubted = doubts(report.review)
    if not doubted:
        return Outcome(CheckState.MET, **common)
    worst = next((each for each in doubted if each["decision"] == Decision.NOT_PLAUSIBLE), doubted[0])
    word = DECISION_WORDS[Decision(worst["decision"])].lower()
    why = f"The review finds {worst['what']}: {word}. {worst['reason']}"
    if {each["id"] for each in doubted} <= set(accepted_for(report, version)):
        return Outcome(CheckState.BY_DEVIATION, why=why, **common)
    return Outcome(CheckState.NOT_MET, why=why, rule="PC27", **common)


def _unsigned(report: Report) -> str:
    """Why an approved review does not stand: a signature that no longer matches the record. Empty when both do."""
    held = [each for each in standings(report) if each.valid and each.signature.decision == "approved"]
    meanings = {each.signature.meaning for each in held}
    signers = {each.signature.signer_id for each in held}
    if {"review", "approval"} <= meanings and len(signers) > 1:
        return ""
    return "The record changed after its review was signed."
