"""Every verb on explanation reports and on the review that is written into them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from apps.access.acting import Act, act
from apps.access.under_way import refuse_unless_under_way, stop
from apps.core import blobs, jobs, registries
from apps.core.clock import now
from apps.core.digests import plain
from apps.core.errors import BadInput, NotAllowed, WrongState
from apps.core.models import Job
from apps.core.numbers import next_number
from apps.explanation import external
from apps.explanation.computing import summary_of_submitted
from apps.explanation.models import Report
from apps.explanation.queries import RELATED, reports_of_versions
from apps.explanation.rules import checked_class, checked_review, doubts, refuse_decided
from apps.explanation.states import (
    DECISION_WORDS,
    FACTS,
    REVIEW_TRANSITIONS,
    REVIEW_WORDS,
    Decision,
    Origin,
    ReviewState,
    State,
)
from apps.quality.acts import raise_by_portal
from apps.validations.models import Run
from apps.validations.states import RunState
from apps.validations.stored import put_results

COMPUTE = "explanation.compute"


def _refuse_unless_done(run: Run, what: str) -> None:
    if run.state != RunState.DONE:
        raise WrongState(
            what,
            fact=f"{run.ref} is {run.get_state_display().lower()}.",
            rule="PC27",
            who=["a validator, on a run that came to its end"],
        )
    refuse_decided(run.plan.version.state, run.plan.version.ref, what)


@registries.precondition("explanation.request_report")
def request_precondition(run: Run) -> None:
    what = f"An explanation on {run.ref} cannot be computed."
    _refuse_unless_done(run, what)
    found = reports_of_versions([run.plan.version_id])[run.plan.version_id]
    under_way = next((r for r in found if r.run_id == run.pk and r.state == State.QUEUED), None)
    if under_way is not None:
        raise WrongState(
            f"An explanation on {run.ref} is not computed now.",
            fact=f"{under_way.ref} is queued or running.",
            rule="one-report-at-a-time",
            who=["a validator, when it has ended, or by cancelling it"],
        )


@act("explanation.request_report")
def request_report(act: Act, run_id: int, *, explained_class: str = "") -> Report:
    """Queue an explanation on a finished run. *Compute again* is a new report with the next number.

    explained_class: of several classes the one whose score is explained of every case, as evidence beside the
    explanation by the class each case gets, which is what the gate asks for. Raises BadInput where there is no such.
    """
    run = act.lock(Run.objects.select_related("plan__version__model"), pk=run_id)
    act.allow(run)
    report = _created(act, run, explained_class=checked_class(explained_class, run.plan.classes))
    act.write(report, job=act.after_commit(COMPUTE, report))
    act.about(report)
    return report


def _created(act: Act, run: Run, **fields: Any) -> Report:
    return act.create(
        Report,
        number=next_number(Report.subject_kind),
        run=run,
        requested_by=act.user,
        requested_at=now(),
        **fields,
    )


def _locked(act: Act, report_id: int) -> Report:
    return act.lock(Report.objects.select_related(*RELATED), pk=report_id)


@act("explanation.finish_report")
def finish_report(act: Act, report_id: int, *, job: Job, outcome: dict[str, Any]) -> Report:
    """Write the report once. `outcome`: what `computing.compute` returns."""
    report = _locked(act, report_id)
    act.allow(report)
    jobs.end(job)
    act.write(report, state=State.DONE, finished_at=now(), **outcome)
    act.event(results=outcome["results_digest"], cases=outcome["cases_digest"])
    return report


@act("explanation.fail_report")
def fail_report(act: Act, report_id: int, *, job: Job, message: str) -> Report:
    """Keep a report that came to nothing, with the sentence that says why, and open a deviation for it."""
    report = _locked(act, report_id)
    act.allow(report)
    jobs.end(job, state=Job.State.FAILED, error=message)
    act.write(report, state=State.FAILED, finished_at=now(), failure=message)
    raise_by_portal(
        act,
        report.run.plan.version,
        title=f"{report.ref} on {report.run.ref} failed",
        description=message,
        source=report,
        criterion="execution",
    )
    act.event(failure=message)
    return report


@registries.precondition("explanation.cancel_report")
def cancel_precondition(report: Report) -> None:
    fact = FACTS[State(report.state)]
    refuse_unless_under_way(report, under_way=State.QUEUED, fact=fact, rule="report-under-way")


@act("explanation.cancel_report")
def cancel_report(act: Act, report_id: int) -> Report:
    """Stop a report that is queued or under way. It keeps its number and the reason; nothing of it counts."""
    report = _locked(act, report_id)
    act.allow(report)
    stop(act, report, job=report.job, cancelled=State.CANCELLED)
    return report


@registries.precondition("explanation.submit_report")
def submit_precondition(run: Run) -> None:
    _refuse_unless_done(run, f"An explanation of {run.ref} cannot be submitted.")


@act("explanation.submit_report")
def submit_report(
    act: Act, run_id: int, *, file_digest: str, file_name: str, method: str, library: str
) -> Report:
    """Take in an explanation that was made elsewhere, as evidence and marked so; the gate asks for the portal's own.

    `file_digest`: stored bytes in the area `files`; `method`: one of `external.METHODS`; `library`: name and version.
    Raises BadInput beside `file`, `method` or `library`.
    """
    run = act.lock(Run.objects.select_related("plan__version__model"), pk=run_id)
    act.allow(run)
    problems: dict[str, list[str]] = {}
    if method not in external.METHODS:
        problems["method"] = [f"One of: {', '.join(external.METHODS)}."]
    if not library.strip() or len(library) > 80 or not library.isprintable():
        problems["library"] = ["Name the library and its version, in at most 80 printable characters."]
    if not blobs.exists(file_digest) or blobs.path(file_digest).stat().st_size > external.MAX_BYTES:
        problems["file"] = [f"Upload a file of at most {external.MAX_BYTES // 1024**2} MB."]
    if problems:
        raise BadInput("The explanation was not taken.", rule="explanation-upload", fields=problems)
    version = run.plan.version
    known = list(version.features) or [port["name"] for port in version.interface.get("inputs", ())]
    found = external.read(blobs.read(file_digest), file_name, known, method=method, library=library.strip())
    told = external.results_of(found)
    said = {"method": found.method, "library": found.library, "background_digest": found.background}
    results = {
        "schema": "explanation.submitted/1",
        "run": run.ref,
        "version": version.ref,
        "artefact_digest": version.artefact_digest,
        "source_digest": file_digest,
        "explanation": told | said,
    }
    report = _created(
        act,
        run,
        origin=Origin.SUBMITTED,
        state=State.DONE,
        finished_at=now(),
        method=plain(said | {"n": told["n"]}),
        summary=summary_of_submitted(told),
        results_digest=put_results(results),
        source_digest=file_digest,
        source_name=file_name[:200],
    )
    act.about(report)
    act.event(file=report.source_name, digest=file_digest, method=found.method)
    return report


def _move(report: Report, verb: str) -> ReviewState:
    """The review's next state; WrongState where the table has none, and once the version is decided."""
    version = report.run.plan.version
    refuse_decided(version.state, version.ref, f"The review of {report.ref} is not open for this.")
    after = REVIEW_TRANSITIONS.get((ReviewState(report.review_state), verb))
    if after is None or report.state != State.DONE:
        state, review = State(report.state), ReviewState(report.review_state)
        fact = FACTS[state] if state != State.DONE else f"{REVIEW_WORDS[review]}."
        who = {
            "write_review": ["nobody: an approved review stands; compute a new report to review again"],
            "sign_review_expert": ["the process expert who wrote the review, once it is written"],
            "sign_review_quality": ["an approver, once the process expert has signed"],
            "reject": ["an approver, once the process expert has signed"],
        }[verb]
        if state != State.DONE:
            who = ["a process expert, on a report that came to its end"]
        raise WrongState(f"The review of {report.ref} is not open for this.", fact=fact, rule="PC27", who=who)
    return after


