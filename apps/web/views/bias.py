"""Bias reports: the verdict of each locked limit, the charts, and every figure behind them."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access.gate import Judge, may, offers
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.signing import content_digest
from apps.fairness import acts, queries
from apps.fairness.export import as_csv
from apps.fairness.models import Report
from apps.fairness.states import NOTE_WORDS, VERDICT_WORDS, WORDS, NoteKind, State, Verdict
from apps.web.buttons import Acts, Button
from apps.web.cancelling import cancel_page
from apps.web.criteria import LIMIT_RULE_WORDS
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.links import sign_url
from apps.web.lists import Column, Table, choice, text
from apps.web.progress import progress_of, wants_fragment
from apps.web.results import grouping_tables, paired_groups, paired_lines, undecided_rows
from apps.web.views.plans import link, state_mark
from apps.web.views.runs import verdict_mark

REPORTS = Table(
    name="bias-reports",
    caption="Bias reports you may see",
    order="-number",
    empty="No bias report that you may see. A bias tester asks for one on a finished run.",
    columns=[
        Column("number", "Report", sort="number", heading=True, value=lambda r: r.ref, render=link),
        Column("state", "State", sort="state", value=lambda r: r.get_state_display(), render=state_mark),
        Column(
            "verdict", "Verdict", sort="verdict", value=lambda r: r.get_verdict_display(), render=verdict_mark
        ),
        Column("run", "Run", sort="run__number", value=lambda r: r.run.ref, render=lambda r: link(r.run)),
        Column(
            "version",
            "Version",
            sort=("run__plan__version__model__slug", "run__plan__version__label"),
            value=lambda r: r.run.plan.version.ref,
            render=lambda r: link(r.run.plan.version),
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
        choice("state", "State", [(s.value, WORDS[s]) for s in State], lambda r, v: r.filter(state=v)),
        choice(
            "verdict",
            "Verdict",
            [(v.value, VERDICT_WORDS[v]) for v in Verdict],
            lambda r, v: r.filter(verdict=v),
        ),
        text("model", "Model", lambda r, v: r.filter(run__plan__version__model__slug=v)),
        text("version", "Version", lambda r, v: r.filter(run__plan__version__label=v)),
    ],
)


@page
def bias_reports(request: HttpRequest) -> HttpResponseBase:
    return REPORTS.read(request, queries.reports(actor_of(request))).respond("fairness/reports.html")


def limit_rows(report: Report) -> list[dict]:
    """Each judged limit with its words, as the report keeps it."""
    return [
        {
            **line,
            "bound": f"{'≤' if line['kind'] == 'difference' else '≥'} {line['limit']}",
            "judged_on": LIMIT_RULE_WORDS[line["rule"]],
            "between": " and ".join(line["pair"]),
            "sizes": " and ".join(f"{n:,}" for n in line["pair_n"]),
        }
        for line in report.summary
    ]


def report_context(request: HttpRequest, found: Report) -> dict:
    actor = actor_of(request)
    with shared():
        shown = queries.report_page(actor, found.pk)
        report = shown.report
        again = Judge(report.run).verdict(actor, policy("fairness.request_report"))
        deviation = may(actor, "quality.open_deviation", report.run.plan.version)
        given = {v.act: v for v in offers(actor, report)}
    buttons = [
        Button(given["fairness.sign_report"], sign_url("fairness.sign_report", report.pk), style="primary"),
        Button(given["fairness.record_note"], reverse("web:bias_note", args=[report.number])),
        Button(
            again, reverse("web:bias_request", args=[report.run.number]), post=True, label="Compute again"
        ),
        Button(deviation, reverse("web:deviation_new", args=[report.run.plan.version_id])),
    ]
    if report.state == State.QUEUED:
        cancel_url = reverse("web:bias_cancel", args=[report.number])
        buttons.insert(0, Button(given["fairness.cancel_report"], cancel_url, style="danger"))
    doable = Acts(tuple(buttons))
    return {
        "report": report,
        "run": report.run,
        "plan": report.run.plan,
        "version": report.run.plan.version,
        "progress": progress_of(request, shown.job, report.ref),
        "limits": limit_rows(report),
        "charts": shown.charts,
        "tables": grouping_tables(shown.results.get("report", {}), report.run.plan.target_unit),
        "figures": shown.results.get("report", {}),
        "deviations": shown.deviations,
        "notes": shown.notes,
        "standings": shown.signatures,
        "too_few": shown.results.get("too_few", []),
        "counted_by": shown.results.get("counted_by", {}),
        "left_open": undecided_rows(shown.results.get("undecided", {})),
        "replaced": shown.results.get("replaced", {}),
        "paired": paired_lines(shown.results.get("replaced", {})),
        "paired_groups": paired_groups(shown.results.get("replaced", {})),
        "needs_you": doable.anchor,
        "digest": content_digest(report),
        "acts": doable,
        "done": report.state == State.DONE,
    }


@page
def bias_report(request: HttpRequest, number: int) -> HttpResponse:
    """One report; what changes alone for htmx, until it has ended."""
    found = seen_or_404(request, Report, number=number)
    template = "fairness/_report.html" if wants_fragment(request) else "fairness/report.html"
    return render(request, template, report_context(request, found))


@page
def bias_csv(request: HttpRequest, number: int) -> HttpResponse:
    """Every figure of the report as CSV."""
    found = seen_or_404(request, Report, number=number)
    queries.refuse_unfinished(found)
    response = HttpResponse(as_csv(found, actor_of(request)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.ref}.csv"'
    return response


class NoteForm(Form):
    kind = forms.ChoiceField(
        label="What it is",
        choices=[(k.value, NOTE_WORDS[k]) for k in NoteKind],
        initial=NoteKind.REMEDIATION,
        widget=forms.RadioSelect,
    )
    text = forms.CharField(
        label="What was done or said",
        max_length=acts.MAX_NOTE,
        help_text="It stands beside the report and in inspection packs. Name groups, versions and dates.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    reason = ReasonField()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def bias_note(request: HttpRequest, number: int) -> HttpResponse:
    """Record remediation or feedback on a report."""
    actor = actor_of(request)
    found = seen_or_404(request, Report, *queries.RELATED, number=number)
    verdict = may(actor, "fairness.record_note", found)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            acts.record_note(actor, found.pk, kind="", text="")
        raise verdict.refusal()
    given = request.POST if request.method == "POST" else None
    form = NoteForm(given, initial={"idempotency_key": uuid.uuid4().hex})
    if request.method == "POST" and form.is_valid():
        made = attempt(form, acts.record_note, actor, found.pk, **form.cleaned_data)
        if made:
            messages.success(request, f"It is recorded on {found.ref}.")
            return redirect("web:bias_report", found.number)
    context = {"form": form, "report": found, "version": found.run.plan.version}
    return render(request, "fairness/note_form.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def bias_cancel(request: HttpRequest, number: int) -> HttpResponse:
    """Stop a report that is queued or under way, with a reason."""
    found = seen_or_404(request, Report, *queries.RELATED, number=number)
    return cancel_page(
        request,
        found,
        found.run.plan.version,
        name="fairness.cancel_report",
        act=acts.cancel_report,
        back=reverse("web:bias_report", args=[found.number]),
        what="bias report",
    )


urlpatterns = [
    path("bias/<int:number>/cancel/", bias_cancel, name="bias_cancel"),
    path("bias/<int:number>/note/", bias_note, name="bias_note"),
    path("bias/", bias_reports, name="bias_reports"),
    path("bias/<int:number>/", bias_report, name="bias_report"),
    path("bias/<int:number>/figures.csv", bias_csv, name="bias_csv"),
]
