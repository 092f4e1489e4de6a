"""Models: the inventory, and one model."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from functools import partial

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from apps.access.gate import ORGANISATION_SUBJECT, Verdict, may, offers
from apps.accounts.models import User
from apps.quality.queries import unsettled_of_model
from apps.registry import acts, queries
from apps.registry.models import Model
from apps.registry.states import WORDS, Level, State
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, mark_of, render_mark

LEVELS = [(level.value, level.value.capitalize()) for level in Level]
NOT_STATED = "not stated"


def _version_link(slug: str, label: str | None):
    if not label:
        return None
    return format_html('<a href="{}">{}</a>', reverse("web:version", args=[slug, label]), label)


def _newest(row: Model):
    if not row.newest_label:
        return None
    state = mark_of(row.newest_state, RECORD_MARKS)
    return format_html("{} {}", _version_link(row.slug, row.newest_label), render_mark(state))


MODELS = Table(
    name="models",
    caption="Models you may see",
    order="name",
    empty="No model that you may see. A registrar registers models; who holds a duty on one sees it here.",
    columns=[
        Column(
            "name",
            "Model",
            sort=("name", "slug"),
            heading=True,
            render=lambda m: format_html('<a href="{}">{}</a>', reverse("web:model", args=[m.slug]), m.name),
        ),
        Column("slug", "Short name", sort="slug"),
        Column("tier", "Risk tier", sort="tier_rank", value=lambda m: (m.tier or NOT_STATED).capitalize()),
        Column(
            "newest",
            "Newest version",
            sort="newest_at",
            value=lambda m: f"{m.newest_label} ({WORDS[State(m.newest_state)]})" if m.newest_label else None,
            render=_newest,
        ),
        Column(
            "released",
            "Released",
            sort="released_label",
            value=lambda m: m.released_label,
            render=lambda m: _version_link(m.slug, m.released_label),
        ),
        Column(
            "deviations",
            "Open deviations",
            sort="open_deviations",
            kind="number",
            value=lambda m: m.open_deviations,
        ),
    ],
    filters=[
        text(
            "q",
            "Name contains",
            lambda rows, v: rows.filter(name__icontains=v) | rows.filter(slug__icontains=v),
        ),
        choice("tier", "Risk tier", LEVELS, lambda rows, v: rows.filter(tier=v)),
        choice(
            "state",
            "State of the newest version",
            [(s.value, WORDS[s]) for s in State],
            lambda rows, v: rows.filter(newest_state=v),
        ),
    ],
)


@page
def models(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    rows = queries.inventory(actor).annotate(open_deviations=unsettled_of_model(actor))
    context = {"register": may(actor, "registry.register_model", ORGANISATION_SUBJECT)}
    return MODELS.read(request, rows).respond("registry/models.html", context)


def people_choices() -> list[tuple[int, str]]:
    """Everybody who could be named, for a form whose act the person may do."""
    people = User.objects.filter(is_active=True, is_service=False).order_by("printed_name", "pk")
    return [(p.pk, f"{p.printed_name} (@{p.username})") for p in people]


class RegisterForm(Form):
    """Registers a model or a dataset: both have a short name, a name and an owner."""

    name = forms.CharField(max_length=160, help_text="As people say it, for example: Lot release classifier.")
    slug = forms.CharField(
        max_length=60,
        label="Short name",
        help_text="Small letters, digits and dashes. It stands in addresses and can never be changed.",
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "size": 24}),
    )
    description = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 3}), max_length=4000)
    owner_id = forms.TypedChoiceField(
        label="Owner",
        coerce=int,
        choices=(),
        help_text="Answers for it in the business. A compliance officer approves the duty.",
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["owner_id"].choices = [("", "Choose a person"), *people_choices()]


def refused_form(request: HttpRequest, verdict: Verdict, back: str, ask: Callable) -> HttpResponse:
    """Instead of a form that this person cannot send: the refusal in four parts, and the way back.

    What was sent nevertheless is put to the act (`ask`), whose refusal stands in the trail; no byte of it is kept.
    """
    if request.method == "POST":
        ask()
    context = {"refusal": verdict, "back": back}
    return render(request, "errors/refused.html", context, status=verdict.status)


def fresh() -> dict[str, str]:
    """What every form begins with: a key by which a double click happens once."""
    return {"idempotency_key": uuid.uuid4().hex}


@require_http_methods(["GET", "POST"])
@page
def model_register(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    verdict = may(actor, "registry.register_model", ORGANISATION_SUBJECT)
    if not verdict.allowed:
        blank = partial(acts.register_model, actor, slug="", name="", owner_id=0)
        return refused_form(request, verdict, reverse("web:models"), blank)
    form = RegisterForm(request.POST if request.method == "POST" else None, initial=fresh())
    if request.method == "POST" and form.is_valid():
        made = attempt(form, acts.register_model, actor, **form.cleaned_data)
        if made:
            messages.success(request, f"{made.name} is registered. A compliance officer approves its owner.")
            return redirect("web:model", made.slug)
    context = {
        "form": form,
        "heading": "Register model",
        "back": reverse("web:models"),
        "back_text": "Models",
    }
    return render(request, "registry/form.html", context, status=422 if form.errors else 200)


VERSIONS = Table(
    name="versions",
    caption="Versions of this model",
    order="-registered",
    empty="No version yet. A developer registers the first, here or by the API.",
    columns=[
        Column(
            "label",
            "Version",
            sort="label",
            heading=True,
            render=lambda v: _version_link(v.model.slug, v.label),
        ),
        Column(
            "state",
            "State",
            sort="state",
            value=lambda v: v.get_state_display(),
            render=lambda v: render_mark(mark_of(v.state, RECORD_MARKS), v.get_state_display()),
        ),
        Column("tier", "Risk tier", value=lambda v: v.intended_use.get_tier_display()),
        Column("use", "Intended use", value=lambda v: v.intended_use.ref),
        Column("parent", "Derived from", value=queries.parent_told),
        Column(
            "by",
            "Registered by",
            sort="registered_by__printed_name",
            value=lambda v: v.registered_by.printed_name,
        ),
        Column(
            "registered", "Registered", sort="registered_at", kind="moment", value=lambda v: v.registered_at
        ),
    ],
    filters=[
        choice("state", "State", [(s.value, WORDS[s]) for s in State], lambda rows, v: rows.filter(state=v)),
    ],
)


@page
def model(request: HttpRequest, slug: str) -> HttpResponseBase:
    """One model: what it is for, its versions, what is released, and what you may do."""
    actor = actor_of(request)
    found = seen_or_404(request, Model, "registered_by", slug=slug)
    given = {v.act: v for v in offers(actor, found)}
    rows = queries.versions(actor, found)
    context = {
        "model": found,
        "uses": list(queries.intended_uses(actor, found)),
        "released": list(rows.filter(state=State.RELEASED)),
        "write": given["registry.write_intended_use"],
        "register": given["registry.register_version"],
    }
    return VERSIONS.read(request, rows).respond("registry/model.html", context)


urlpatterns = [
    path("models/", models, name="models"),
    path("models/register/", model_register, name="model_register"),
    path("models/<slug:slug>/", model, name="model"),
]
