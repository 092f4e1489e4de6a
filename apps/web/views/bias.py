"""Bias reports: the verdict of each locked limit, the charts, and every figure behind them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse

from apps.access.gate import Judge, may
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.access.signing import content_digest
from apps.fairness import queries
from apps.fairness.export import as_csv
from apps.fairness.models import Report
from apps.fairness.states import VERDICT_WORDS, WORDS, State, Verdict
from apps.web.buttons import Acts, Button
from apps.web.criteria import LIMIT_RULE_WORDS, metric_label
from apps.web.door import actor_of, page, seen_or_404
from apps.web.lists import Column, Table, choice, text
from apps.web.progress import progress_of, wants_fragment
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


def grouping_tables(results: dict) -> list[dict]:
    """All groupings as two tables each: every metric of every group, every pair of groups on every metric."""
    figures = results.get("report")
    if not figures:
        return []
    least = figures["inputs"]["min_n"]
    whole = {"attributes": ["all cases"], "groups": [figures["overall"]], "comparisons": []}
    made = []
    for grouping in (whole, *figures["groupings"]):
        groups = [
            {
                "group": group["name"],
                "label": metric_label(metric),
                "estimate": estimate,
                "few": estimate["n"] < least,
            }
            for group in grouping["groups"]
            for metric, estimate in group["metrics"].items()
        ]
        pairs = [
            {**pair, "label": metric_label(comparison["metric"]), "level": comparison["level"]}
            for comparison in grouping["comparisons"]
            for pair in comparison["pairs"]
        ]
        sizes = [
            {"name": group["name"], "n": group["n"], "few": not group["enough"]}
            for group in grouping["groups"]
        ]
        name = " and ".join(grouping["attributes"])
        made.append({"name": name, "sizes": sizes, "groups": groups, "pairs": pairs})
    return made


def report_context(request: HttpRequest, found: Report) -> dict:
    actor = actor_of(request)
    with shared():
        shown = queries.report_page(actor, found.pk)
        report = shown.report
        again = Judge(report.run).verdict(actor, policy("fairness.request_report"))
        deviation = may(actor, "quality.open_deviation", report.run.plan.version)
    buttons = [
        Button(
            again, reverse("web:bias_request", args=[report.run.number]), post=True, label="Compute again"
        ),
        Button(deviation, reverse("web:deviation_new", args=[report.run.plan.version_id])),
    ]
    doable = Acts(tuple(buttons))
    return {
        "report": report,
        "run": report.run,
        "plan": report.run.plan,
        "version": report.run.plan.version,
        "progress": progress_of(request, shown.job, report.ref),
        "limits": limit_rows(report),
        "charts": shown.charts,
        "tables": grouping_tables(shown.results),
        "figures": shown.results.get("report", {}),
        "deviations": shown.deviations,
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
    response = HttpResponse(as_csv(found), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{found.ref}.csv"'
    return response


urlpatterns = [
    path("bias/", bias_reports, name="bias_reports"),
    path("bias/<int:number>/", bias_report, name="bias_report"),
    path("bias/<int:number>/figures.csv", bias_csv, name="bias_csv"),
]
