"""Files handed in for the probes of a version: two pipelines on the same rows, utility against epsilon."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from apps.access.gate import may
from apps.core import blobs
from apps.registry.models import Version
from apps.robustness import acts, handed_in
from apps.robustness.states import KIND_WORDS, EvidenceKind
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.links import url_of
from apps.web.uploading import UploadForm


class FilesForm(UploadForm):
    """Files of two pipelines on the same rows, or a table of utility against epsilon."""

    uploads = {"file": "Choose the file.", "second": ""}

    kind = forms.ChoiceField(label="What they are", choices=[(k.value, KIND_WORDS[k]) for k in EvidenceKind])
    file = forms.FileField(
        label="File of the training pipeline, or the table",
        help_text=f"CSV or Parquet, up to {blobs.human_size(handed_in.MAX_BYTES)}. A table has the columns epsilon, "
        "metric, utility, n, released and perhaps delta.",
    )
    second = forms.FileField(
        label="File of the serving pipeline",
        required=False,
        help_text="The same columns for the same rows. Not needed for a table of utility.",
    )
    key_column = forms.CharField(
        label="Column that names the rows",
        required=False,
        max_length=120,
        help_text="Leave it empty where both files have the rows in the same order.",
    )
    tolerance = forms.CharField(
        label="Numbers may lie apart by",
        required=False,
        max_length=24,
        initial="0",
        help_text="At most 0.000001. 0: every number is the same to the last bit.",
        widget=forms.TextInput(attrs={"size": 8, "autocomplete": "off"}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, required=False)


@require_http_methods(["GET", "POST"])
@page
def probe_files(request: HttpRequest, pk: int) -> HttpResponse:
    """Hand in files for the probes of a version."""
    actor = actor_of(request)
    version = seen_or_404(request, Version, "model", "intended_use", pk=pk)
    verdict = may(actor, "robustness.submit_evidence", version)
    if not verdict.allowed:
        if request.method == "POST":
            acts.submit_evidence(actor, version.pk, kind="", file_digest="", file_name="")
        raise verdict.refusal()
    posted = request.method == "POST"
    form = FilesForm(
        request.POST if posted else None,
        request.FILES or None,
        initial={"idempotency_key": uuid.uuid4().hex},
        person_id=actor.pk,
    )
    if posted and form.receive(lambda _name, file: blobs.put(file, limit=handed_in.MAX_BYTES)):
        given, second = form.cleaned_data, form.kept.get("second")
        done = attempt(
            form,
            acts.submit_evidence,
            actor,
            version.pk,
            kind=given["kind"],
            file_digest=form.kept["file"].digest,
            file_name=form.kept["file"].name,
            second_digest=second.digest if second else "",
            second_name=second.name if second else "",
            key_column=given["key_column"],
            tolerance=given["tolerance"],
            idempotency_key=given["idempotency_key"],
        )
        if done:
            messages.success(request, f"{done.ref} is taken. The next probe report uses it.")
            return redirect(url_of(done))
    context = {"form": form, "version": version, "heading": "Hand in pipeline or privacy files"}
    return render(request, "registry/gate_form.html", context, status=form.status)
