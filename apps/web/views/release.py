"""The release page: one row a check with state, evidence, who, why not; and the verbs of the gate."""

from __future__ import annotations

import uuid

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.acting import refuse_first
from apps.access.gate import Judge, Verdict, visible_within
from apps.access.policy import acts_on
from apps.access.sharing import shared
from apps.approvals import acts
from apps.approvals.evaluation import Evaluation, Row, evaluate, for_viewer
from apps.approvals.loading import minute_of
from apps.approvals.models import Gate, Minute
from apps.core import blobs
from apps.core.errors import NotVisible
from apps.registry.loading import authors_of_versions
from apps.registry.models import Version
from apps.registry.queries import HIDDEN_VERSION, VERSION_PARTS, with_parent_seen
from apps.web.asking import ask_link
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import DayField, Form, ReasonField
from apps.web.links import sign_url, subject_of, url_of
from apps.web.sections import SECTIONS, section_states
from apps.web.timeline import stream
from apps.web.uploading import UploadForm

TIMELINE_ROWS = 25


def version_or_404(request: HttpRequest, slug: str, label: str) -> Version:
    """The version with what its pages tell of it, `parent_seen` too; one query."""
    actor = actor_of(request)
    rows = with_parent_seen(actor, visible_within(actor, Version))
    found = rows.select_related(*VERSION_PARTS, "intended_use__written_by").filter(
        model__slug=slug, label=label
    )
    version = found.first()
    if version is None:
        raise NotVisible()
    return version


# What each act of an open check looks like as one button; signing acts go to review-and-sign.
def action_of(row: Row) -> dict | None:
    """The one button of a row: the first act that would move it, with its verdict for this person; where it is not
    theirs, `ask`: (address, words) of the way to ask somebody whose it is.
    """
    if not row.verdicts:
        return None
    found = next((v for v in (*row.waits, *row.verdicts) if v[0].allowed), row.verdicts[0])
    if found[0].allowed:
        return way_to(*found)
    asking = (ask_link(verdict, verdict.act, kind, pk) for verdict, kind, pk in row.verdicts)
    return way_to(*found) | {"ask": next((link for link in asking if link[0]), None)}


def way_to(verdict: Verdict, kind: str, pk: int) -> dict:
    """Where an act of an open check is done: the page that asks what it needs, or one button."""
    if verdict.signs:
        url = sign_url(verdict.act, pk)
    elif verdict.act == "approvals.request_verification":
        return {"verdict": verdict, "post": reverse("web:verify_trail", args=[pk])}
    elif verdict.act == "approvals.open_gate":
        return {"verdict": verdict, "post": reverse("web:open_gate", args=[pk])}
    elif verdict.act == "registry.freeze":
        url = reverse("web:freeze", args=[pk])
    elif verdict.act == "approvals.record_minute":
        url = reverse("web:minute", args=[pk])
    elif verdict.act == "quality.open_trail_review":
        url = reverse("web:trail_review_new", args=[pk])
    elif verdict.act == "approvals.plan_meeting":
        url = reverse("web:meeting_new", args=[pk])
    elif verdict.act == "validations.write_plan":
        url = reverse("web:plan_new", args=[pk])
    elif verdict.act == "robustness.write_plan":
        url = reverse("web:probe_plan_new", args=[pk])
    else:
        url = url_of(subject_of(kind, pk))
    return {"verdict": verdict, "url": url}


def gate_rows(evaluation: Evaluation) -> list[dict]:
    return [{"row": r, "action": action_of(r)} for r in evaluation.open_rows]


def outside_minute_of(evaluation: Evaluation) -> Minute | None:
    """The minute of a board outside the portal, where the gate has a line for it; its check has read it already."""
    asks_board = any(row.code == "board_minute" for row in evaluation.rows)
    return minute_of(evaluation.gate) if evaluation.gate and asks_board else None


def release_context(request: HttpRequest, version: Version) -> dict:
    actor = actor_of(request)
    with shared():
        evaluation = for_viewer(evaluate(version), actor)
        judge = Judge(version)
        offers = [judge.verdict(actor, row) for row in acts_on(version.subject_kind) if row.offered]
        needs_you = evaluation.needs_you
        opened = gate_rows(evaluation)
        authors = authors_of_versions([version.pk])[version.pk]
    return {
        "version": version,
        "evaluation": evaluation,
        "open": opened,
        "needs_you": "gate-first" if needs_you else "",
        "first_needs_you": needs_you[0].code if needs_you else "",
        "offers": {v.act: v for v in offers},
        "may": [v for v in offers if v.allowed],
        "may_not": [v for v in offers if not v.allowed],
        "sections": section_states(evaluation),
        "section": "summary",
        "hidden_version": HIDDEN_VERSION,
        "minute": outside_minute_of(evaluation),
        "authors": sorted(authors, key=lambda row: row.person.printed_name),
    }


