"""The traceability matrix of a version: risk, requirement, test, result, signature and clause, with its open ends."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import path
from django.utils.html import format_html, format_html_join

from apps.access.sharing import shared
from apps.core.digests import digest
from apps.registry.models import Version
from apps.verification import matrix, queries
from apps.verification.states import LACK_WORDS, OUTCOME_WORDS, TARGET_WORDS, Lack, Outcome, Target
from apps.web.door import page, seen_or_404
from apps.web.links import link_of_ref
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import Mark, render_mark
from apps.web.memory import MemoryRows
from apps.web.views.verification import outcome_mark, section_url


def _lack_mark(line: matrix.Line) -> Any:
    if not line.lack:
        return None
    mark = Mark("", "stuck", "dashed-bad") if line.blocks else Mark("", "not_applicable", "plain")
    return render_mark(mark, line.lack_words)


def _each_link(refs: str) -> Any:
    """References separated by commas, each as a link to its page where it has one."""
    return format_html_join(", ", "{}", ((link_of_ref(ref),) for ref in refs.split(", ") if ref))


def _risk(line: matrix.Line) -> Any:
    hazard = line.text if line.risks and not line.requirement else ""
    return format_html("{}{}{}", _each_link(line.risks), " " if hazard else "", hazard)


def _requirement(line: matrix.Line) -> Any:
    if not line.requirement:
        return None
    return format_html("{} {}", _each_link(line.requirement), line.text)


def _test(line: matrix.Line) -> Any:
    if not line.test:
        return None
    target, how = TARGET_WORDS[Target(line.target)], f" ({line.link})" if line.link else ""
    return format_html('<code>{}</code> <span class="t2">{}{}</span>', line.test, target, how)


def _result(line: matrix.Line) -> Any:
    if not line.outcome:
        return None
    accepted = format_html(" Accepted by {}.", link_of_ref(line.accepted)) if line.accepted else ""
    told = (outcome_mark(line.outcome), line.message, link_of_ref(line.evidence), accepted)
    return format_html("{} {} {}{}", *told)


def has_risk(line: matrix.Line, asked: str) -> bool:
    """Whether a line is about this risk, in any of its revisions."""
    return asked.upper().partition("/")[0] in {ref.partition("/")[0] for ref in line.risks.split(", ")}


MATRIX = Table(
    name="traceability",
    caption="Traceability of the version: one line for each test of each requirement, and for each open end",
    order="pk",
    empty="Nothing to trace: no requirement, no risk, no test. A process expert or owner writes requirements first.",
    page_rows=100,
    stacks=True,
    columns=[
        Column("pk", "Line", sort="pk", kind="number", shown=False),
        Column("use", "Intended use", sort="use", shown=False),
        Column("risks", "Risk", sort="risks", render=_risk),
        Column("requirement", "Requirement", sort="requirement", heading=True, render=_requirement),
        Column("text", "What is required, or the risk", shown=False),
        Column("target", "Shown by", sort="target", shown=False,
               value=lambda n: TARGET_WORDS[Target(n.target)] if n.target else ""),
        Column("test", "Test or other proof", sort="test", render=_test),
        Column("outcome", "Result", sort="outcome", render=_result,
               value=lambda n: OUTCOME_WORDS[Outcome(n.outcome)] if n.outcome else ""),
        Column("message", "What it said", shown=False),
        Column("evidence", "Evidence", sort="evidence", shown=False),
        Column("link", "How it is linked", shown=False),
        Column("signature", "Signature", sort="signature"),
        Column("clauses", "Clause", sort="clauses"),
        Column("lack", "Open end", sort="lack", value=lambda n: n.lack_words, render=_lack_mark),
        Column("accepted", "Accepted by deviation", sort="accepted", shown=False),
    ],
    filters=[
        choice("lack", "Open ends", [("any", "Any open end"), *((v.value, LACK_WORDS[v]) for v in Lack)],
               lambda r, v: r.keep(lambda n: bool(n.lack) if v == "any" else n.lack == v)),
        choice("outcome", "Result", [(o.value, OUTCOME_WORDS[o]) for o in Outcome],
               lambda r, v: r.keep(lambda n: n.outcome == v)),
        text("risk", "Risk", lambda r, v: r.keep(lambda n: has_risk(n, v))),
        text("requirement", "Requirement", lambda r, v: r.keep(lambda n: v.lower() in n.requirement.lower())),
        text("test", "Test", lambda r, v: r.keep(lambda n: v.lower() in n.test.lower())),
    ],
)  # fmt: skip


@page
def traceability(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The matrix of a version with its open ends, both ways; as page, CSV or JSON."""
    version = seen_or_404(request, Version, "model", "intended_use__model", pk=pk)
    with shared():
        lines = queries.lines_of(version)
    listing = MATRIX.read(request, MemoryRows(lines))  # type: ignore[arg-type]
    if request.GET.get("format") == "json" and not listing.bad:
        rows = [queries.as_data(line) for line in listing.rows]
        about = listing.meta_of("json") | {"version": version.ref, "rows_digest": digest(rows), "rows": rows}
        answer = JsonResponse(about, json_dumps_params={"indent": 1, "ensure_ascii": False})
        answer["Content-Disposition"] = f'attachment; filename="traceability-{version.label}.json"'
        return answer
    counts = [
        {"words": LACK_WORDS[Lack(lack)], "count": n, "url": f"?lack={lack}"}
        for lack, n in matrix.counted(lines).items()
    ]
    context = {"version": version, "counts": counts, "blocking": sum(line.blocks for line in lines),
               "json_url": listing.url(format="json"), "back": section_url(version)}  # fmt: skip
    return listing.respond("verification/matrix.html", context)


urlpatterns = [path("versions/<int:pk>/traceability/", traceability, name="traceability")]
