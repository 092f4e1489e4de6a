"""What a person must see before they sign: the record in words and figures, above its canonical content.

One builder for each kind of record that is signed; each names the part of the page that shows it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.urls import reverse

from apps.access.actors import Actor
from apps.access.models import ReviewSheet, RulesChange, Waiver
from apps.access.reviewing import shown
from apps.access.rule_queries import difference_to_base, gains_of
from apps.access.rulebook import rules_in_force
from apps.access.signing import content_digest
from apps.approvals.board_facts import about, name_of_board, seat_told
from apps.approvals.board_models import Meeting
from apps.approvals.board_rules import decision_told
from apps.approvals.evaluation import evaluate, for_viewer
from apps.approvals.models import Slot
from apps.core.clock import now
from apps.explanation.models import Report as Explanation
from apps.explanation.queries import chart_of
from apps.fairness.checks import last_report
from apps.fairness.models import Report
from apps.fairness.queries import results_of
from apps.quality.models import Deviation, TrailReview
from apps.quality.queries import deviations_of_versions, is_unsettled
from apps.quality.review_queries import marks_by_entry
from apps.quality.review_rules import review_rules
from apps.quality.states import State
from apps.registry.models import IntendedUse, Version
from apps.registry.states import Level, tier
from apps.robustness.models import ProbePlan
from apps.validations.checks import last_run
from apps.validations.loading import comparisons_of, results_of_run
from apps.validations.models import Plan, Run
from apps.web.criteria import baseline_line, criterion_line, limit_line, metric_label
from apps.web.links import subject_of, url_of
from apps.web.release_figures import key_figures
from apps.web.sections import SECTIONS
from apps.web.views.bias import limit_rows
from apps.web.views.explanations import reviewed_lines
from apps.web.views.intended_use import LABELS, tier_grid
from apps.web.views.probes import bound_lines, limit_lines

BUILDERS: dict[str, Callable[[Actor, Any], dict[str, Any]]] = {}


def shows(kind: str) -> Callable:
    def keep(function: Callable) -> Callable:
        BUILDERS[kind] = function
        return function

    return keep


def evidence_of(actor: Actor, subject: Any) -> dict[str, Any]:
    """Context of the evidence part, with its template as `evidence_part`.

    A record whose canonical content says all there is to say has no builder, and no part of its own.
    """
    build = BUILDERS.get(subject.subject_kind)
    return build(actor, subject) if build else {"evidence_part": ""}


def section_url(version: Version, slug: str) -> str:
    if slug == "summary":
        return url_of(version)
    return reverse("web:section", args=[version.model.slug, version.label, slug])


def result_lines(run: Run) -> list[dict[str, Any]]:
    """Each criterion's result with the words of its metric and its bound."""
    return [
        {
            "result": r,
            "metric": metric_label(r.metric, r.of_class),
            "bound": f"{'≥' if r.direction == 'min' else '≤'} {r.limit}",
        }
        for r in results_of_run(run)
    ]


@shows("access.waiver")
def waiver(actor: Actor, waiver: Waiver) -> dict[str, Any]:
    """The rule with its text, for whom, where, why, what is done instead and until when."""
    return {
        "evidence_part": "evidence/waiver.html",
        "waiver": waiver,
        "text": rules_in_force().texts().get(waiver.rule, "no longer a rule"),
    }


@shows("access.rules_change")
def rules_change(actor: Actor, change: RulesChange) -> dict[str, Any]:
    """What differs rule by rule, what the replay found, and whether the signer would gain from it."""
    return {
        "evidence_part": "evidence/rules_change.html",
        "change": change,
        "changed": [each for each in difference_to_base(change) if each.kind != "same"],
        "gains": gains_of(actor.user, change),
    }


@shows("access.review_sheet")
def review_sheet(_actor: Actor, sheet: ReviewSheet) -> dict[str, Any]:
    """Every line with the decision on it, and how many duties end with the signature."""
    lines = shown(sheet)
    return {
        "evidence_part": "evidence/review_sheet.html",
        "sheet": sheet,
        "lines": lines,
        "ending": sum(line["decision"] == "end" for line in lines),
    }


@shows("approvals.slot")
def release(actor: Actor, slot: Slot) -> dict[str, Any]:
    """Gate, criteria, bias limits, probes, explanation, deviations, residual risk, and the way to every section."""
    version = slot.gate.version
    evaluation = for_viewer(evaluate(version), actor)
    run, report, at = last_run(version), last_report(version), now()
    found = [
        {"record": each, "url": url_of(each), "open": is_unsettled(each, at)}
        for each in deviations_of_versions([version.pk])[version.pk]
    ]
    return {
        "evidence_part": "evidence/release.html",
        "version": version,
        "checks": [
            {"row": row, "url": section_url(version, row.section or "summary")} for row in evaluation.rows
        ],
        "open_checks": evaluation.open_checks,
        "run": run,
        "run_url": url_of(run),
        "lines": result_lines(run) if run else [],
        "report": report,
        "report_url": url_of(report),
        "limits": limit_rows(report) if report else [],
        "open_deviations": [each for each in found if each["open"]],
        "accepted": [each for each in found if each["record"].state == State.ACCEPTED and not each["open"]],
        "use": version.intended_use,
        "use_url": url_of(version.intended_use),
        "sections": [{"title": title, "url": section_url(version, slug)} for slug, title in SECTIONS],
        **key_figures(version, report),
    }


