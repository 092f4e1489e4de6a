"""Verification evidence, claims and links of a version."""

from __future__ import annotations

from functools import partial
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.gate import may
from apps.access.signing import content_digest
from apps.core import blobs
from apps.core.downloads import attachment
from apps.core.errors import BadInput
from apps.core.uploads import Upload
from apps.registry.models import Version
from apps.verification import acts, matrix, queries
from apps.verification.checks import told
from apps.verification.loading import details_of
from apps.verification.models import Claim, Evidence
from apps.verification.receiving import Received, receive
from apps.verification.states import OUTCOME_WORDS, Kind, Outcome
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, Mark, render_mark
from apps.web.registers import one_act
from apps.web.verification_forms import KINDS, ClaimForm, EvidenceForm, LinkForm
from apps.web.views.models import fresh, refused_form
from apps.web.views.plans import link

ENTRIES = 100
ATTACH, LINK = "verification.attach_evidence", "verification.link_requirement"
END, CLAIM = "verification.end_link", "verification.submit_claim"
OUTCOME_MARKS = {
    Outcome.PASSED: RECORD_MARKS["met"],
    Outcome.FAILED: RECORD_MARKS["not_met"],
    Outcome.CLAIMED: Mark(OUTCOME_WORDS[Outcome.CLAIMED], "quote", "dashed"),
}


def section_context(actor: Any, version: Version) -> dict[str, Any]:
    """What the section of a dossier shows: requirements inherited, evidence, links, claims, open ends."""
    counts = {row.pk for row in queries.counting(version)}
    lines = matrix.lines(queries.given_of(version), unlinked_tests=False)
    rows = queries.evidence(actor, version)
    return {
        "requirements": [*queries.requirements_of(version), *queries.replacing(version)],
        "evidence": [
            {"record": e, "told": told(e).partition(": ")[2], "counts": e.pk in counts} for e in rows
        ],
        "links": queries.links(actor, version),
        "claims": queries.claims(actor, version),
        "lines": lines,
        "blocking": sum(line.blocks for line in lines),
    }


def section_url(version: Version) -> str:
    return reverse("web:section", args=[version.model.slug, version.label, "verification"])


def outcome_mark(outcome: str) -> Any:
    if not outcome:
        return None
    found = Outcome(outcome)
    return render_mark(OUTCOME_MARKS.get(found, Mark("", "not_started", "plain")), OUTCOME_WORDS[found])


def _version(request: HttpRequest, pk: int) -> Version:
    return seen_or_404(request, Version, "model", "intended_use__model", pk=pk)


EVIDENCE = Table(
    name="verification-evidence",
    caption="Verification evidence you may see",
    order="-number",
    empty="No verification evidence that you may see. A developer attaches it on a version's page.",
    columns=[
        Column("number", "Evidence", sort="number", heading=True, value=lambda e: e.ref, render=link),
        Column("kind", "Kind", sort="kind", value=lambda e: e.get_kind_display()),
        Column("title", "Title", sort="title"),
        Column("version", "Version", sort=("version__model__slug", "version__label"), value=lambda e: e.version.ref,
               render=lambda e: link(e.version)),
        Column("summary", "What it says", value=lambda e: told(e).partition(": ")[2]),
        Column("tool", "Tool", sort=("tool", "tool_version"), value=lambda e: f"{e.tool} {e.tool_version}"),
        Column("commit", "Commit", sort="commit"),
        Column("produced_at", "Made", sort="produced_at", kind="moment"),
        Column("uploaded_by", "Attached by", value=lambda e: e.uploaded_by.printed_name),
        Column("uploaded_at", "Attached", sort="uploaded_at", kind="moment"),
    ],
    filters=[
        choice("kind", "Kind", KINDS, lambda r, v: r.filter(kind=v)),
        text("model", "Model", lambda r, v: r.filter(version__model__slug=v)),
        text("version", "Version", lambda r, v: r.filter(version__label=v)),
    ],
)  # fmt: skip


@page
def evidence_list(request: HttpRequest) -> HttpResponseBase:
    return EVIDENCE.read(request, queries.evidence(actor_of(request))).respond(
        "verification/evidence_list.html"
    )


COLUMNS = {
    Kind.JUNIT: (("id", "Test"), ("outcome", "Result"), ("message", "What it said"), ("requirements", "Requirements")),
    Kind.COVERAGE: (("file", "File"), ("lines", "Lines"), ("covered", "Covered")),
    Kind.SARIF: (("rule", "Rule"), ("level", "Level"), ("place", "Where"), ("message", "What it said")),
    Kind.SBOM: (("name", "Component"), ("version", "Version"), ("licence", "Licence"), ("purl", "Package URL")),
    Kind.BENCHMARK: (("name", "Benchmark"), ("rounds", "Rounds"), ("mean", "Mean, s"), ("stddev", "SD, s"),
                     ("line", "Line")),
}  # fmt: skip
_WORST_FIRST = {"failed": 0, "error": 0, "skipped": 1, "warning": 1}


@page
def evidence(request: HttpRequest, number: int) -> HttpResponse:
    """One file: what was read out of it, the worst first, and where it came from."""
    found = seen_or_404(request, Evidence, *queries.EVIDENCE, number=number)
    try:
        details = details_of(found)
    except blobs.BlobDamaged as error:
        raise blobs.damaged(error) from error
    rows = sorted(details, key=lambda d: _WORST_FIRST.get(d.get("outcome") or d.get("level"), 2))[:ENTRIES]
    columns = [(key, words) for key, words in COLUMNS[Kind(found.kind)] if any(key in row for row in rows)]
    context = {
        "evidence": found,
        "version": found.version,
        "told": told(found).partition(": ")[2],
        "heads": [words for _, words in columns],
        "rows": [
            [", ".join(v) if isinstance(v := row.get(key, ""), list) else v for key, _ in columns]
            for row in rows
        ],
        "total": len(details),
        "shown": len(rows),
        "digest": content_digest(found),
        "fetch": may(actor_of(request), "verification.download_evidence", found),
        "back": section_url(found.version),
    }
    return render(request, "verification/evidence.html", context)