@page
def release(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """The summary; the gate alone for htmx, which asks again while something is running."""
    version = version_or_404(request, slug, label)
    template = "registry/_gate.html" if request.htmx else "registry/release.html"
    with shared():
        context = release_context(request, version)
        if not request.htmx:
            context |= stream(
                actor_of(request), version, limit=TIMELINE_ROWS, show=request.GET.get("timeline", "")
            )
    return render(request, template, context)


@require_POST
@page
def open_gate(request: HttpRequest, pk: int) -> HttpResponse:
    version = seen_or_404(request, Version, "model", pk=pk)
    acts.open_gate(actor_of(request), version.pk, idempotency_key=request.POST.get("idempotency_key", ""))
    messages.success(request, "The release gate is open. The trail is being verified.")
    return redirect(url_of(version))


@require_POST
@page
def verify_trail(request: HttpRequest, pk: int) -> HttpResponse:
    gate = seen_or_404(request, Gate, "version__model", pk=pk)
    acts.request_verification(
        actor_of(request), gate.pk, idempotency_key=request.POST.get("idempotency_key", "")
    )
    messages.success(request, "The trail is being verified; this page shows the result.")
    return redirect(url_of(gate))


class MinuteForm(UploadForm):
    uploads = {"file": "Choose the signed minute."}

    number = forms.CharField(max_length=60, label="Minute number", help_text="As the review board gave it.")
    held_on = DayField(label="Held on")
    file = forms.FileField(
        label="The signed minute", help_text="One file, up to 100 MiB. It is kept by its digest."
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, required=False)


@require_http_methods(["GET", "POST"])
@page
def minute(request: HttpRequest, pk: int) -> HttpResponse:
    """Record the board's minute of a high-tier release."""
    gate = seen_or_404(request, Gate, "version__model", pk=pk)
    if request.method == "POST":
        refuse_first(actor_of(request), "approvals.record_minute", gate)  # before a file is kept
    form = MinuteForm(
        request.POST if request.method == "POST" else None,
        request.FILES or None,
        initial={"idempotency_key": uuid.uuid4().hex},
        person_id=actor_of(request).pk,
    )
    if request.method == "POST" and form.receive(
        lambda _name, file: blobs.put(file, limit=settings.UPLOAD_LIMIT_FILE)
    ):
        given, kept = form.cleaned_data, form.kept["file"]
        done = attempt(
            form,
            acts.record_minute,
            actor_of(request),
            gate.pk,
            number=given["number"],
            held_on=given["held_on"],
            file_name=kept.name,
            file_digest=kept.digest,
            idempotency_key=given["idempotency_key"],
        )
        if done:
            messages.success(request, f"Minute {done.number} is recorded.")
            return redirect(url_of(gate))
    context = {"form": form, "gate": gate, "version": gate.version, "heading": "Record the board minute"}
    return render(request, "registry/gate_form.html", context, status=form.status)


STOPPED = (
    "It takes effect at once: whether this digest may be deployed is answered with no. A QA approver other than you is "
    "asked to sign for it within one working day (EN6)."
)


class SuspendForm(Form):
    reason = ReasonField(label="Why it must stop")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, required=False)


@require_http_methods(["GET", "POST"])
@page
def suspend(request: HttpRequest, pk: int) -> HttpResponse:
    """Stop a released version at once."""
    version = seen_or_404(request, Version, "model", pk=pk)
    form = SuspendForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        done = attempt(
            form,
            acts.suspend,
            actor_of(request),
            version.pk,
            reason=given["reason"],
            idempotency_key=given["idempotency_key"],
        )
        if done:
            messages.success(
                request, f"{version.ref} is suspended: the gate answers “not allowed” from now on."
            )
            return redirect(url_of(version))
    elif request.method == "POST":
        refuse_first(actor_of(request), "approvals.suspend", version)
    context = {
        "form": form,
        "version": version,
        "heading": f"Suspend {version.ref}",
        "danger": True,
        "effect": STOPPED,
    }
    return render(request, "registry/gate_form.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("gates/<int:pk>/verify/", verify_trail, name="verify_trail"),
    path("gates/<int:pk>/minute/", minute, name="minute"),
    path("versions/<int:pk>/open-gate/", open_gate, name="open_gate"),
    path("versions/<int:pk>/suspend/", suspend, name="suspend"),
    path("models/<slug:slug>/<str:label>/", release, name="version"),
]

__all__ = ["SECTIONS", "release_context", "urlpatterns", "version_or_404"]
