"""What a requirement is shown by besides tests: criteria, limits, probes, explanations and claims of a version."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Any

from apps.explanation.checks import last_report
from apps.explanation.rules import doubts
from apps.explanation.states import ReviewState
from apps.explanation.states import State as ExplanationState
from apps.fairness.checks import last_done_report
from apps.quality.queries import accepted_for
from apps.registry.models import Version
from apps.robustness.checks import last_done_probe_report, live_probe_plan
from apps.validations.checks import last_done_run, live_plan
from apps.validations.loading import results_of_run
from apps.verification.loading import claims_of_versions
from apps.verification.matrix import ResultFact
from apps.verification.states import Outcome, Target

Found = Iterator[tuple[str, ResultFact]]  # (what a link names, what became of it)
_VERDICTS = {
    "met": Outcome.PASSED,
    "not_met": Outcome.FAILED,
    "within": Outcome.PASSED,
    "breached": Outcome.FAILED,
}


def _criteria(version: Version) -> Found:
    run = last_done_run(version)
    if run is None:
        return
    accepting = accepted_for(run, version)
    for each in results_of_run(run):
        by = accepting.get(each.criterion)
        outcome = _VERDICTS.get(each.verdict, Outcome.UNDECIDED)
        yield each.criterion, ResultFact(outcome, each.sentence, run.ref, by.ref if by else "")


def _limits(version: Version) -> Found:
    report = last_done_report(version)
    return _of_summary(report, version) if report is not None else iter(())


def _probes(version: Version) -> Found:
    report = last_done_probe_report(version)
    return _of_summary(report, version) if report is not None else iter(())


def _of_summary(report: Any, version: Version) -> Found:
    """The limits of a report, one item of its summary each."""
    accepting = accepted_for(report, version)
    for line in report.summary:
        by = accepting.get(line["id"])
        outcome = _VERDICTS.get(line["verdict"], Outcome.UNDECIDED)
        yield line["id"], ResultFact(outcome, line["sentence"], report.ref, by.ref if by else "")


def _explanations(version: Version) -> Found:
    """The newest explanation: it shows a requirement once quality has approved the review of its features."""
    report = last_report(version)
    if report is None or report.state != ExplanationState.DONE:
        return
    if report.review_state != ReviewState.APPROVED:
        told = f"Review: {report.get_review_state_display().lower()}"
        yield report.ref, ResultFact(Outcome.UNREVIEWED, told, report.ref)
        return
    doubted, accepting = doubts(report.review), accepted_for(report, version)
    if not doubted:
        told = f"{len(report.review['features'])} features reviewed: {report.review['conclusion']}"
        yield report.ref, ResultFact(Outcome.PASSED, told, report.ref)
        return
    by = [accepting[each["id"]].ref for each in doubted if each["id"] in accepting]
    told = "; ".join(f"{each['what']}: {each['reason']}" for each in doubted)
    accepted = ", ".join(by) if len(by) == len(doubted) else ""
    yield report.ref, ResultFact(Outcome.FAILED, told, report.ref, accepted)


def _claims(version: Version) -> Found:
    for claim in claims_of_versions([version.pk])[version.pk]:
        told = f"{len(claim.figures)} figures by {claim.origin}"
        yield claim.ref, ResultFact(Outcome.CLAIMED, told, claim.ref)


_RESULTS: dict[Target, Callable[[Version], Found]] = {
    Target.CRITERION: _criteria,
    Target.LIMIT: _limits,
    Target.PROBE: _probes,
    Target.EXPLANATION: _explanations,
    Target.CLAIM: _claims,
}


def results_linked(version: Version, targets: Collection[str]) -> dict[tuple[str, str], ResultFact]:
    """(target, what a link names) -> result, of the newest finished run and reports. Only what is asked for is read:
    most versions are shown by tests alone."""
    return {
        (target, name): result for target in targets for name, result in _RESULTS[Target(target)](version)
    }


def choices_of(version: Version, target: str) -> list[str]:
    """What a link of this kind may name: ids of criteria and limits, references of explanations and claims."""
    if target in (Target.CRITERION, Target.LIMIT):
        plan = live_plan(version)
        rows = (plan.criteria if target == Target.CRITERION else plan.bias_limits) if plan else []
        return [each["id"] for each in rows]
    if target == Target.PROBE:
        probes = live_probe_plan(version)
        return [each["id"] for each in probes.limits] if probes else []
    if target in (Target.EXPLANATION, Target.CLAIM):
        return [name for name, _ in _RESULTS[Target(target)](version)]
    return []