@shows("approvals.meeting")
def meeting(actor: Actor, found: Meeting) -> dict[str, Any]:
    """Who attended with which vote, minute, decision and conditions; what the signature says, word for word."""
    version, attendance = found.gate.version, list(found.attendance.select_related("member__person"))
    mine = [each.member for each in attendance if each.votes and each.member.person_id == actor.user.pk]
    board = name_of_board(found)
    decision, told = "", ""
    if found.minuted_at is not None:
        decision = decision_told(found.decision, found.conditions, found.conditions_met_at is not None)
        told = (
            f"You sign the minute of {found.ref}, {board}, held {found.held_at:%Y-%m-%d %H:%M} UTC. Its decision is "
            f"“{decision}”, about {found.about['ref']} with the digest {found.about['digest']}. Minute, attendance and "
            f"decision stand above; your signature binds them by the content digest {content_digest(found)}."
        )
    return {
        "evidence_part": "evidence/meeting.html",
        "meeting": found,
        "board_name": board,
        "attendance": attendance,
        "version": version,
        "version_url": url_of(version),
        "decision": decision,
        "changed": bool(found.about) and found.about["digest"] != about(version)["digest"],
        "file_digest": found.file_digest,
        "seat": [seat_told(each, found) for each in mine],
        "signing_told": told,
    }


@shows("registry.intended_use")
def intended_use(_actor: Actor, use: IntendedUse) -> dict[str, Any]:
    """What the model is for, and how its tier follows."""
    return {
        "evidence_part": "evidence/intended_use.html",
        "use": use,
        "texts": [{"label": LABELS[name], "text": getattr(use, name)} for name in LABELS],
        "grid": tier_grid(use),
        "levels": list(Level),
        "base_tier": tier(use.influence, use.consequence).value,
    }


@shows("robustness.plan")
def probe_plan(_actor: Actor, found: ProbePlan) -> dict[str, Any]:
    """Every probe with its limit, how strong it is, and why."""
    return {
        "evidence_part": "evidence/probe_plan.html",
        "plan": found,
        "limits": limit_lines(found),
        "bounds": bound_lines(found),
    }


@shows("validations.plan")
def plan(_actor: Actor, found: Plan) -> dict[str, Any]:
    """Criteria, bias limits, test data and its independence, rationale."""
    return {
        "evidence_part": "evidence/plan.html",
        "plan": found,
        "version": found.version,
        "version_url": url_of(found.version),
        "criteria": [criterion_line(one, found.target_unit) for one in found.criteria],
        "limits": [limit_line(one, found.target_unit) for one in found.bias_limits],
        "baselines": [baseline_line(one, found.target_unit) for one in found.baselines],
        "comparisons": comparisons_of(found),
    }


@shows("fairness.report")
def bias_report(_actor: Actor, found: Report) -> dict[str, Any]:
    """The verdict of each locked limit, the groups too small to judge, and the way to every figure."""
    return {
        "evidence_part": "evidence/bias_report.html",
        "report": found,
        "report_url": url_of(found),
        "limits": limit_rows(found),
        "too_few": results_of(found).get("too_few", []),
    }


@shows("explanation.report")
def explanation(_actor: Actor, found: Explanation) -> dict[str, Any]:
    """What the version rests on in a sentence a feature, the examples, and the review that is signed."""
    return {
        "evidence_part": "evidence/explanation.html",
        "report": found,
        "report_url": url_of(found),
        "version": found.run.plan.version,
        "version_url": url_of(found.run.plan.version),
        "chart": chart_of(found),
        "reviewed": reviewed_lines(found),
    }


@shows("quality.trail_review")
def trail_review(_actor: Actor, found: TrailReview) -> dict[str, Any]:
    """The range, what the filters caught and what of it was seen, comments and findings."""
    rules = review_rules(found.rules_version)
    marks = marks_by_entry(found)
    groups = [(each["title"], each["text"], found.exceptions[each["code"]]) for each in rules["filters"]]
    groups.append(("Sample", rules["sample"]["text"], found.sample))
    return {
        "evidence_part": "evidence/trail_review.html",
        "review": found,
        "rules": rules,
        "filters": [
            {"title": title, "text": says, "count": len(entries), "seen": sum(e in marks for e in entries)}
            for title, says, entries in groups
        ],
        "comments": [mark for mark in marks.values() if mark.comment],
        "findings": list(found.findings.select_related("recorded_by")),
    }


@shows("quality.deviation")
def deviation(_actor: Actor, found: Deviation) -> dict[str, Any]:
    """What was found, by what it was found, and the result it rests on."""
    source = subject_of(found.source_kind, found.source_id) if found.source_kind else None
    lines = result_lines(source) if isinstance(source, Run) else []
    limits = limit_rows(source) if source is not None and source.subject_kind == "fairness.report" else []
    return {
        "evidence_part": "evidence/deviation.html",
        "deviation": found,
        "version": found.version,
        "version_url": url_of(found.version),
        "source": source,
        "source_url": url_of(source) if source else "",
        "lines": [line for line in lines if line["result"].criterion == found.criterion],
        "limits": [line for line in limits if line["id"] == found.criterion],
        "use": found.version.intended_use,
    }