@require_POST
@page
def evidence_file(request: HttpRequest, number: int) -> HttpResponseBase:
    """The file as it was uploaded; that it was fetched is entered."""
    found = seen_or_404(request, Evidence, number=number)
    return attachment(acts.download_evidence(actor_of(request), found.pk))


def _nothing() -> Received:
    return Received(Upload("", 0, ""), {"tool": "", "tool_version": "", "commit": "", "produced_at": ""}, "")


@require_http_methods(["GET", "POST"])
@page
def evidence_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Attach a file to a version. An error elsewhere in the form loses no file."""
    actor, version = actor_of(request), _version(request, pk)
    back, verdict = section_url(version), may(actor, ATTACH, version)
    if not verdict.allowed:
        blank = partial(acts.attach_evidence, actor, version.pk, received=_nothing(), title="")
        return refused_form(request, verdict, back, blank)
    initial = fresh() | {"commit": version.code_commit}
    posted = request.POST if request.method == "POST" else None
    form = EvidenceForm(posted, request.FILES or None, initial=initial, person_id=actor.pk)
    if request.method == "POST" and form.receive(_store):
        made = _attach(actor, version, form)
        if made:
            messages.success(request, f"{made.ref} is attached: {told(made).partition(': ')[2]}.")
            return redirect("web:verification_evidence", made.number)
    context = {"form": form, "heading": "Attach evidence", "back": back, "back_text": version.ref,
               "note": "Who attaches results of a version is one of its makers, and may not approve it."}  # fmt: skip
    return render(request, "registry/form.html", context, status=form.status)


def _store(_name: str, file: Any) -> blobs.Blob:
    return blobs.put(file, limit=settings.UPLOAD_LIMIT_EVIDENCE)


def _attach(actor: Any, version: Version, form: EvidenceForm) -> Evidence | None:
    given = dict(form.cleaned_data)
    try:
        received = receive(form.kept["file"], given["kind"])
    except BadInput as refused:
        form.add_refusal(refused)
        return None
    said = {
        name: given[name]
        for name in ("title", "commit", "tool", "tool_version", "produced_at", "idempotency_key")
    }
    return attempt(form, acts.attach_evidence, actor, version.pk, received=received, **said)


@require_http_methods(["GET", "POST"])
@page
def link_new(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Say by hand what shows a requirement."""
    version = _version(request, pk)
    return one_act(
        request, LINK, acts.link_requirement, version, back=section_url(version), back_text=version.ref,
        heading="Link to requirement", done="The link is made.", form_class=LinkForm,
        requirement=request.GET.get("requirement", ""),
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@page
def link_end(request: HttpRequest, pk: int, link_id: int) -> HttpResponseBase:
    version = _version(request, pk)
    return one_act(
        request, END, acts.end_link, version, back=section_url(version), back_text=version.ref,
        heading="Take link away", done="The link is taken away; it stays in the record as ended.",
        given={"link_id": link_id},
    )  # fmt: skip


@require_http_methods(["GET", "POST"])
@page
def claim_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Submit figures computed elsewhere."""
    actor, version = actor_of(request), _version(request, pk)
    back, verdict = section_url(version), may(actor, CLAIM, version)
    if not verdict.allowed:
        empty = dict.fromkeys(ClaimForm.base_fields, "") | {"computed_at": None}
        blank = partial(acts.submit_claim, actor, version.pk, given=empty)
        return refused_form(request, verdict, back, blank)
    form = ClaimForm(request.POST if request.method == "POST" else None, initial=fresh())
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        key = given.pop("idempotency_key")
        made = attempt(form, acts.submit_claim, actor, version.pk, given=given, idempotency_key=key)
        if made:
            messages.success(request, f"{made.ref} is kept as submitted. It meets no criterion.")
            return redirect("web:claim", made.number)
    context = {"form": form, "heading": "Submit claim", "back": back, "back_text": version.ref,
               "note": "Figures computed elsewhere are shown as such. They meet no criterion."}  # fmt: skip
    return render(request, "registry/form.html", context, status=422 if form.errors else 200)


@page
def claim(request: HttpRequest, number: int) -> HttpResponse:
    found = seen_or_404(request, Claim, *queries.CLAIMS, number=number)
    context = {
        "claim": found,
        "version": found.version,
        "digest": content_digest(found),
        "back": section_url(found.version),
    }
    return render(request, "verification/claim.html", context)


urlpatterns = [
    path("verification/", evidence_list, name="verification_list"),
    path("verification/<int:number>/", evidence, name="verification_evidence"),
    path("verification/<int:number>/file/", evidence_file, name="verification_file"),
    path("claims/<int:number>/", claim, name="claim"),
    path("versions/<int:pk>/evidence/", evidence_new, name="verification_attach"),
    path("versions/<int:pk>/requirement-link/", link_new, name="requirement_link"),
    path("versions/<int:pk>/requirement-link/<int:link_id>/end/", link_end, name="requirement_link_end"),
    path("versions/<int:pk>/claim/", claim_new, name="claim_new"),
]
