"""Every verb on bias reports."""

from __future__ import annotations

from typing import Any

from apps.access.acting import Act, act
from apps.access.signing import has_valid
from apps.access.under_way import refuse_unless_under_way, stop
from apps.core import jobs, registries
from apps.core.clock import now
from apps.core.errors import BadInput, WrongState
from apps.core.models import Job
from apps.core.numbers import next_number
from apps.fairness.models import Note, Report
from apps.fairness.queries import RELATED
from apps.fairness.states import FACTS, NoteKind, State, Verdict
from apps.quality.acts import raise_by_portal
from apps.validations.models import Run
from apps.validations.states import RUN_FACTS, RunState, Task

COMPUTE = "fairness.compute"
MAX_NOTE = 10_000


@registries.precondition("fairness.request_report")
def request_precondition(run: Run) -> None:
    if run.state != RunState.DONE:
        raise WrongState(
            f"A bias report on {run.ref} cannot be computed.",
            fact=RUN_FACTS[RunState(run.state)],
            rule="PC26",
            who=["a bias tester, on a run that came to its end"],
        )
    if run.plan.task == Task.MULTICLASS and not run.plan.positive_value:
        # Plans locked before one had to be named: said here, since no report of them could come to its end.
        raise WrongState(
            f"A bias report on {run.ref} cannot be computed.",
            fact=f"{run.plan.ref} is about several classes and names none that groups are compared on.",
            rule="PC26",
            who=["a validator, by a plan that replaces it and names the class, and a run of that plan"],
        )
    under_way = run.bias_reports.filter(state=State.QUEUED).first()
    if under_way is not None:
        raise WrongState(
            f"A bias report on {run.ref} is not computed now.",
            fact=f"{under_way.ref} is queued or running.",
            rule="one-report-at-a-time",
            who=["a bias tester, when it has ended"],
        )


@act("fairness.request_report")
def request_report(act: Act, run_id: int) -> Report:
    """Queue a bias report on a finished run. *Run again* is a new report with the next number."""
    run = act.lock(Run.objects.select_related("plan__version__model"), pk=run_id)
    act.allow(run)
    report = act.create(
        Report,
        number=next_number(Report.subject_kind),
        run=run,
        requested_by=act.user,
        requested_at=now(),
    )
    act.write(report, job=act.after_commit(COMPUTE, report))
    act.about(report)
    return report


def _locked(act: Act, report_id: int) -> Report:
    return act.lock(Report.objects.select_related(*RELATED), pk=report_id)


def _done(report: Report, what: str, who: str) -> None:
    if report.state != State.DONE:
        raise WrongState(
            f"{report.ref} {what}.",
            fact=FACTS[State(report.state)],
            rule="report-done",
            who=[who],
        )


@registries.precondition("fairness.sign_report")
def sign_precondition(report: Report) -> None:
    _done(report, "cannot be signed", "a bias tester, after a report that came to its end")
    if has_valid(report, "review"):
        raise WrongState(
            f"{report.ref} is not signed again.",
            fact="A bias tester has signed it as it is.",
            rule="signed-once",
            who=["nobody: the signature stands"],
        )


@act("fairness.sign_report")
def sign_report(act: Act, report_id: int) -> Report:
    """A bias tester who did not develop the version signs the report as reviewed: figures, limits, small groups."""
    report = _locked(act, report_id)
    act.allow(report)
    if act.decision != "approved":
        raise BadInput(
            "A bias report is signed or left.",
            rule="signature",
            fields={"decision": ["Choose to sign; what is wrong with the model stands in its deviations."]},
        )
    act.refuse_if_changed(report)
    act.sign(report, record_version=report.ref)
    return report


@registries.precondition("fairness.record_note")
def note_precondition(report: Report) -> None:
    _done(report, "takes no notes yet", "whoever works on the model, after a report that came to its end")


@act("fairness.record_note")
def record_note(act: Act, report_id: int, *, kind: str, text: str) -> Note:
    """Record what was done about a report (remediation) or what those concerned said (feedback), once for all."""
    report = _locked(act, report_id)
    act.allow(report)
    problems = {}
    if kind not in set(NoteKind):
        problems["kind"] = ["Choose remediation or feedback."]
    if not text.strip() or len(text) > MAX_NOTE:
        problems["text"] = [f"Say what was done or said, in at most {MAX_NOTE:,} characters."]
    if problems:
        raise BadInput("Nothing was recorded.", rule="note", fields=problems)
    note = act.create(
        Note,
        report=report,
        kind=kind,
        text=text.strip(),
        reason=act.reason,
        written_by=act.user,
        written_at=now(),
    )
    act.event(note=note.pk, note_kind=kind)
    return note


@registries.precondition("fairness.cancel_report")
def cancel_precondition(report: Report) -> None:
    fact = FACTS[State(report.state)]
    refuse_unless_under_way(report, under_way=State.QUEUED, fact=fact, rule="report-under-way")


@act("fairness.cancel_report")
def cancel_report(act: Act, report_id: int) -> Report:
    """Stop a report that is queued or under way. It keeps its number and the reason; nothing of it counts."""
    report = _locked(act, report_id)
    act.allow(report)
    stop(act, report, job=report.job, cancelled=State.CANCELLED)
    return report


@act("fairness.finish_report")
def finish_report(act: Act, report_id: int, *, job: Job, outcome: dict[str, Any]) -> Report:
    """Write the report once; each limit that is breached or cannot be decided opens its own deviation.

    `outcome`: what `computing.compute` returns.
    """
    report = _locked(act, report_id)
    act.allow(report)
    jobs.end(job)
    act.write(report, state=State.DONE, finished_at=now(), **outcome)
    for line in outcome["summary"]:
        if line["verdict"] != Verdict.WITHIN:
            word = "breached" if line["verdict"] == Verdict.BREACHED else "undecided"
            raise_by_portal(
                act,
                report.run.plan.version,
                title=f"{line['id']} {word} in {report.ref}: {line['what']}",
                description=line["sentence"],
                source=report,
                criterion=line["id"],
            )
    act.event(verdict=outcome["verdict"], results=outcome["results_digest"], cells=outcome["cells_digest"])
    return report


@act("fairness.fail_report")
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
