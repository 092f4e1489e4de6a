"""Validation runs: the register, one run live, and its per-case results read on record."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from apps.access.gate import Judge, may, offers
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.signing import content_digest
from apps.fairness import acts as fairness_acts
from apps.fairness.queries import reports
from apps.validations import acts, queries
from apps.validations.cases import page_of_cases
from apps.validations.export import TABLES, as_csv, refuse_unfinished
from apps.validations.failures import CannotCompute
from apps.validations.models import Run
from apps.validations.pairing import compare_runs
from apps.validations.states import RUN_WORDS, VERDICT_WORDS, RunState, Task, Verdict
from apps.validations.telling import reads_cases, results_for, told_comparison
from apps.web.buttons import Acts, Button
from apps.web.criteria import RULE_WORDS, SIGNS, metric_label, subgroup_words
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, mark_of, render_mark
from apps.web.progress import progress_of, wants_fragment
from apps.web.results import (
    SWEPT,
    class_confusion,
    confusion,
    grouping_tables,
    observed_tables,
    paired_groups,
    paired_lines,
    run_charts,
    undecided_rows,
    with_unit,
    worst_rows,
)
from apps.web.views.plans import link, state_mark

CASES_A_PAGE = 100
READ = "read_cases"  # session: runs whose per-case results were read on record in this session


def verdict_mark(row):
    """The verdict in words; nothing before there is one."""
    return render_mark(mark_of(row.verdict, RECORD_MARKS), row.get_verdict_display()) if row.verdict else None


RUNS = Table(
    name="runs",
    caption="Validation runs you may see",
    order="-number",
    empty="No run that you may see. A validator starts runs from a locked plan.",
    columns=[
        Column("number", "Run", sort="number", heading=True, value=lambda r: r.ref, render=link),
        Column("state", "State", sort="state", value=lambda r: r.get_state_display(), render=state_mark),
        Column(
            "verdict", "Verdict", sort="verdict", value=lambda r: r.get_verdict_display(), render=verdict_mark
        ),
        Column(
            "version",
            "Version",
            sort=("plan__version__model__slug", "plan__version__label"),
            value=lambda r: r.plan.version.ref,
            render=lambda r: link(r.plan.version),
        ),
        Column(
            "plan", "Plan", sort="plan__number", value=lambda r: r.plan.ref, render=lambda r: link(r.plan)
        ),
        Column("test_data", "Test data", value=lambda r: r.plan.test_data.ref),
        Column(
            "by", "Started by", sort="requested_by__printed_name", value=lambda r: r.requested_by.printed_name
        ),
        Column("requested_at", "Started", sort="requested_at", kind="moment"),
        Column("finished_at", "Ended", sort="finished_at", kind="moment"),
    ],
    filters=[
        choice("state", "State", [(s.value, RUN_WORDS[s]) for s in RunState], lambda r, v: r.filter(state=v)),
        choice(
            "verdict",
            "Verdict",
            [(v.value, VERDICT_WORDS[v]) for v in Verdict],
            lambda r, v: r.filter(verdict=v),
        ),
        text("model", "Model", lambda r, v: r.filter(plan__version__model__slug=v)),
        text("version", "Version", lambda r, v: r.filter(plan__version__label=v)),
    ],
)


@page
def runs(request: HttpRequest) -> HttpResponseBase:
    return RUNS.read(request, queries.runs(actor_of(request))).respond("validations/runs.html")


def result_rows(results) -> list[dict]:
    """Each judged criterion with its words."""
    return [
        {
            "result": r,
            "metric": metric_label(r.metric, r.of_class),
            "where": subgroup_words(r.subgroup),
            "bound": f"{SIGNS[r.direction]} {r.limit}",
            "judged_on": RULE_WORDS[r.rule],
        }
        for r in results
    ]


def run_context(request: HttpRequest, found: Run) -> dict:
    actor = actor_of(request)
    with shared():
        shown = queries.run_page(actor, found.pk)
        run = shown.run
        judge = Judge(run)
        given = {v.act: v for v in offers(actor, run, judge)}
        again = may(actor, "validations.start_run", run.plan)
        deviation = may(actor, "quality.open_deviation", run.plan.version)
        read = judge.verdict(actor, policy("validations.read_cases"))
    done = run.state == RunState.DONE
    made = list(reports(actor, run=run))
    bias = Button(
        given["fairness.request_report"],
        reverse("web:bias_request", args=[run.number]),
        post=True,
        label="Compute bias report again" if made else "",
        style="" if made else "primary",
    )
    buttons = [
        Button(again, reverse("web:run_start", args=[run.plan.number]), post=True, label="Run again"),
        bias,
    ]
    buttons.append(Button(deviation, reverse("web:deviation_new", args=[run.plan.version_id])))
    buttons.append(
        Button(given["validations.cancel_run"], reverse("web:run_cancel", args=[run.number]), style="danger")
    )
    doable = Acts(tuple(buttons))
    stored = results_for(actor, run) if done else {}
    figures = stored.get("report", {})
    return {
        "coverage": stored.get("coverage", {}),
        "confusion": confusion(figures) if run.plan.task == Task.BINARY and figures else [],
        "classes": class_confusion(stored),
        "observed": observed_tables(stored),
        "excluded": stored.get("excluded", {}),
        "worst": worst_rows(stored, run.plan.target_unit),
        "charts": run_charts(stored),
        "swept": [metric_label(name) for name in SWEPT],
        "tables": grouping_tables(figures, run.plan.target_unit),
        "figures": figures,
        "left_open": undecided_rows(stored.get("undecided", {})),
        "replaced": [
            one
            | {
                "label": with_unit(
                    metric_label(one["metric"], one.get("class", "")), one["metric"], run.plan.target_unit
                ),
                "where": subgroup_words(one["subgroup"]),
            }
            for one in stored.get("replaced", ())
        ],
        "same": queries.same_bytes(run, shown.others) if done else [],
        "other": shown.others if done else [],
        "run": run,
        "plan": run.plan,
        "version": run.plan.version,
        "progress": progress_of(request, run.job, run.ref),
        "rows": result_rows(shown.results),
        "deviations": shown.deviations,
        "reports": made,
        "gap": stored.get("gap", {}),
        "gap_rows": [
            {**one, "label": with_unit(metric_label(one["metric"]), one["metric"], run.plan.target_unit)}
            for one in stored.get("gap", {}).get("metrics", ())
        ],
        "warnings": stored.get("warnings", []),
        "differing": stored.get("labels_differing_from_threshold", 0),
        "digest": content_digest(run),
        "acts": doable,
        "read": read,
        "done": done,
    }


@page
def run(request: HttpRequest, number: int) -> HttpResponse:
    """One run; what changes alone for htmx, until it has ended."""
    found = seen_or_404(request, Run, number=number)
    template = "validations/_run.html" if wants_fragment(request) else "validations/run.html"
    return render(request, template, run_context(request, found))


@require_POST
@page
def bias_request(request: HttpRequest, number: int) -> HttpResponse:
    found = seen_or_404(request, Run, number=number)
    report = fairness_acts.request_report(
        actor_of(request), found.pk, idempotency_key=request.POST.get("idempotency_key", "")[:100]
    )
    messages.success(
        request, f"{report.ref} is queued. It is computed from the stored scores of {found.ref}."
    )
    return redirect("web:bias_report", report.number)


class CancelForm(Form):
    reason = ReasonField(help_text="Why the run is stopped. It stands in the register, beside its number.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def run_cancel(request: HttpRequest, number: int) -> HttpResponse:
    """Stop a run that is queued or under way, with a reason."""
    actor = actor_of(request)
    found = seen_or_404(request, Run, "plan__version__model", number=number)
    verdict = may(actor, "validations.cancel_run", found)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            acts.cancel_run(actor, found.pk, reason="")
        raise verdict.refusal()
    given = request.POST if request.method == "POST" else None
    form = CancelForm(given, initial={"idempotency_key": uuid.uuid4().hex})
    sent = request.method == "POST" and form.is_valid()
    if sent and attempt(form, acts.cancel_run, actor, found.pk, **form.cleaned_data):
        messages.success(request, f"{found.ref} is cancelled. It keeps its number; nothing of it counts.")
        return redirect("web:run", found.number)
    context = {"form": form, "run": found, "version": found.plan.version}
    return render(request, "validations/run_cancel.html", context, status=422 if form.errors else 200)


@require_GET
@page
def run_csv(request: HttpRequest, number: int, table: str) -> HttpResponse:
    """Figures, calibration bins or thresholds of a run as CSV."""
    found = seen_or_404(request, Run, number=number)
    if table not in TABLES:
        raise Http404
    refuse_unfinished(found)
    response = HttpResponse(as_csv(found, table, actor_of(request)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.ref}-{table}.csv"'
    return response


@require_GET
@page
def run_compare(request: HttpRequest) -> HttpResponse:
    """Two versions on the same cases: two finished runs of one model, chosen by number."""
    form = CompareForm(request.GET if request.GET else None)
    found: dict = {}
    if form.is_bound and form.is_valid():
        first, second = (
            seen_or_404(request, Run, *queries.RUNS, number=form.cleaned_data[name])
            for name in ("first", "second")
        )
        try:
            found = compare_runs(first, second)
            if not reads_cases(actor_of(request), first, second):
                found = told_comparison(found)
        except CannotCompute as error:
            form.add_error(None, str(error))
    context = {
        "form": form,
        "found": found,
        "paired": paired_lines(found),
        "paired_groups": paired_groups(found),
    }
    status = 422 if form.is_bound and form.errors else 200
    return render(request, "validations/run_compare.html", context, status=status)


class CompareForm(Form):
    first = forms.IntegerField(
        label="First run, R-",
        min_value=1,
        max_value=10**9,
        help_text="The number of a finished run of the version in use, or of the one to compare with.",
        widget=forms.TextInput(attrs={"size": 8, "autocomplete": "off", "inputmode": "numeric"}),
    )
    second = forms.IntegerField(
        label="Second run, R-",
        min_value=1,
        max_value=10**9,
        help_text="Differences are second minus first.",
        widget=forms.TextInput(attrs={"size": 8, "autocomplete": "off", "inputmode": "numeric"}),
    )


@never_cache
@page
def cases(request: HttpRequest, number: int) -> HttpResponse:
    """Per-case results. The POST records the read (DY6); pages are turned by GET while the session lasts."""
    actor = actor_of(request)
    found = seen_or_404(request, Run, "plan__version__model", "plan__test_data__dataset", number=number)
    if request.method == "POST":
        acts.read_cases(actor, found.pk, idempotency_key=request.POST.get("idempotency_key", "")[:100])
        request.session[READ] = sorted({*request.session.get(READ, []), found.pk})
        return redirect("web:run_cases", found.number)
    verdict = may(actor, "validations.read_cases", found)
    if not verdict.allowed:
        raise verdict.refusal()
    if found.pk not in request.session.get(READ, []):
        messages.info(
            request, f"Reading the per-case results of {found.ref} is recorded: press the button below."
        )
        return redirect("web:run", found.number)
    asked = request.GET.get("page", "1")
    page_number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1
    shown = page_of_cases(found.cases_digest, page_number, CASES_A_PAGE)
    context = {"run": found, "cases": shown, "last": shown.first + len(shown.rows) - 1}
    return render(request, "validations/cases.html", context)


urlpatterns = [
    path("runs/", runs, name="runs"),
    path("runs/compare/", run_compare, name="run_compare"),
    path("runs/<int:number>/", run, name="run"),
    path("runs/<int:number>/cancel/", run_cancel, name="run_cancel"),
    path("runs/<int:number>/<slug:table>.csv", run_csv, name="run_csv"),
    path("runs/<int:number>/bias/", bias_request, name="bias_request"),
    path("runs/<int:number>/cases/", cases, name="run_cases"),
]

__all__ = ["result_rows", "urlpatterns", "verdict_mark"]
