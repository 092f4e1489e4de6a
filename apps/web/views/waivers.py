"""Waivers: the register, one waiver with its two signatures, asking for one, revoking one."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access import acts, queries
from apps.access.gate import may, offers, rules_in_force
from apps.access.models import Waiver
from apps.access.rulebook import openable
from apps.access.signing import standings
from apps.accounts.models import User
from apps.core.standing import choices, standing_now
from apps.registry.models import Model
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.links import sign_url
from apps.web.lists import Column, Table, choice, text
from apps.web.views.plans import link

WAIVERS = Table(
    name="waivers",
    caption="Waivers you may see",
    order="-number",
    empty="No waiver that you may see. An owner, QA approver or compliance officer asks for one on a model's page.",
    columns=[
        Column("number", "Waiver", sort="pk", heading=True, value=lambda w: w.ref, render=link),
        Column("rule", "Rule", sort="rule"),
        Column("person", "For", sort="person__printed_name", value=lambda w: w.person.printed_name),
        Column("place", "On", sort="place"),
        Column("state", "State", value=lambda w: w.word),
        Column("by", "Signed by", value=lambda w: " and ".join(s.printed_name for s in w.signatures)),
        Column("expires_at", "Until", sort="expires_at", kind="moment"),
    ],
    filters=[
        choice("state", "State", choices(Waiver.STANDINGS), standing_now(Waiver.STANDINGS)),
        text("rule", "Rule", lambda rows, v: rows.filter(rule__iexact=v)),
        text(
            "on", "Model or version", lambda rows, v: rows.filter(Q(place=v) | Q(place__startswith=f"{v}/"))
        ),
        text("person", "Username", lambda rows, v: rows.filter(person__username__iexact=v)),
    ],
)
SIGNS = ("access.sign_waiver_approver", "access.sign_waiver_compliance")


@page
def waivers(request: HttpRequest) -> HttpResponseBase:
    return WAIVERS.read(request, queries.waivers(actor_of(request))).respond("access/waivers.html")


@page
def waiver(request: HttpRequest, pk: int) -> HttpResponse:
    """What is opened, for whom, why, what is done instead, who signed, until when; and who may do what now."""
    found = seen_or_404(request, Waiver, "person", "proposed_by", "ended_by", *Waiver.SIGNERS, pk=pk)
    given = {v.act: v for v in offers(actor_of(request), found)}
    buttons = [Button(given[act], sign_url(act, found.pk), style="primary") for act in SIGNS]
    buttons.append(
        Button(given["access.revoke_waiver"], reverse("web:waiver_revoke", args=[found.pk]), style="danger")
    )
    doable = Acts(tuple(buttons))
    context = {
        "waiver": found,
        "text": rules_in_force().texts().get(found.rule, "no longer a rule"),
        "standings": standings(found, found.signatures),
        "acts": doable,
        "needs_you": doable.anchor,
    }
    return render(request, "access/waiver.html", context)


class WaiverForm(Form):
    person = forms.TypedChoiceField(label="For whom", coerce=int, choices=())
    rule = forms.ChoiceField(label="Rule", choices=())
    version = forms.TypedChoiceField(label="On", coerce=int, choices=(), empty_value=0, required=False)
    control = forms.CharField(
        label="Compensating control",
        max_length=4000,
        help_text="What is done instead, so that the risk the rule guards against stays covered.",
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    expires_at = MomentField(label="Until", help_text="UTC, within a year. It lapses by itself.")
    reason = ReasonField(label="Why it is needed")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, model: Model, **kwargs):
        super().__init__(*args, **kwargs)
        people = User.objects.filter(is_active=True, is_service=False).order_by("printed_name")
        self.fields["person"].choices = [("", "Choose a person")] + [
            (p.pk, f"{p.printed_name} (@{p.username})") for p in people
        ]
        self.fields["rule"].choices = [("", "Choose a rule")] + [
            (rule, f"{rule}: {told}") for rule, told in openable(rules_in_force()).items()
        ]
        self.fields["version"].choices = [(0, f"every version of {model.slug}")] + [
            (v.pk, f"{model.slug}/{v.label} alone") for v in model.versions.order_by("-pk")
        ]


@require_http_methods(["GET", "POST"])
@page
def waiver_new(request: HttpRequest, slug: str) -> HttpResponse:
    """Ask that a rule be opened for one person on a model or one version of it."""
    actor, model = actor_of(request), seen_or_404(request, Model, slug=slug)
    verdict = may(actor, "access.request_waiver", model)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            nothing = {"person_id": 0, "rule": "", "control": "", "expires_at": None}
            acts.request_waiver(actor, model_id=model.pk, reason="none given", **nothing)
        raise verdict.refusal()
    form = WaiverForm(
        request.POST if request.method == "POST" else None,
        initial={"idempotency_key": uuid.uuid4().hex},
        model=model,
    )
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        made = attempt(
            form,
            acts.request_waiver,
            actor,
            model_id=model.pk,
            person_id=given.pop("person"),
            version_id=given.pop("version"),
            **given,
        )
        if made:
            messages.success(request, f"{made} is asked for. A QA approver and a compliance officer sign it.")
            return redirect("web:waiver", made.pk)
    context = {"form": form, "model": model}
    return render(request, "access/waiver_form.html", context, status=422 if form.errors else 200)


class RevokeForm(Form):
    reason = ReasonField(label="Why it ends now")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def waiver_revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """A QA approver of the model or a compliance officer ends it; what was given under it ends with it."""
    actor, found = actor_of(request), seen_or_404(request, Waiver, "person", *Waiver.SIGNERS, pk=pk)
    verdict = may(actor, "access.revoke_waiver", found)
    if not verdict.allowed:
        if request.method == "POST":  # the act refuses it, so that the attempt stands in the trail
            acts.revoke_waiver(actor, found.pk, reason=request.POST.get("reason") or "none given")
        raise verdict.refusal()
    form = RevokeForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    posted = request.method == "POST" and form.is_valid()
    if posted and attempt(form, acts.revoke_waiver, actor, found.pk, **form.cleaned_data):
        messages.success(request, f"{found.ref} is revoked.")
        return redirect("web:waiver", found.pk)
    context = {"form": form, "waiver": found}
    return render(request, "access/waiver_revoke.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("waivers/", waivers, name="waivers"),
    path("waivers/<int:pk>/", waiver, name="waiver"),
    path("waivers/<int:pk>/revoke/", waiver_revoke, name="waiver_revoke"),
    path("models/<slug:slug>/people/waiver/", waiver_new, name="waiver_new"),
]
