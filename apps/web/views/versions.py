"""Versions: register one, declare authors, freeze, fetch the model file."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access.acting import refuse_first
from apps.access.actors import Actor
from apps.access.gate import may
from apps.access.signing import content_of
from apps.accounts.models import User
from apps.core import blobs
from apps.core.blobs import Blob
from apps.core.downloads import attachment
from apps.core.errors import BadInput
from apps.registry import acts, queries
from apps.registry.checks import data_fixed, intended_use_signed
from apps.registry.inspecting import inspect_artefact
from apps.registry.models import Model, Version
from apps.web.door import actor_of, attempt, attempt_change, page, seen_or_404
from apps.web.forms import ChangeForm, Form, ReasonField
from apps.web.links import url_of
from apps.web.version_form import VersionForm
from apps.web.views.models import fresh, refused_form

LIMITS = {
    "artefact": "UPLOAD_LIMIT_MODEL",
    "code_archive": "UPLOAD_LIMIT_FILE",
    "environment": "UPLOAD_LIMIT_FILE",
}


def store(name: str, file: Any) -> Blob:
    """An upload of a version, by its digest; BadInput with status 413 above the field's limit."""
    return blobs.put(file, limit=getattr(settings, LIMITS[name]))


@require_http_methods(["GET", "POST"])
@page
def version_register(request: HttpRequest, slug: str) -> HttpResponse:
    actor = actor_of(request)
    model = seen_or_404(request, Model, slug=slug)
    verdict, back = may(actor, "registry.register_version", model), reverse("web:model", args=[slug])
    if not verdict.allowed:
        blank = partial(acts.register_version, actor, model.pk, **NOTHING)
        return refused_form(request, verdict, back, blank)
    first = queries.intended_uses(actor, model).first()
    initial = fresh() | {"intended_use": first.pk if first else None, "authors": [actor.pk]}
    form = VersionForm(
        request.POST if request.method == "POST" else None,
        request.FILES or None,
        initial=initial,
        actor=actor,
        model=model,
    )
    if request.method == "POST" and form.receive(store):
        made = _register(actor, model, form)
        if made:
            messages.success(request, f"{made.ref} is registered. Its open checks are listed below.")
            return redirect(url_of(made))
    context = {
        "form": form,
        "heading": "Register version",
        "back": back,
        "back_text": model.name,
        "note": "" if first else "This model has no intended use yet: it has to be written first.",
    }
    return render(request, "registry/form.html", context, status=form.status)


NOTHING: dict[str, Any] = {
    "label": "",
    "intended_use_id": 0,
    "artefact_digest": "",
    "artefact_size": 0,
    "artefact_name": "",
    "artefact_format": "",
    "interface": {},
    "features": [],
    "code_commit": "",
    "data_version_ids": [],
    "author_ids": [],
}


def _register(actor: Actor, model: Model, form: VersionForm) -> Version | None:
    """Look at the file in the sandbox, then one act. None when something is wrong: the form says what."""
    given, kept = form.cleaned_data, form.kept
    try:
        found = inspect_artefact(kept["artefact"].digest)
    except BadInput as refused:
        form.add_refusal(refused)
        return None
    return attempt(
        form,
        acts.register_version,
        actor,
        model.pk,
        label=given["label"],
        intended_use_id=given["intended_use"],
        artefact_digest=kept["artefact"].digest,
        artefact_size=kept["artefact"].size,
        artefact_name=kept["artefact"].name,
        artefact_format=found["format"],
        interface=found["interface"],
        features=given["features"],
        code_commit=given["code_commit"],
        data_version_ids=given["data_versions"],
        author_ids=given["author_ids"],
        code_archive_digest=kept["code_archive"].digest if "code_archive" in kept else "",
        environment_digest=kept["environment"].digest if "environment" in kept else "",
        image_digest=given["image_digest"],
        hyperparameters=given["hyperparameters"],
        claimed_metrics=given["claimed_metrics"],
        parent_id=given["parent"],
        note=given["note"],
        idempotency_key=given["idempotency_key"],
    )


