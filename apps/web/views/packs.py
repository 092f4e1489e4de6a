"""Inspection packs: list, one pack with its progress, the request, the download."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.acting import refuse_first
from apps.access.gate import may
from apps.packs import acts, queries
from apps.packs.models import Pack
from apps.packs.states import WORDS, State
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.links import url_of
from apps.web.lists import Column, Table, choice, text
from apps.web.views.release import version_or_404

PACKS = Table(
    name="packs",
    caption="Inspection packs you may see",
    order="-ref",
    empty="No pack yet. Ask for one on the page of a release.",
    columns=[
        Column(
            "ref",
            "Pack",
            sort="number",
            render=lambda p: format_html('<a href="{}">{}</a>', url_of(p), p.ref),
            heading=True,
        ),
        Column(
            "version",
            "Version",
            sort=("version__model__slug", "version__label"),
            value=lambda p: p.version.ref,
            render=lambda p: format_html('<a href="{}">{}</a>', url_of(p.version), p.version.ref),
        ),
        Column("state", "State", sort="state", value=lambda p: p.get_state_display()),
        Column("as_of", "As of", sort="as_of", kind="moment"),
        Column("purpose", "Purpose", sort="purpose"),
        Column(
            "requester",
            "Asked for by",
            sort="requested_by__printed_name",
            value=lambda p: p.requested_by.printed_name,
        ),
        Column("pages", "Pages", sort="pages", kind="number"),
        Column("content_digest", "Content digest", render=lambda p: p.content_digest[7:19] or None),
    ],
    filters=[
        choice("state", "State", [(s.value, WORDS[s]) for s in State], lambda rows, v: rows.filter(state=v)),
        text("model", "Model", lambda rows, v: rows.filter(version__model__slug__icontains=v)),
    ],
)


@page
def packs(request: HttpRequest) -> HttpResponseBase:
    return PACKS.read(request, queries.packs(actor_of(request))).respond("packs/packs.html")


def pack_context(request: HttpRequest, number: int) -> dict:
    pack = seen_or_404(request, Pack, *queries.RELATED, number=number)
    return {
        "pack": pack,
        "version": pack.version,
        "download": may(actor_of(request), "packs.download_pack", pack),
        "downloads": queries.downloads_of(pack)[:50],
        "running": pack.state == State.QUEUED,
        "file_name": queries.file_name(pack),
        "idempotency_key": uuid.uuid4().hex,
    }


@page
def pack(request: HttpRequest, number: int) -> HttpResponse:
    """One pack; its state alone for htmx, which asks again while it is built."""
    template = "packs/_state.html" if request.htmx else "packs/pack.html"
    return render(request, template, pack_context(request, number))


class RequestForm(Form):
    purpose = forms.CharField(
        max_length=acts.MAX_PURPOSE,
        label="Purpose",
        help_text="Printed on the cover, for example: annual inspection.",
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, required=False)


@require_http_methods(["GET", "POST"])
@page
def pack_request(request: HttpRequest, slug: str, label: str) -> HttpResponse:
    """Ask for the pack of a version as of now."""
    version = version_or_404(request, slug, label)
    form = RequestForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        made = attempt(
            form,
            acts.request_pack,
            actor_of(request),
            version.pk,
            purpose=given["purpose"],
            idempotency_key=given["idempotency_key"],
        )
        if made:
            messages.success(request, f"{made.ref} is being built; this page shows when it is ready.")
            return redirect(reverse("web:pack", args=[made.number]))
    elif request.method == "POST":
        refuse_first(actor_of(request), "packs.request_pack", version)  # the form was no good
    context = {"form": form, "version": version, "may": may(actor_of(request), "packs.request_pack", version)}
    return render(request, "packs/request.html", context, status=422 if form.errors else 200)


def file_response(pack: Pack) -> FileResponse:
    """The PDF as a download that no browser opens in the portal's own name."""
    response = FileResponse(
        queries.file_of(pack).open("rb"),
        as_attachment=True,
        filename=queries.file_name(pack),
        content_type="application/pdf",
    )
    response["X-Content-Type-Options"] = "nosniff"
    response["Content-Security-Policy"] = "default-src 'none'; sandbox"
    response["Cache-Control"] = "no-store, private"
    return response


@require_POST
@page
def pack_download(request: HttpRequest, number: int) -> FileResponse:
    """A POST, because it writes an entry: who took the pack out."""
    found = seen_or_404(request, Pack, *queries.RELATED, number=number)
    return file_response(acts.download_pack(actor_of(request), found.pk))


urlpatterns = [
    path("packs/", packs, name="packs"),
    path("packs/P-<int:number>/", pack, name="pack"),
    path("packs/P-<int:number>/download/", pack_download, name="pack_download"),
    path("models/<slug:slug>/<str:label>/pack/", pack_request, name="pack_request"),
]
