"""Validation plans: written, signed, locked; and the way to their runs."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_POST

from apps.access.gate import may, offers
from apps.access.sharing import shared
from apps.access.signing import content_digest
from apps.validations import acts, queries
from apps.validations.models import Plan
from apps.validations.states import PLAN_WORDS, PlanState
from apps.web.buttons import Acts, Button
from apps.web.criteria import baseline_line, criterion_line, limit_line
from apps.web.door import actor_of, page, seen_or_404
from apps.web.links import sign_url, url_of
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, mark_of, render_mark
from apps.web.progress import progress_of, wants_fragment


def link(record, words: str = ""):
    """A record's ref as a link to its page."""
    return format_html('<a href="{}">{}</a>', url_of(record), words or record.ref)


def state_mark(row):
    return render_mark(mark_of(row.state, RECORD_MARKS), row.get_state_display())


PLANS = Table(
    name="plans",
    caption="Validation plans you may see",
    order="-number",
    empty="No plan that you may see. A validator writes one for a frozen version, on the version's page.",
    columns=[
        Column("number", "Plan", sort="number", heading=True, value=lambda p: p.ref, render=link),
        Column("state", "State", sort="state", value=lambda p: p.get_state_display(), render=state_mark),
        Column(
            "version",
            "Version",
            sort=("version__model__slug", "version__label"),
            value=lambda p: p.version.ref,
            render=lambda p: link(p.version),
        ),
        Column("test_data", "Test data", value=lambda p: p.test_data.ref),
        Column("criteria", "Criteria", kind="number", value=lambda p: len(p.criteria)),
        Column("limits", "Bias limits", kind="number", value=lambda p: len(p.bias_limits)),
        Column(
            "written_by",
            "Written by",
            sort="written_by__printed_name",
            value=lambda p: p.written_by.printed_name,
        ),
        Column("written_at", "Written", sort="written_at", kind="moment"),
        Column("locked_at", "Locked", sort="locked_at", kind="moment"),
    ],
    filters=[
        choice(
            "state", "State", [(s.value, PLAN_WORDS[s]) for s in PlanState], lambda r, v: r.filter(state=v)
        ),
        text("model", "Model", lambda r, v: r.filter(version__model__slug=v)),
        text("version", "Version", lambda r, v: r.filter(version__label=v)),
    ],
)


@page
def plans(request: HttpRequest) -> HttpResponseBase:
    return PLANS.read(request, queries.plans(actor_of(request))).respond("validations/plans.html")


def plan_context(request: HttpRequest, plan: Plan) -> dict:
    actor = actor_of(request)
    with shared():
        shown = queries.plan_page(actor, plan.pk)
        plan = shown.plan
        given = {v.act: v for v in offers(actor, plan)}
        write = may(actor, "validations.write_plan", plan.version)
    run = given["validations.start_run"]
    buttons = [
        Button(given[act], sign_url(act, plan.pk), style="primary")
        for act in ("validations.sign_plan_author", "validations.sign_plan_approval")
    ]
    buttons.append(
        Button(
            run,
            reverse("web:run_start", args=[plan.number]),
            post=True,
            label="Run again" if shown.runs else "",
        )
    )
    if shown.missing and (shown.job is None or shown.job.ended):
        again = given["validations.compare_again"]
        buttons.append(Button(again, reverse("web:plan_compare", args=[plan.number]), post=True))
    buttons.append(
        Button(write, reverse("web:plan_new", args=[plan.version_id]), label="Write the plan anew")
    )
    buttons.append(Button(given["validations.replace_plan"], reverse("web:plan_replace", args=[plan.number])))
    doable = Acts(tuple(buttons))
    return {
        "plan": plan,
        "version": plan.version,
        "criteria": [criterion_line(one, plan.target_unit) for one in plan.criteria],
        "limits": [limit_line(one, plan.target_unit) for one in plan.bias_limits],
        "baselines": [baseline_line(one, plan.target_unit) for one in plan.baselines],
        "comparisons": shown.comparisons,
        "missing": shown.missing,
        "progress": progress_of(request, shown.job, f"The comparison of {plan.test_data.ref}"),
        "standings": shown.signatures,
        "runs": shown.runs,
        "deviations": shown.deviations,
        "digest": content_digest(plan),
        "acts": doable,
        "needs_you": doable.anchor,
    }


@page
def plan(request: HttpRequest, number: int) -> HttpResponse:
    """One plan; the comparison alone for htmx while it is under way."""
    found = seen_or_404(request, Plan, number=number)
    template = "validations/_comparison.html" if wants_fragment(request) else "validations/plan.html"
    return render(request, template, plan_context(request, found))


@require_POST
@page
def run_start(request: HttpRequest, number: int) -> HttpResponse:
    found = seen_or_404(request, Plan, number=number)
    run = acts.start_run(
        actor_of(request), found.pk, idempotency_key=request.POST.get("idempotency_key", "")[:100]
    )
    messages.success(request, f"{run.ref} is queued. You may close this page: it goes on without you.")
    return redirect("web:run", run.number)


@require_POST
@page
def plan_compare(request: HttpRequest, number: int) -> HttpResponse:
    found = seen_or_404(request, Plan, number=number)
    acts.compare_again(
        actor_of(request), found.pk, idempotency_key=request.POST.get("idempotency_key", "")[:100]
    )
    messages.success(request, "The partitions are being compared.")
    return redirect("web:plan", found.number)


urlpatterns = [
    path("plans/", plans, name="plans"),
    path("plans/<int:number>/", plan, name="plan"),
    path("plans/<int:number>/run/", run_start, name="run_start"),
    path("plans/<int:number>/compare/", plan_compare, name="plan_compare"),
]
