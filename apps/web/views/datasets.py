"""Datasets: the list, one dataset, one version with its profile, upload, download."""

from __future__ import annotations

from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.actors import Actor
from apps.access.gate import ORGANISATION_SUBJECT, Verdict, may, offers
from apps.access.sharing import shared
from apps.analysis.charts import column_bars
from apps.core.blobs import Blob, human_size
from apps.core.downloads import attachment
from apps.datasets import acts, queries, readings
from apps.datasets.models import Dataset, DatasetVersion
from apps.datasets.receiving import receive
from apps.datasets.sensitive_acts import read_profile
from apps.datasets.states import PARTITION_WORDS, STATE_WORDS, Partition, State
from apps.registry.lineage import uses_of
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, Mark, mark_of, render_mark
from apps.web.uploading import UploadForm
from apps.web.views.models import RegisterForm, fresh, refused_form

READS_SHOWN = 50

DATASETS = Table(
    name="datasets",
    caption="Datasets you may see",
    order="name",
    empty="No dataset that you may see. A registrar registers datasets; who holds a duty on one sees it here.",
    columns=[
        Column(
            "name",
            "Dataset",
            sort=("name", "slug"),
            heading=True,
            render=lambda d: format_html(
                '<a href="{}">{}</a>', reverse("web:dataset", args=[d.slug]), d.name
            ),
        ),
        Column("slug", "Short name", sort="slug"),
        Column("sensitive", "Sensitive", sort="sensitive", value=lambda d: "Yes" if d.sensitive else "No"),
        Column("versions", "Versions", sort="version_count", kind="number", value=lambda d: d.version_count),
        Column("newest", "Newest upload", sort="newest", kind="moment", value=lambda d: d.newest),
    ],
    filters=[
        text(
            "q",
            "Name contains",
            lambda rows, v: rows.filter(name__icontains=v) | rows.filter(slug__icontains=v),
        ),
        choice(
            "sensitive",
            "Sensitive",
            [("yes", "Yes"), ("no", "No")],
            lambda rows, v: rows.filter(sensitive=v == "yes"),
        ),
    ],
)


