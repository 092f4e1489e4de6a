"""Probes of robustness and privacy: limits written and locked, reports made, files handed in."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.gate import may, offers
from apps.access.sharing import shared
from apps.access.signing import content_digest
from apps.analysis.probes import PROBES
from apps.core.digests import canonical_json
from apps.core.errors import BadInput
from apps.robustness import acts, queries
from apps.robustness.acts.plans import facts_of
from apps.robustness.deciding import deciding
from apps.robustness.export import as_csv
from apps.robustness.models import ProbePlan, ProbeReport
from apps.robustness.rules import OF_NUMBERS, bounds_of, outdated
from apps.robustness.states import (
    REPORT_WORDS,
    VERDICT_WORDS,
    PlanState,
    ReportState,
    Verdict,
)
from apps.validations.models import Plan
from apps.validations.states import Task
from apps.web.buttons import Acts, Button
from apps.web.cancelling import cancel_page
from apps.web.door import actor_of, page, seen_or_404
from apps.web.links import sign_url
from apps.web.lists import Column, Table, choice, text
from apps.web.probe_form import ProbeEntry
from apps.web.progress import progress_of, wants_fragment
from apps.web.views.plans import link, state_mark
from apps.web.views.probe_files import probe_files
from apps.web.views.runs import verdict_mark

PROBE_RULES = {
    "point": "the value itself",
    "near": "breached when even the lower end of its interval is above the limit",
    "far": "kept only when even the upper end of its interval is within the limit",
}
ANOTHER = {
    Task.BINARY: "Another decision",
    Task.MULTICLASS: "Another class",
    Task.REGRESSION: "Moved beyond the tolerance",
}
REPORTS = Table(
    name="probe-reports",
    caption="Probe reports you may see",
    order="-number",
    empty="No probe report that you may see. A validator or bias tester asks for one on locked limits.",
    columns=[
        Column("number", "Report", sort="number", heading=True, value=lambda r: r.ref, render=link),
        Column("state", "State", sort="state", value=lambda r: r.get_state_display(), render=state_mark),
        Column(
            "verdict", "Verdict", sort="verdict", value=lambda r: r.get_verdict_display(), render=verdict_mark
        ),
        Column(
            "plan", "Limits", sort="plan__number", value=lambda r: r.plan.ref, render=lambda r: link(r.plan)
        ),
        Column(
            "version",
            "Version",
            sort=(
                "plan__validation_plan__version__model__slug",
                "plan__validation_plan__version__label",
            ),
            value=lambda r: r.plan.version.ref,
            render=lambda r: link(r.plan.version),
        ),
        Column(
            "by",
            "Asked for by",
            sort="requested_by__printed_name",
            value=lambda r: r.requested_by.printed_name,
        ),
        Column("requested_at", "Asked for", sort="requested_at", kind="moment"),
        Column("finished_at", "Ended", sort="finished_at", kind="moment"),
    ],
    filters=[
        choice(
            "state",
            "State",
            [(s.value, REPORT_WORDS[s]) for s in ReportState],
            lambda r, v: r.filter(state=v),
        ),
        choice(
            "verdict",
            "Verdict",
            [(v.value, VERDICT_WORDS[v]) for v in Verdict],
            lambda r, v: r.filter(verdict=v),
        ),
        text("model", "Model", lambda r, v: r.filter(plan__validation_plan__version__model__slug=v)),
        text("version", "Version", lambda r, v: r.filter(plan__validation_plan__version__label=v)),
    ],
)


@page
def probe_reports(request: HttpRequest) -> HttpResponseBase:
    return REPORTS.read(request, queries.reports(actor_of(request))).respond("robustness/reports.html")


def limit_lines(plan: ProbePlan) -> list[dict[str, Any]]:
    """Each limit of a plan in words."""
    by = deciding(plan)
    return [
        {
            **line,
            "label": PROBES[line["probe"]].label,
            "about": PROBES[line["probe"]].about,
            "measure": by.measure(PROBES[line["probe"]].measure),
            "judged_on": PROBE_RULES[line["rule"]],
        }
        for line in plan.limits
    ]


def bound_lines(plan: ProbePlan) -> list[tuple[str, str]]:
    """Label and value of every bound that the plan states, those of a predicted number with its unit."""
    unit = plan.validation_plan.target_unit
    return [
        (words[0], f"{plan.bounds[name]} {unit if name in OF_NUMBERS else ''}".strip())
        for name, words in bounds_of(plan.validation_plan.task).items()
        if name in plan.bounds  # one that came later is none of theirs
    ]


def judged_lines(report: ProbeReport) -> list[dict[str, Any]]:
    """Each judged limit with the words of its rule, as the report keeps it."""
    return [{**line, "judged_on": PROBE_RULES[line["rule"]]} for line in report.summary]


def plan_context(request: HttpRequest, found: ProbePlan) -> dict[str, Any]:
    actor = actor_of(request)
    with shared():
        shown = queries.plan_page(actor, found.pk)
        plan = shown.plan
        given = {v.act: v for v in offers(actor, plan)}
        write = may(actor, "robustness.write_plan", plan.validation_plan)
        hand_in = may(actor, "robustness.submit_evidence", plan.version)
    buttons = [
        Button(given[act], sign_url(act, plan.pk), style="primary")
        for act in ("robustness.sign_plan_author", "robustness.sign_plan_approval")
    ]
    label = "Make the probes again" if shown.reports else ""
    request_url = reverse("web:probe_request", args=[plan.number])
    buttons.append(Button(given["robustness.request_report"], request_url, post=True, label=label))
    buttons.append(Button(hand_in, reverse("web:probe_files", args=[plan.version.pk])))
    anew = reverse("web:probe_plan_new", args=[plan.validation_plan_id])
    buttons.append(Button(write, anew, label="Write the limits anew"))
    doable = Acts(tuple(buttons))
    return {
        "plan": plan,
        "validation": plan.validation_plan,
        "version": plan.version,
        "limits": limit_lines(plan),
        "bounds": bound_lines(plan),
        "outdated": outdated(plan.ref, plan.catalogue) if plan.state == PlanState.LOCKED else "",
        "reports": shown.reports,
        "standings": shown.signatures,
        "digest": content_digest(plan),
        "acts": doable,
        "needs_you": doable.anchor,
    }


@page
def probe_plan(request: HttpRequest, number: int) -> HttpResponse:
    found = seen_or_404(request, ProbePlan, number=number)
    return render(request, "robustness/plan.html", plan_context(request, found))


@require_http_methods(["GET", "POST"])
@page
def probe_plan_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Write the limits of probes for a locked validation plan. Earlier ones that were not locked fill the form."""
    actor = actor_of(request)
    validation = seen_or_404(request, Plan, "version__model", "version__intended_use", pk=pk)
    verdict = may(actor, "robustness.write_plan", validation)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            acts.write_plan(actor, validation.pk, bounds={}, limits=[], rationale="", private_training="")
        raise verdict.refusal()
    version = validation.version
    earlier = validation.probe_plans.order_by(
        "-number"
    ).first()  # one that is locked: under an earlier catalogue
    entry = ProbeEntry(request.POST if request.method == "POST" else None, earlier, facts_of(validation))
    status = 200
    if request.method == "POST":
        if entry.is_valid():
            try:
                made = acts.write_plan(actor, validation.pk, **entry.arguments())
            except BadInput as refused:
                entry.add_refusal(refused)
            else:
                messages.success(
                    request, f"{made.ref} is written. Sign it as its author when it says what you mean."
                )
                return redirect("web:probe_plan", made.number)
        status = 422
    context = {
        "validation": validation,
        "version": version,
        "entry": entry,
        "found": entry.found,
        "earlier": earlier,
        "use": version.intended_use,
    }
    return render(request, "robustness/plan_form.html", context, status=status)


