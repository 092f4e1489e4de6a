"""The sections of a version's dossier: requirement, verdict, evidence and who, then what the evidence is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from apps.access import queries as access_queries
from apps.access.actors import Actor
from apps.access.gate import Judge, visible, visible_within
from apps.access.sharing import shared
from apps.access.signing import content_digest, given_on, standings
from apps.accounts.models import User
from apps.approvals.checks import conflicts_of, waived_in
from apps.approvals.loading import live_gate, slots_of
from apps.core.errors import NotVisible
from apps.explanation import queries as explanation
from apps.fairness import queries as fairness
from apps.fairness.models import Report
from apps.packs.models import Pack
from apps.quality import queries as quality
from apps.quality import review_queries
from apps.quality.models import TrailReview
from apps.quality.queries import deviations_of_versions
from apps.quality.review_queries import reviews_of
from apps.registry import queries as registry
from apps.registry.loading import data_of_versions
from apps.registry.models import Version
from apps.robustness import queries as probing
from apps.robustness.loading import plans_of_versions as probe_plans_of_versions
from apps.validations import queries as validations
from apps.validations.comparing import missing_comparisons
from apps.validations.loading import comparisons_of, plans_of_versions, runs_of_versions
from apps.validations.states import PlanState
from apps.web.door import actor_of, page
from apps.web.links import url_of
from apps.web.sections import TITLES
from apps.web.timeline import stream
from apps.web.views.explanations import review_mark, reviewed_lines, run_acts
from apps.web.views.intended_use import use_context
from apps.web.views.probes import judged_lines
from apps.web.views.release import action_of, release_context, version_or_404
from apps.web.views.verification import section_context

AUDIT_ROWS = 100
BUILDERS: dict[str, Callable[[Actor, Version], dict[str, Any]]] = {}


def builds(slug: str) -> Callable:
    def keep(function: Callable) -> Callable:
        BUILDERS[slug] = function
        return function

    return keep


@builds("intended-use")
def intended_use(actor: Actor, version: Version) -> dict[str, Any]:
    return use_context(actor, version.intended_use)


@builds("data")
def data(actor: Actor, version: Version) -> dict[str, Any]:
    used = [row.dataset_version for row in data_of_versions([version.pk])[version.pk]]
    plans = plans_of_versions([version.pk])[version.pk]
    plan = next((p for p in plans if p.state == PlanState.LOCKED), None) or next(
        (p for p in plans if p.state != PlanState.SUPERSEDED), None
    )
    return {
        "used": [
            {"data": each, "url": url_of(each)}
            for each in sorted(used, key=lambda d: (d.dataset.slug, d.number))
        ],
        "plan": plan,
        "plan_url": url_of(plan),
        "comparisons": comparisons_of(plan) if plan else [],
        "missing": missing_comparisons(plan) if plan else [],
    }


def linked(rows) -> list[dict[str, Any]]:
    """Records with the addresses of their pages."""
    return [{"record": row, "url": url_of(row)} for row in rows]


@builds("verification")
def verification(actor: Actor, version: Version) -> dict[str, Any]:
    return section_context(actor, version)


@builds("validation")
def validation(actor: Actor, version: Version) -> dict[str, Any]:
    run = validations.last_done_run(version)
    return {
        "plans": linked(validations.plans(actor, version)),
        "runs": linked(validations.runs(actor, version)),
        "run": run,
        "run_url": url_of(run),
        "results": list(run.results.all()) if run else [],
    }


@builds("fairness")
def bias(actor: Actor, version: Version) -> dict[str, Any]:
    reports = list(fairness.reports(actor, version=version))
    done: Report | None = next((r for r in reports if r.state == "done"), None)
    results = fairness.results_for(actor, done) if done else {}
    return {
        "reports": linked(reports),
        "report": done,
        "report_url": url_of(done),
        "charts": fairness.charts_of(results),
    }


@builds("explainability")
def explainability(actor: Actor, version: Version) -> dict[str, Any]:
    """The newest explanation computed here, every other one, and what may be asked for on the newest run.

    One of a single class stands in the list alone: it says nothing of what led to the others.
    """
    reports = list(explanation.reports(actor, version=version))
    done = next(
        (r for r in reports if r.state == "done" and r.origin == "computed" and not r.explained_class), None
    )
    run = validations.last_done_run(version)
    results = explanation.results_of(done) if done else {}
    return {
        "reports": linked(reports),
        "report": done,
        "report_url": url_of(done),
        "found": results.get("explanation", {}),
        "chart": explanation.chart_of(done) if done else "",
        "review_mark": review_mark(done) if done else "",
        "reviewed": reviewed_lines(done) if done else [],
        "acts": run_acts(actor, run) if run else None,
    }


@builds("robustness")
def robustness(actor: Actor, version: Version) -> dict[str, Any]:
    """Limits of probes, the newest finished report with its chart, every report, and the files handed in."""
    reports = list(probing.reports(actor, version))
    done = next((r for r in reports if r.state == "done"), None)
    return {
        "plans": linked(probe_plans_of_versions([version.pk])[version.pk]),
        "reports": linked(reports),
        "report": done,
        "report_url": url_of(done),
        "limits": judged_lines(done) if done else [],
        "charts": probing.charts_of(probing.results_of(done)) if done else [],
        "evidence": list(probing.evidence(actor, version)),
    }


@builds("deviations")
def deviations(actor: Actor, version: Version) -> dict[str, Any]:
    return {"deviations": linked(quality.register(actor, version=version))}


def signed_records(actor: Actor, version: Version) -> list[Any]:
    """The version's records that carry signatures: intended use, plans, deviations, slots of its gate.

    Reviews of its trail only to whom they are shown: a seat on a review board opens the version and no trail.
    """
    gate = live_gate(version)
    reviews = reviews_of(version)
    if reviews:
        shown = set(visible_within(actor, TrailReview).filter(version=version).values_list("pk", flat=True))
        reviews = [review for review in reviews if review.pk in shown]
    return [
        version.intended_use,
        *plans_of_versions([version.pk])[version.pk],
        *probe_plans_of_versions([version.pk])[version.pk],
        *deviations_of_versions([version.pk])[version.pk],
        *explanation.reports_of_versions([version.pk])[version.pk],
        *reviews,
        *slots_of(gate),
    ]


@builds("signatures")
def signatures(actor: Actor, version: Version) -> dict[str, Any]:
    """Every manifestation on the version's records, each judged against its record as it is now."""
    records = signed_records(actor, version)
    given = given_on([(record.subject_kind, str(record.pk)) for record in records])
    return {
        "signed": [
            {"record": record, "url": url_of(record), "standings": standings(record, mine)}
            for record, mine in zip(records, given, strict=True)
            if mine
        ]
    }


