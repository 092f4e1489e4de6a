"""Writing a validation plan, replacing a locked one, and how many cases are enough."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods

from apps.access.gate import Verdict, may
from apps.registry.models import Version
from apps.validations import acts, queries
from apps.validations.models import Plan
from apps.validations.states import PlanState
from apps.web.door import actor_of, attempt, attempt_change, page, seen_or_404
from apps.web.links import url_of
from apps.web.plan_form import PlanEntry, ReplacingEntry, definitions
from apps.web.sample_size import SampleSizeForm, worked_out

NOTHING: dict[str, Any] = {
    "test_data_id": 0,
    **dict.fromkeys(("label_column", "positive_value", "threshold", "rationale"), ""),
    **{name: [] for name in ("group_columns", "criteria", "bias_limits")},
}


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

    def write(**given: Any) -> Plan:
        return acts.write_plan(actor, version.pk, **given)

    return _written(request, version, verdict, write, earlier=_earlier(version))


@require_http_methods(["GET", "POST"])
@page
def plan_replace(request: HttpRequest, number: int) -> HttpResponse:
    """Change a plan after it was locked: the form begins with it, asks why, shows what changes. A deviation opens."""
    actor = actor_of(request)
    found = seen_or_404(
        request, Plan, "version__model", "version__intended_use", "test_data__dataset", number=number
    )
    verdict = may(actor, "validations.replace_plan", found)

    def write(**given: Any) -> Plan:
        return acts.replace_plan(actor, found.pk, **given)

    return _written(request, found.version, verdict, write, earlier=found, replaced=found)


def _written(
    request: HttpRequest,
    version: Version,
    verdict: Verdict,
    write: Callable[..., Plan],
    *,
    earlier: Plan | None,
    replaced: Plan | None = None,
) -> HttpResponse:
    """The form of a plan, and what becomes of it when it is sent."""
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            write(**NOTHING)
        raise verdict.refusal()
    choices = list(queries.test_data_choices(actor_of(request)).order_by("dataset__slug", "-number"))
    given = request.POST if request.method == "POST" else None
    entry = (
        ReplacingEntry(given, choices, replaced)
        if replaced
        else PlanEntry(given, choices, earlier, interface=version.interface)
    )
    status = 200
    if request.method == "POST" and not entry.reshaped:
        if entry.main.is_valid():
            call = attempt_change if replaced else attempt
            made = call(entry, write, **entry.arguments())
            if made is not None:
                more = " A deviation is open for it." if replaced else ""
                messages.success(
                    request, f"{made.ref} is written. Sign it as its author when it says what you mean.{more}"
                )
                return redirect("web:plan", made.number)
        status = 422 if entry.found else 200
    context = {
        "version": version,
        "entry": entry,
        "earlier": earlier,
        "replaced": replaced,
        "send": f"Replace {replaced.ref}" if replaced else "Write plan",
        "back": url_of(version),
        "found": entry.found,
        "definitions": definitions(entry.task),
        "use": version.intended_use,
    }
    return render(request, "validations/plan_form.html", context, status=status)


@require_GET
@page
def sample_size(request: HttpRequest) -> HttpResponse:
    """How many cases a proportion needs, for each subgroup; nothing is kept."""
    form = SampleSizeForm(request.GET if request.GET else None)
    answer = worked_out(form) if form.is_bound and form.is_valid() else None
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "validations/sample_size.html", {"form": form, "answer": answer}, status=status)


urlpatterns = [
    path("plans/sample-size/", sample_size, name="sample_size"),
    path("plans/<int:number>/replace/", plan_replace, name="plan_replace"),
    path("versions/<int:pk>/plan/", plan_new, name="plan_new"),
]
