"""Validation runs: the register, one run live, and its per-case results read on record."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from apps.access.gate import Judge, may, offers
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.signing import content_digest
from apps.fairness import acts as fairness_acts
from apps.fairness.queries import reports
from apps.validations import acts, queries
from apps.validations.cases import page_of_cases
from apps.validations.models import Run
from apps.validations.states import RUN_WORDS, VERDICT_WORDS, RunState, Verdict
from apps.validations.stored import read_results
from apps.web.buttons import Acts, Button
from apps.web.criteria import RULE_WORDS, SIGNS, metric_label, subgroup_words
from apps.web.door import actor_of, page, seen_or_404
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, mark_of, render_mark
from apps.web.progress import progress_of, wants_fragment
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
            "metric": metric_label(r.metric),
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
    doable = Acts(tuple(buttons))
    stored = read_results(run.results_digest) if done else {}
    return {
        "run": run,
        "plan": run.plan,
        "version": run.plan.version,
        "progress": progress_of(request, run.job, run.ref),
        "rows": result_rows(shown.results),
        "deviations": shown.deviations,
        "reports": made,
        "gap": stored.get("gap", {}),
        "gap_rows": [
            {**one, "label": metric_label(one["metric"])} for one in stored.get("gap", {}).get("metrics", ())
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
    path("runs/<int:number>/", run, name="run"),
    path("runs/<int:number>/bias/", bias_request, name="bias_request"),
    path("runs/<int:number>/cases/", cases, name="run_cases"),
]

__all__ = ["result_rows", "urlpatterns", "verdict_mark"]