@builds("people")
def people(actor: Actor, version: Version) -> dict[str, Any]:
    """Who made it, conflicts found; to who has a duty, also who did what that separation counts, and who holds what."""
    judge = Judge(version)
    held = list(access_queries.on_parent(actor, version.model))
    named = access_queries.told_of_duties(actor, version.model, held)
    told: dict[str, dict[str, None]] = {}
    for deed in judge.deeds if named else ():
        told.setdefault(deed.person, {})[deed.told] = None
    persons = User.objects.filter(uuid__in=told).order_by("printed_name")
    return {
        "named": named,
        "authors": registry.authors_of(version),
        "deeds": [{"person": p, "told": list(told[str(p.uuid)])} for p in persons],
        "conflicts": conflicts_of(version),
        "waived": waived_in(version) if named else [],
        "waivers": list(access_queries.waivers_about(actor, version)) if named else [],
        "coverage": access_queries.coverage(version.model, held) if named else [],
        "rules_version": judge.rules.version,
    }


@builds("lineage")
def lineage(actor: Actor, version: Version) -> dict[str, Any]:
    """Up: what it was made of. Down: what was made from it, and the evidence that rests on it."""
    runs: dict[int, list[Any]] = {}
    for run in runs_of_versions([version.pk])[version.pk]:
        runs.setdefault(run.plan_id, []).append(run)
    reports: dict[int, list[Any]] = {}
    for report in fairness.reports_of_versions([version.pk])[version.pk]:
        reports.setdefault(report.run_id, []).append(report)
    evidence = [
        registry.Node(
            "Validation plan",
            plan,
            below=[
                registry.Node("Test data", plan.test_data, digest=plan.test_data.file_digest),
                *(
                    registry.Node(
                        "Run",
                        run,
                        digest=run.results_digest,
                        below=[
                            registry.Node("Bias report", report, digest=report.results_digest)
                            for report in reports.get(run.pk, ())
                        ],
                    )
                    for run in runs.get(plan.pk, ())
                ),
            ],
        )
        for plan in plans_of_versions([version.pk])[version.pk]
    ]
    packs = [
        registry.Node("Inspection pack", p, digest=p.pdf_digest)
        for p in visible(actor, Pack).filter(version=version)
    ]
    return {
        "up": registry.made_of(actor, version),
        "down": [*evidence, *packs, *registry.derived_from(actor, version)],
    }


@builds("documents")
def documents(actor: Actor, version: Version) -> dict[str, Any]:
    return {
        "packs": linked(
            visible(actor, Pack).filter(version=version).select_related("requested_by", "version__model")
        ),
        "content": registry.content_told(version),
        "digest": content_digest(version),
    }


@builds("audit")
def audit(actor: Actor, version: Version) -> dict[str, Any]:
    reviews = linked(review_queries.register(actor, version=version))
    last = review_queries.last_signed(version)
    if last not in [each["record"] for each in reviews]:
        last = None
    return {
        "reviews": reviews,
        "last_review": last,
        "since_review": len(review_queries.came_after(last, version)) if last else 0,
    }


@page
def section(request: HttpRequest, slug: str, label: str, section: str) -> HttpResponse:
    """One section as a page of its own: it prints, can be bookmarked and works without JavaScript."""
    if section not in BUILDERS:
        raise NotVisible()
    version = version_or_404(request, slug, label)
    with shared():
        context = release_context(request, version)
        rows = [r for r in context["evaluation"].rows if r.section == section]
        context |= {
            "section": section,
            "needs_you": "",  # the gate it would lead to stands on the summary
            "title": TITLES[section],
            "part": f"registry/sections/{section}.html",
            "required": [{"row": r, "action": action_of(r)} for r in rows],
            **BUILDERS[section](actor_of(request), version),
        }
        if section == "audit":
            show = request.GET.get("timeline", "")
            context |= stream(actor_of(request), version, limit=AUDIT_ROWS, show=show)
        return render(request, "registry/section.html", context)


urlpatterns = [path("models/<slug:slug>/<str:label>/<str:section>/", section, name="section")]
