"""Deviations: the register, one deviation with its decisions, and opening one by hand."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from apps.access.gate import may, offers
from apps.access.sharing import shared
from apps.access.signing import content_digest, standings
from apps.core.clock import now
from apps.quality import acts, queries, rules
from apps.quality.models import Deviation
from apps.quality.states import WORDS, State
from apps.registry.models import Version
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.links import sign_url, subject_of, url_of
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, render_mark
from apps.web.views.plans import link, state_mark

EXPIRED = "Acceptance has run out"


def has_expired(deviation: Deviation) -> bool:
    return rules.expired(deviation.state, deviation.expires_at, now())


def _state(deviation: Deviation):
    if has_expired(deviation):
        return render_mark(RECORD_MARKS["expired"], EXPIRED)
    return state_mark(deviation)


def _raised_by(deviation: Deviation) -> str:
    behalf = deviation.raised_on_behalf_of
    return f"the portal, for {behalf.printed_name}" if behalf else deviation.raised_by.printed_name


DEVIATIONS = Table(
    name="deviations",
    caption="Deviations you may see",
    order="-number",
    empty="No deviation that you may see. Failed criteria and limits open theirs by themselves.",
    columns=[
        Column("number", "Deviation", sort="number", heading=True, value=lambda d: d.ref, render=link),
        Column("title", "What", value=lambda d: d.title),
        Column(
            "state",
            "State",
            sort="state",
            value=lambda d: EXPIRED if has_expired(d) else d.get_state_display(),
            render=_state,
        ),
        Column(
            "blocking", "Blocks the release", sort="blocking", value=lambda d: "yes" if d.blocking else "no"
        ),
        Column(
            "version",
            "Version",
            sort=("version__model__slug", "version__label"),
            value=lambda d: d.version.ref,
            render=lambda d: link(d.version),
        ),
        Column("by", "Raised by", value=_raised_by),
        Column("raised_at", "Raised", sort="raised_at", kind="moment"),
        Column("expires_at", "Accepted until", sort="expires_at", kind="moment"),
    ],
    filters=[
        choice("state", "State", [(s.value, WORDS[s]) for s in State], lambda r, v: r.filter(state=v)),
        choice(
            "blocking", "Blocks", [("yes", "yes"), ("no", "no")], lambda r, v: r.filter(blocking=v == "yes")
        ),
        text("model", "Model", lambda r, v: r.filter(version__model__slug=v)),
        text("version", "Version", lambda r, v: r.filter(version__label=v)),
    ],
)


@page
def deviations(request: HttpRequest) -> HttpResponseBase:
    return DEVIATIONS.read(request, queries.register(actor_of(request))).respond("quality/deviations.html")


@page
def deviation(request: HttpRequest, number: int) -> HttpResponse:
    """What was found, where it came from, what was decided on it, and who may decide now."""
    actor = actor_of(request)
    found = seen_or_404(
        request, Deviation, "version__model", "raised_by", "raised_on_behalf_of", number=number
    )
    with shared():
        given = {v.act: v for v in offers(actor, found)}
    source = subject_of(found.source_kind, found.source_id) if found.source_kind else None
    buttons = [
        Button(
            given["quality.accept_deviation"], sign_url("quality.accept_deviation", found.pk), style="primary"
        ),
        Button(given["quality.close_deviation"], sign_url("quality.close_deviation", found.pk)),
    ]
    doable = Acts(tuple(buttons))
    context = {
        "deviation": found,
        "version": found.version,
        "expired": has_expired(found),
        "source": source,
        "source_url": url_of(source) if source else "",
        "digest": content_digest(found),
        "standings": standings(found),
        "acts": doable,
        "needs_you": doable.anchor,
    }
    return render(request, "quality/deviation.html", context)


class DeviationForm(Form):
    title = forms.CharField(
        max_length=rules.MAX_TITLE, help_text="In a few words: what departed from what was planned."
    )
    description = forms.CharField(
        max_length=20_000,
        help_text="What was found, where, and what it means for the use of the model.",
        widget=forms.Textarea(attrs={"rows": 6}),
    )
    blocking = forms.TypedChoiceField(
        choices=[("yes", "Yes, until it is accepted or closed"), ("no", "No, it is for the record")],
        coerce=lambda typed: typed == "yes",
        initial="yes",
        widget=forms.RadioSelect,
        label="Does it block the release?",
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def deviation_new(request: HttpRequest, pk: int) -> HttpResponse:
    """Open a deviation of a version by hand."""
    actor = actor_of(request)
    version = seen_or_404(request, Version, "model", pk=pk)
    verdict = may(actor, "quality.open_deviation", version)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            acts.open_deviation(actor, version.pk, title="", description="")
        raise verdict.refusal()
    form = DeviationForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    if request.method == "POST" and form.is_valid():
        made = attempt(form, acts.open_deviation, actor, version.pk, **form.cleaned_data)
        if made:
            messages.success(request, f"{made.ref} is open. Somebody else may accept or close it.")
            return redirect("web:deviation", made.number)
    context = {"form": form, "version": version}
    return render(request, "quality/deviation_form.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("deviations/", deviations, name="deviations"),
    path("deviations/<int:number>/", deviation, name="deviation"),
    path("versions/<int:pk>/deviation/", deviation_new, name="deviation_new"),
]
