"""Records: the way to every kind of record that is not a model or a dataset."""

from __future__ import annotations

from django.apps import apps
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, path, reverse

from apps.access.gate import visible
from apps.trail.models import Entry, Signature
from apps.trail.queries import told
from apps.web.door import actor_of, page

# (page, title, what it holds, model)
SHELVES = (
    (
        "web:audit",
        "Audit trail",
        "Who did or tried what, when and why; with what changed and its proof.",
        Entry,
    ),
    (
        "web:signatures",
        "Signatures",
        "Every signature as it was printed, and whether it still binds.",
        Signature,
    ),
    (
        "web:deviations",
        "Deviations",
        "What is not met and was accepted for a time, or closed.",
        "quality.Deviation",
    ),
    ("web:plans", "Validation plans", "Criteria fixed before results.", "validations.Plan"),
    ("web:runs", "Validation runs", "What the portal computed on test data.", "validations.Run"),
    ("web:bias_reports", "Bias reports", "Whether groups are treated alike.", "fairness.Report"),
    ("web:packs", "Inspection packs", "A version’s dossier to take away.", "packs.Pack"),
)


@page
def records(request: HttpRequest) -> HttpResponse:
    """Each kind with the number the reader may see; a link where the kind has a list of its own."""
    actor = actor_of(request)
    shelves = []
    for name, title, says, kind in SHELVES:
        model = apps.get_model(kind) if isinstance(kind, str) else kind
        rows = visible(actor, model)
        count = (told(rows) if model is Entry else rows).count()
        try:
            url = reverse(name)
        except NoReverseMatch:
            url = ""
        shelves.append({"title": title, "says": says, "url": url, "count": count})
    return render(request, "records/records.html", {"shelves": shelves})


urlpatterns = [path("records/", records, name="records")]