@require_POST
@page
def probe_request(request: HttpRequest, number: int) -> HttpResponse:
    found = seen_or_404(request, ProbePlan, number=number)
    key = request.POST.get("idempotency_key", "")[:100]
    report = acts.request_report(actor_of(request), found.pk, idempotency_key=key)
    messages.success(request, f"{report.ref} is queued. You may close this page: it goes on without you.")
    return redirect("web:probe_report", report.number)


def report_context(request: HttpRequest, found: ProbeReport) -> dict[str, Any]:
    actor = actor_of(request)
    with shared():
        shown = queries.report_page(actor, found.pk)
        report = shown.report
        given = {v.act: v for v in offers(actor, report)}
        again = may(actor, "robustness.request_report", report.plan)
    again_url = reverse("web:probe_request", args=[report.plan.number])
    cancel_url = reverse("web:probe_cancel", args=[report.number])
    buttons = [Button(again, again_url, post=True, label="Make the probes again")]
    if report.state == ReportState.QUEUED:
        buttons.insert(0, Button(given["robustness.cancel_report"], cancel_url, style="danger"))
    results = shown.results
    findings = [
        finding
        | {"label": PROBES[finding["probe"]].label}
        | {name: finding["more"].get(name, "–") for name in ("changed", "unanswered")}
        for finding in results.get("findings", ())
    ]
    attack = next((f for f in findings if f["probe"] == "adversarial"), None)
    apart = report.parity.outcome.get("max_difference") if report.parity else None
    return {
        "report": report,
        "greatest": f"{float(apart):.3g}" if apart else "",
        "plan": report.plan,
        "validation": report.plan.validation_plan,
        "version": report.plan.version,
        "progress": progress_of(request, shown.job, report.ref),
        "limits": judged_lines(report),
        "findings": findings,
        "about": limit_lines(report.plan),
        "another": ANOTHER[report.plan.validation_plan.task],
        "attack": attack["more"] if attack else {},
        "failures": results.get("failures_of_the_model", []),
        "results": results,
        "charts": shown.charts,
        "deviations": shown.deviations,
        "digest": content_digest(report),
        "acts": Acts(tuple(buttons)),
        "done": report.state == ReportState.DONE,
    }