@registries.precondition("explanation.write_review")
def write_precondition(report: Report) -> None:
    _move(report, "write_review")


@registries.precondition("explanation.sign_review_expert")
def expert_precondition(report: Report) -> None:
    _move(report, "sign_review_expert")


@registries.precondition("explanation.sign_review_quality")
def quality_precondition(report: Report) -> None:
    _move(report, "sign_review_quality")


@act("explanation.write_review")
def write_review(
    act: Act,
    report_id: int,
    *,
    decisions: Mapping[str, Any],
    surrogate: Mapping[str, Any],
    conclusion: str,
) -> Report:
    """Write the review of features and surrogate, as `rules.checked_review` has it. It takes the place of one that is
    not approved, whose signatures no longer match then. Raises BadInput naming the fields."""
    report = _locked(act, report_id)
    act.allow(report)
    features = [each["feature"] for each in report.summary["features"]]
    review = checked_review(features, decisions=decisions, surrogate=surrogate, conclusion=conclusion)
    act.write(
        report,
        review=review,
        review_state=_move(report, "write_review"),
        reviewed_by=act.user,
        reviewed_at=now(),
    )
    act.event(doubts=len(doubts(review)))
    return report


@act("explanation.sign_review_expert")
def sign_review_expert(act: Act, report_id: int) -> Report:
    """The process expert who wrote the review signs it."""
    report = _locked(act, report_id)
    act.allow(report)
    writer = report.reviewed_by
    if writer is None or writer.pk != act.user.pk:
        name = writer.printed_name if writer else "nobody"
        raise NotAllowed(
            f"You cannot sign the review of {report.ref}.",
            fact=f"{name} wrote it.",
            rule="author-signs",
            who=[name],
        )
    if act.decision != "approved":
        raise BadInput(
            "A review is signed by its writer, or written anew.",
            rule="signature",
            fields={"decision": ["Choose sign, or write the review anew."]},
        )
    act.refuse_if_changed(report)
    act.write(report, review_state=_move(report, "sign_review_expert"))
    act.sign(report, record_version=report.ref)
    return report


@act("explanation.sign_review_quality")
def sign_review_quality(act: Act, report_id: int) -> Report:
    """Quality approves the review, or rejects it with a reason. Each doubt of an approved review opens a deviation."""
    report = _locked(act, report_id)
    act.allow(report)
    act.refuse_if_changed(report)
    if act.decision == "rejected":
        act.write(report, review_state=_move(report, "reject"))
    else:
        act.write(report, review_state=_move(report, "sign_review_quality"))
        for each in doubts(report.review):
            word = DECISION_WORDS[Decision(each["decision"])].lower()
            raise_by_portal(
                act,
                report.run.plan.version,
                title=f"{each['what']} in {report.ref}: {word}",
                description=each["reason"],
                source=report,
                criterion=each["id"],
            )
    act.sign(report, record_version=report.ref)
    return report
