"""Records: the way to every kind of record that is not a model or a dataset."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import apps
from django.db.models import Func, IntegerField, Value
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import NoReverseMatch, path, reverse

from apps.access.actors import Actor
from apps.access.gate import visible
from apps.access.sharing import shared
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
        "web:trail_reviews",
        "Trail reviews",
        "Who went through the trail of a version, what they were shown and what they found.",
        "quality.TrailReview",
    ),
    (
        "web:signatures",
        "Signatures",
        "Every signature as it was printed, and whether it binds its record now.",
        Signature,
    ),
    (
        "web:deviations",
        "Deviations",
        "What departed from what was planned: open, accepted for a time or for good, or closed.",
        "quality.Deviation",
    ),
    (
        "web:plans",
        "Validation plans",
        "Criteria and limits, drafts and superseded ones too; locked before any run.",
        "validations.Plan",
    ),
    (
        "web:runs",
        "Validation runs",
        "Every run on test data by the portal itself, failed ones too.",
        "validations.Run",
    ),
    (
        "web:requirements",
        "Requirements",
        "What each model has to do, every revision, with who approved it.",
        "verification.Requirement",
    ),
    ("web:risks", "Risks", "What may go wrong, and what is done about it.", "verification.Risk"),
    (
        "web:verification_list",
        "Verification evidence",
        "Test results, coverage, findings, bills of materials and benchmark logs of versions.",
        "verification.Evidence",
    ),
    ("web:bias_reports", "Bias reports", "Whether groups are treated alike.", "fairness.Report"),
    (
        "web:probe_reports",
        "Probe reports",
        "What becomes of decisions when inputs are disturbed, and what answers give away.",
        "robustness.ProbeReport",
    ),
    (
        "web:explanations",
        "Explanations",
        "What each version rests on, how stable that is, and the review of its features.",
        "explanation.Report",
    ),
    (
        "web:boards",
        "Review boards",
        "Who sits on which board, what it met about and what it decided, with signatures.",
        "approvals.Board",
    ),
    (
        "web:waivers",
        "Waivers",
        "Rules of separation opened for one person, for a time, with reason and control.",
        "access.Waiver",
    ),
    (
        "web:rules",
        "Separation rules",
        "Which duties and which acts one person may not have together: in force, earlier, and proposed.",
        "access.SeparationRules",
    ),
    (
        "web:reviews",
        "Access reviews",
        "Campaigns in which owners confirm or end each duty, with their signatures.",
        "access.AccessReview",
    ),
    (
        "web:training",
        "Training",
        "Who holds which duty, whether they are trained for it, and what each duty needs.",
        "access.TrainingRecord",
    ),
    (
        "web:access_register",
        "Access register",
        "Who could do what, now and at any moment past.",
        "access.Assignment",
    ),
    (
        "web:inspections",
        "Inspections",
        "Inspectors’ access with scope and end, what they looked at, and the copies they were handed.",
        "access.Inspection",
    ),
    (
        "web:read_grants",
        "Access to sensitive data",
        "Who asked to read sensitive data, for how long it was granted, and what was read.",
        "datasets.ReadGrant",
    ),
    ("web:packs", "Inspection packs", "A version’s dossier to take away.", "packs.Pack"),
)


class _Many(Func):
    """COUNT(*) of all rows, without the GROUP BY of an aggregate: one line also where there are none."""

    template = "COUNT(*)"
    output_field = IntegerField()


@page
def records(request: HttpRequest) -> HttpResponse:
    """Each kind with the number the reader may see; a link where the kind has a list of its own."""
    actor = actor_of(request)
    with shared():
        shelves = _shelves(actor)
    return render(request, "records/records.html", {"shelves": shelves})


def _shelves(actor: Actor) -> list[dict]:
    models = [apps.get_model(kind) if isinstance(kind, str) else kind for *_, kind in SHELVES]
    counts = _counts(actor, models)
    shelves = []
    for (name, title, says, _kind), model in zip(SHELVES, models, strict=True):
        try:
            url = reverse(name)
        except NoReverseMatch:
            url = ""
        shelves.append({"title": title, "says": says, "url": url, "count": counts[model]})
    return shelves


def _counts(actor: Actor, models: Sequence[Any]) -> dict[Any, int]:
    """Kind -> how many the reader may see. The trail and signatures, which lie on every kind, are asked by themselves;
    the others by one query, a line a kind.
    """
    found: dict[Any, int] = {}
    parts = []
    for number, model in enumerate(models):
        rows = visible(actor, model)
        if model in (Entry, Signature):
            found[model] = (told(rows) if model is Entry else rows).count()
        else:
            line = rows.order_by().annotate(of=Value(number, IntegerField()), many=_Many())
            parts.append(line.values_list("of", "many"))
    lines = dict(parts[0].union(*parts[1:], all=True))
    return dict.fromkeys(models, 0) | found | {models[number]: many for number, many in lines.items()}


urlpatterns = [path("records/", records, name="records")]