@page
def probe_report(request: HttpRequest, number: int) -> HttpResponse:
    """One report; what changes alone for htmx, until it has ended."""
    found = seen_or_404(request, ProbeReport, number=number)
    template = "robustness/_report.html" if wants_fragment(request) else "robustness/report.html"
    return render(request, template, report_context(request, found))


def _file(found: ProbeReport, content: str | bytes, kind: str, ending: str) -> HttpResponse:
    response = HttpResponse(content, content_type=kind)
    response["Content-Disposition"] = f'attachment; filename="{found.ref}.{ending}"'
    return response


@page
def probe_csv(request: HttpRequest, number: int) -> HttpResponse:
    """Every figure of the report as CSV."""
    found = seen_or_404(request, ProbeReport, number=number)
    queries.refuse_unfinished(found)
    return _file(found, as_csv(found), "text/csv; charset=utf-8", "csv")


@page
def probe_json(request: HttpRequest, number: int) -> HttpResponse:
    """The stored results: the very bytes behind the digest of the results."""
    found = seen_or_404(request, ProbeReport, number=number)
    queries.refuse_unfinished(found)
    return _file(found, canonical_json(queries.results_of(found)), "application/json", "json")


@require_http_methods(["GET", "POST"])
@page
def probe_cancel(request: HttpRequest, number: int) -> HttpResponse:
    """Stop a report that is queued or under way, with a reason."""
    found = seen_or_404(request, ProbeReport, *queries.REPORTS, number=number)
    return cancel_page(
        request,
        found,
        found.plan.version,
        name="robustness.cancel_report",
        act=acts.cancel_report,
        back=reverse("web:probe_report", args=[found.number]),
        what="probes",
    )


urlpatterns = [
    path("probes/", probe_reports, name="probe_reports"),
    path("probes/<int:number>/", probe_report, name="probe_report"),
    path("probes/<int:number>/figures.csv", probe_csv, name="probe_csv"),
    path("probes/<int:number>/figures.json", probe_json, name="probe_json"),
    path("probes/<int:number>/cancel/", probe_cancel, name="probe_cancel"),
    path("probe-plans/<int:number>/", probe_plan, name="probe_plan"),
    path("probe-plans/<int:number>/probe/", probe_request, name="probe_request"),
    path("probe-plans/for/<int:pk>/", probe_plan_new, name="probe_plan_new"),
    path("versions/<int:pk>/probe-files/", probe_files, name="probe_files"),
]
