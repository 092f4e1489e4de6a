"""Validation plans: written, signed, locked; and the way to their runs."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.gate import may, offers
from apps.access.sharing import shared
from apps.access.signing import content_digest
from apps.core.errors import BadInput
from apps.registry.models import Version
from apps.validations import acts, queries
from apps.validations.models import Plan
from apps.validations.states import PLAN_WORDS, PlanState
from apps.web.buttons import Acts, Button
from apps.web.criteria import criterion_line, limit_line
from apps.web.door import actor_of, page, seen_or_404
from apps.web.links import sign_url, url_of
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, mark_of, render_mark
from apps.web.plan_form import PlanEntry, definitions
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
    doable = Acts(tuple(buttons))
    return {
        "plan": plan,
        "version": plan.version,
        "criteria": [criterion_line(one) for one in plan.criteria],
        "limits": [limit_line(one) for one in plan.bias_limits],
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


def _earlier(version: Version) -> Plan | None:
    """What a new plan begins with: the newest one that is not locked."""
    return version.plans.exclude(state=PlanState.LOCKED).order_by("-number").first()


@require_http_methods(["GET", "POST"])
@page
def plan_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Write a plan. An earlier one that was not locked fills the form and is superseded."""
    actor = actor_of(request)
    version = seen_or_404(request, Version, "model", "intended_use", pk=pk)
    verdict = may(actor, "validations.write_plan", version)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            blank = dict.fromkeys(("label_column", "positive_value", "threshold", "rationale"), "")
            rows: dict = {"group_columns": [], "criteria": [], "bias_limits": []}
            acts.write_plan(actor, version.pk, test_data_id=0, **blank, **rows)
        raise verdict.refusal()
    earlier = _earlier(version)
    choices = list(queries.test_data_choices(actor).order_by("dataset__slug", "-number"))
    entry = PlanEntry(request.POST if request.method == "POST" else None, choices, earlier)
    status = 200
    if request.method == "POST" and not entry.reshaped:
        if entry.main.is_valid():
            try:
                made = acts.write_plan(actor, version.pk, **entry.arguments())
            except BadInput as refused:
                entry.add_refusal(refused)
            else:
                messages.success(
                    request, f"{made.ref} is written. Sign it as its author when it says what you mean."
                )
                return redirect("web:plan", made.number)
        status = 422
    context = {
        "version": version,
        "entry": entry,
        "earlier": earlier,
        "found": entry.found,
        "definitions": definitions(),
        "use": version.intended_use,
    }
    return render(request, "validations/plan_form.html", context, status=status)


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
    path("versions/<int:pk>/plan/", plan_new, name="plan_new"),
]