class AuthorForm(ChangeForm):
    username = forms.CharField(
        max_length=80,
        help_text="Of the person whose work is in this version.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "size": 24}),
    )
    reason = ReasonField(label="Why it is declared now")

    def clean_username(self) -> int:
        """The person's key: unknown names are told like those of services."""
        name = self.cleaned_data["username"].strip().removeprefix("@")
        person = User.objects.filter(username=name, is_service=False).first()
        if person is None:
            raise forms.ValidationError(f"No account is called {name}.")
        return person.pk


@require_http_methods(["GET", "POST"])
@page
def add_author(request: HttpRequest, pk: int) -> HttpResponse:
    """Declare one more author: from then on they count as having developed the version."""
    actor = actor_of(request)
    version = seen_or_404(request, Version, "model", pk=pk)
    verdict = may(actor, "registry.add_author", version)
    if not verdict.allowed:
        blank = partial(acts.add_author, actor, pk, person_id=0, reason="Not allowed")
        return refused_form(request, verdict, url_of(version), blank)
    form = AuthorForm(request.POST if request.method == "POST" else None, initial=fresh())
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        done = attempt_change(
            form,
            acts.add_author,
            actor,
            version.pk,
            person_id=given["username"],
            reason=given["reason"],
            idempotency_key=given["idempotency_key"],
        )
        if done:
            messages.success(request, f"{done.person.printed_name} is declared an author of {version.ref}.")
            return redirect("web:section", version.model.slug, version.label, "people")
    context = {"form": form, "version": version, "heading": f"Declare an author of {version.ref}"}
    return render(request, "registry/gate_form.html", context, status=422 if form.errors else 200)


class KeyForm(Form):
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def freeze(request: HttpRequest, pk: int) -> HttpResponse:
    """What freezing fixes, before one's eyes, and the button."""
    actor = actor_of(request)
    version = seen_or_404(request, Version, *queries.VERSION_PARTS, "intended_use__written_by", pk=pk)
    form = KeyForm(request.POST if request.method == "POST" else None, initial=fresh())
    if request.method == "POST" and form.is_valid():
        done = attempt(
            form, acts.freeze, actor, version.pk, idempotency_key=form.cleaned_data["idempotency_key"]
        )
        if done:
            messages.success(request, f"{version.ref} is frozen. A change from now on is a new version.")
            return redirect(url_of(version))
    elif request.method == "POST":
        refuse_first(actor, "registry.freeze", version)
    context = {
        "form": form,
        "version": version,
        "verdict": may(actor, "registry.freeze", version),
        "content": content_of(version),
        "needed": [
            {"title": title, "outcome": outcome}
            for title, outcome in (
                ("Intended use signed", intended_use_signed(version)),
                ("Data fixed", data_fixed(version)),
            )
        ],
    }
    return render(request, "registry/freeze.html", context, status=422 if form.errors else 200)


class DownloadForm(Form):
    reason = ReasonField(label="Why you need the file")


@require_http_methods(["GET", "POST"])
@page
def download_artefact(request: HttpRequest, pk: int) -> HttpResponseBase:
    """The model file as it was uploaded, for a stated reason; the request and its reason are in the trail."""
    actor = actor_of(request)
    version = seen_or_404(request, Version, "model", pk=pk)
    verdict = may(actor, "registry.download_artefact", version)
    if not verdict.allowed:
        return refused_form(
            request,
            verdict,
            url_of(version),
            partial(acts.download_artefact, actor, pk, reason="Not allowed"),
        )
    form = DownloadForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        found = attempt(form, acts.download_artefact, actor, version.pk, reason=form.cleaned_data["reason"])
        if found:
            return attachment(found)
    context = {"form": form, "version": version, "heading": f"Download the model file of {version.ref}"}
    return render(request, "registry/gate_form.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("models/<slug:slug>/new-version/", version_register, name="version_register"),
    path("versions/<int:pk>/authors/", add_author, name="add_author"),
    path("versions/<int:pk>/freeze/", freeze, name="freeze"),
    path("versions/<int:pk>/model-file/", download_artefact, name="download_artefact"),
]