@page
def datasets(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    context = {"register": may(actor, "datasets.register_dataset", ORGANISATION_SUBJECT)}
    return DATASETS.read(request, queries.register(actor)).respond("datasets/datasets.html", context)


class DatasetForm(RegisterForm):
    sensitive = forms.BooleanField(
        required=False, label="Sensitive", help_text="It holds personal or confidential data."
    )


@require_http_methods(["GET", "POST"])
@page
def dataset_register(request: HttpRequest) -> HttpResponse:
    actor, back = actor_of(request), reverse("web:datasets")
    verdict = may(actor, "datasets.register_dataset", ORGANISATION_SUBJECT)
    if not verdict.allowed:
        blank = partial(acts.register_dataset, actor, slug="", name="", owner_id=0)
        return refused_form(request, verdict, back, blank)
    form = DatasetForm(request.POST if request.method == "POST" else None, initial=fresh())
    if request.method == "POST" and form.is_valid():
        made = attempt(form, acts.register_dataset, actor, **form.cleaned_data)
        if made:
            messages.success(request, f"{made.name} is registered. A compliance officer approves its owner.")
            return redirect("web:dataset", made.slug)
    context = {"form": form, "heading": "Register dataset", "back": back, "back_text": "Datasets"}
    return render(request, "registry/form.html", context, status=422 if form.errors else 200)


def version_url(version: DatasetVersion) -> str:
    return reverse("web:dataset_version", args=[version.dataset.slug, version.number])


VERSION_MARKS = RECORD_MARKS | {
    "uploaded": Mark("Being profiled", "running", "outline"),
    "failed": Mark("Unreadable", "not_met", "bad"),
}


def state_mark(version: DatasetVersion) -> SafeString:
    return render_mark(mark_of(version.state, VERSION_MARKS), STATE_WORDS[State(version.state)])


VERSIONS = Table(
    name="dataset-versions",
    caption="Versions of this dataset",
    order="-version",
    empty="No version yet. A data curator uploads training data, a test-data steward test data.",
    columns=[
        Column(
            "version",
            "Version",
            sort="number",
            heading=True,
            value=lambda v: v.ref,
            render=lambda v: format_html('<a href="{}">{}</a>', version_url(v), v.ref),
        ),
        Column("partition", "Partition", sort="partition", value=lambda v: v.get_partition_display()),
        Column("state", "State", sort="state", value=lambda v: v.get_state_display(), render=state_mark),
        Column("rows", "Rows", sort="row_count", kind="number", value=lambda v: v.row_count),
        Column("columns", "Columns", kind="number", value=lambda v: len(v.columns) or None),
        Column("size", "Size", sort="file_size", value=lambda v: human_size(v.file_size)),
        Column("digest", "Digest", value=lambda v: v.file_digest, render=lambda v: _short(v.file_digest)),
        Column(
            "by", "Uploaded by", sort="uploaded_by__printed_name", value=lambda v: v.uploaded_by.printed_name
        ),
        Column("at", "Uploaded", sort="uploaded_at", kind="moment", value=lambda v: v.uploaded_at),
    ],
    filters=[
        choice(
            "partition",
            "Partition",
            [(p.value, PARTITION_WORDS[p]) for p in Partition],
            lambda rows, v: rows.filter(partition=v),
        ),
    ],
)


def _short(digest: str) -> SafeString:
    return format_html('<code class="hash" title="{}">{}…</code>', digest, digest[:19])


@page
def dataset(request: HttpRequest, slug: str) -> HttpResponseBase:
    actor = actor_of(request)
    found = seen_or_404(request, Dataset, "registered_by", "marked_by", slug=slug)
    given = {v.act: v for v in offers(actor, found)}
    context = {
        "dataset": found,
        "upload": given["datasets.upload_version"],
        "upload_test": given["datasets.upload_test_version"],
        "mark": given["datasets.request_unmark" if found.sensitive else "datasets.mark_sensitive"],
        "unmarking": readings.unmarking_of(actor, found) if found.sensitive else None,
        "grants": readings.grants_on(actor, found) if found.sensitive else [],
    }
    listing = VERSIONS.read(request, queries.versions(actor, found))
    return listing.respond("datasets/dataset.html", context)


# ---------------------------------------------------------------- upload


class DataForm(UploadForm):
    """A file of rows with where it comes from."""

    uploads = {"file": "Choose a file."}

    partition = forms.ChoiceField(
        choices=[(p.value, PARTITION_WORDS[p]) for p in (Partition.TRAIN, Partition.TUNE)],
        widget=forms.RadioSelect,
        help_text="What it is for. Test data have their own page: they go into the vault.",
    )
    file = forms.FileField(
        label="File", help_text="CSV in UTF-8 with a header, or Parquet; up to 2 GiB. Kept as it is."
    )
    source = forms.CharField(
        max_length=4000,
        help_text="System, study or supplier the data come from.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    collection = forms.CharField(
        max_length=4000,
        label="Collected",
        help_text="How, when and from whom.",
        widget=forms.Textarea(attrs={"rows": 2}),
    )
    entity_column = forms.CharField(
        required=False,
        max_length=120,
        label="Column of the physical unit",
        help_text="Patient, batch, device: test and training data must share none. Else only whole rows are compared.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "size": 24}),
    )
    derived_from = forms.CharField(
        required=False,
        max_length=80,
        label="Made from dataset version",
        help_text="Such as trial/v2. Who curated that version counts as a curator of this one.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "size": 24}),
    )
    transformation_commit = forms.CharField(
        required=False,
        max_length=64,
        label="Commit of the transformation",
        help_text="Of the code that made this file from its source.",
        widget=forms.TextInput(
            attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args: Any, test: bool, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if test:
            del self.fields["partition"]


@require_http_methods(["GET", "POST"])
@page
def dataset_upload(request: HttpRequest, slug: str, test: bool = False) -> HttpResponse:
    """Take in a version. Test data are written straight into the vault and nowhere else."""
    actor = actor_of(request)
    found = seen_or_404(request, Dataset, slug=slug)
    name = "upload_test_version" if test else "upload_version"
    act, back = getattr(acts, name), reverse("web:dataset", args=[slug])
    verdict = may(actor, f"datasets.{name}", found)
    if not verdict.allowed:
        nothing = {"file_digest": "", "file_name": "", "source": "", "collection": ""}
        blank = partial(act, actor, found.pk, **nothing, **({} if test else {"partition": ""}))
        return refused_form(request, verdict, back, blank)
    form = DataForm(
        request.POST if request.method == "POST" else None,
        request.FILES or None,
        initial=fresh(),
        person_id=actor.pk,
        test=test,
    )

    def store(_name: str, file: Any) -> Blob:
        return receive(file, test=test)

    if request.method == "POST" and form.receive(store):
        given, kept = dict(form.cleaned_data), form.kept["file"]
        for each in ("file", "file_kept"):
            given.pop(each, None)
        made = attempt(form, act, actor, found.pk, file_digest=kept.digest, file_name=kept.name, **given)
        if made:
            messages.success(request, f"{made.ref} is here, {made.file_digest}. It is being profiled.")
            return redirect(version_url(made))
    context = {
        "form": form,
        "heading": "Upload test version" if test else "Upload version",
        "note": TEST_NOTE if test else "",
        "back": back,
        "back_text": found.name,
    }
    return render(request, "registry/form.html", context, status=form.status)


TEST_NOTE = (
    "Test data go into the vault: nobody can take the rows out again, and you count as having read them, "
    "so you may not develop a model that is tested on them (DY6)."
)


# ---------------------------------------------------------------- one version


def profile_rows(profile: dict[str, Any]) -> list[dict[str, Any]]:
    """The profile's columns with their small charts."""
    return [
        column | {"svg": mark_safe(column_bars(column["bars"], f"Distribution of {column['name']}"))}
        for column in profile.get("columns", ())
    ]


def _profile_verdict(actor: Actor, version: DatasetVersion) -> Verdict | None:
    """The act that shows the profile; None where it stands open on the page."""
    if version.in_vault:
        return may(actor, "datasets.read_test_profile", version)
    return may(actor, "datasets.read_profile", version) if version.dataset.sensitive else None


def version_context(request: HttpRequest, found: queries.VersionPage) -> dict[str, Any]:
    actor, version = actor_of(request), found.version
    uses, hidden = uses_of(actor, version)
    return {
        "version": version,
        "state": state_mark(version),
        "size": human_size(version.file_size),
        "job": found.job,
        "running": version.state == State.UPLOADED,
        "profile": found.profile,
        "profile_rows": profile_rows(found.profile or {}),
        "reads": found.reads[:READS_SHOWN],
        "reads_more": len(found.reads) - READS_SHOWN,
        "read_profile": _profile_verdict(actor, version),
        "ask": may(actor, "datasets.request_read", version) if version.dataset.sensitive else None,
        "download": may(actor, "datasets.download_version", version),
        "uses": uses,
        "hidden": hidden,
    }


@never_cache
@page
def dataset_version(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """One version; the state alone for htmx, which asks again while it is being profiled."""
    with shared():
        context = version_context(request, queries.version_page(actor_of(request), slug, number))
    if request.htmx and context["running"]:
        return render(request, "datasets/_state.html", context)
    response = render(request, "datasets/version.html", context)
    if request.htmx:
        response["HX-Refresh"] = "true"  # profiled meanwhile: the whole page has changed
    return response


@never_cache
@require_POST
@page
def read_test_profile(request: HttpRequest, slug: str, number: int) -> HttpResponse:
    """Show a profile that is not open this once. The answer to the POST carries it, so that every look is a read."""
    actor = actor_of(request)
    version = queries.version(actor, slug, number)
    read = acts.read_test_profile if version.in_vault else read_profile
    profile = read(actor, version.pk)
    context = version_context(request, queries.version_page(actor, slug, number))
    context |= {"profile": profile, "profile_rows": profile_rows(profile), "just_read": True}
    return render(request, "datasets/version.html", context)


class DownloadForm(Form):
    reason = ReasonField(label="Why you need the rows")


@require_http_methods(["GET", "POST"])
@page
def dataset_download(request: HttpRequest, slug: str, number: int) -> HttpResponseBase:
    """The rows as uploaded, for a stated reason; the entry is the read register."""
    actor = actor_of(request)
    version = queries.version(actor, slug, number)
    verdict = may(actor, "datasets.download_version", version)
    if not verdict.allowed:
        blank = partial(acts.download_version, actor, version.pk, reason="Not allowed")
        return refused_form(request, verdict, version_url(version), blank)
    form = DownloadForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        found = attempt(form, acts.download_version, actor, version.pk, reason=form.cleaned_data["reason"])
        if found:
            return attachment(found)
    context = {
        "form": form,
        "heading": f"Download the rows of {version.ref}",
        "back": version_url(version),
        "back_text": version.ref,
    }
    return render(request, "registry/form.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("datasets/", datasets, name="datasets"),
    path("datasets/register/", dataset_register, name="dataset_register"),
    path("datasets/<slug:slug>/", dataset, name="dataset"),
    path("datasets/<slug:slug>/upload/", dataset_upload, name="dataset_upload"),
    path("datasets/<slug:slug>/upload-test/", dataset_upload, {"test": True}, name="dataset_upload_test"),
    path("datasets/<slug:slug>/v<int:number>/", dataset_version, name="dataset_version"),
    path("datasets/<slug:slug>/v<int:number>/profile/", read_test_profile, name="read_test_profile"),
    path("datasets/<slug:slug>/v<int:number>/download/", dataset_download, name="dataset_download"),
]
