"""Tokens of services, and new secrets for tokens: behind the owner's password, the secret shown once."""

from __future__ import annotations

import uuid

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.access import acts, reach
from apps.access import service_queries as queries
from apps.access.acting import refuse_first
from apps.access.gate import may
from apps.accounts.models import ApiToken
from apps.accounts.services import ServiceAccount
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.views.account import _password_is_right as password_is_right
from apps.web.views.services import _places


class Password(forms.CharField):
    def __init__(self) -> None:
        super().__init__(
            label="Your password",
            strip=False,
            help_text="An open screen must not be enough to make a secret.",
            widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
        )


class ServiceTokenForm(Form):
    name = forms.CharField(max_length=80, help_text="What uses it, for example: training cluster.")
    days = forms.IntegerField(
        label="Days until it expires",
        initial=30,
        widget=forms.TextInput(attrs={"size": 5, "inputmode": "numeric"}),
    )
    acts = forms.MultipleChoiceField(
        label="For these acts only",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all that the service may do.",
    )
    objects = forms.CharField(
        label="On these objects only",
        required=False,
        max_length=5000,
        help_text="One a line, such as models/lotx. Empty: all that the service reaches.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    password = Password()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, service: ServiceAccount, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["days"].help_text = f"1 to {settings.SERVICE_TOKEN_DAYS}."
        self.fields["acts"].choices = queries.act_choices(reach.reach_of_service(service).acts or ())


def _shown(request: HttpRequest, token: ApiToken, back: str) -> HttpResponse:
    """The secret, once: it is kept nowhere, so there is no redirect."""
    secret = getattr(token, "secret", "")
    if not secret:
        messages.warning(request, "This secret was made already and was shown then.")
        return redirect(back)
    return render(
        request, "services/secret.html", {"token": token, "secret": secret, "back": back}, status=201
    )


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def service_token(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a token of a service one answers for."""
    actor, found = actor_of(request), seen_or_404(request, ServiceAccount, "owner", pk=pk)
    initial = {"idempotency_key": uuid.uuid4().hex, "days": 30}
    form = ServiceTokenForm(
        request.POST if request.method == "POST" else None, initial=initial, service=found
    )
    if request.method == "POST" and form.is_valid():
        places = _places(form, request, "objects")
        if form.is_valid() and password_is_right(request, form, "password"):
            given = form.cleaned_data
            made = attempt(
                form,
                acts.create_service_token,
                actor,
                found.pk,
                name=given["name"],
                days=given["days"],
                only_acts=given["acts"],
                objects=places,
                idempotency_key=given["idempotency_key"],
            )
            if made:
                return _shown(request, made, reverse("web:service", args=[found.pk]) + "#tokens")
    if request.method == "POST":
        refuse_first(actor, "access.create_service_token", found)
    if not (verdict := may(actor, "access.create_service_token", found)).allowed:
        raise verdict.refusal()
    context = {"form": form, "service": found}
    return render(request, "services/token_form.html", context, status=422 if form.errors else 200)


class RotateForm(Form):
    overlap_hours = forms.IntegerField(
        label="Hours that the old secret works on",
        initial=24,
        widget=forms.TextInput(attrs={"size": 5, "inputmode": "numeric"}),
    )
    password = Password()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["overlap_hours"].help_text = f"0 ends it at once; at most {settings.TOKEN_OVERLAP_HOURS}."


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def rotate_token(request: HttpRequest, pk: int) -> HttpResponse:
    """A new secret for one's own token or that of a service one answers for."""
    actor = actor_of(request)
    found = seen_or_404(request, ApiToken, "owner", "narrowed__service__owner", pk=pk, owner=request.user)
    narrowed = reach.narrowed_by(found)
    service = narrowed.service if narrowed else None
    back = (
        reverse("web:service", args=[service.pk]) + "#tokens"
        if service
        else reverse("web:account") + "#tokens"
    )
    initial = {"idempotency_key": uuid.uuid4().hex, "overlap_hours": 24}
    form = RotateForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST" and form.is_valid() and password_is_right(request, form, "password"):
        given = form.cleaned_data
        made = attempt(
            form,
            acts.rotate_token,
            actor,
            found.pk,
            overlap_hours=given["overlap_hours"],
            idempotency_key=given["idempotency_key"],
        )
        if made:
            return _shown(request, made, back)
    if request.method == "POST":
        refuse_first(actor, "access.rotate_token", found)
    if not (verdict := may(actor, "access.rotate_token", found)).allowed:
        raise verdict.refusal()
    context = {"form": form, "token": found, "back": back}
    return render(request, "services/rotate.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("services/<int:pk>/tokens/new/", service_token, name="service_token"),
    path("account/tokens/<int:pk>/new-secret/", rotate_token, name="rotate_token"),
]
