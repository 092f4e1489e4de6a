"""The second page of sign-in: one-time code, passkey or recovery code."""

from __future__ import annotations

import json

from django import forms
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods

from apps.access import factors, passkeys
from apps.access.second import judge
from apps.accounts.factors import Factor
from apps.accounts.models import User
from apps.core.errors import Refused, TooMany
from apps.web.forms import Form
from apps.web.resume import PREFIX, kept_from
from apps.web.second import PENDING, pending
from apps.web.views.sessions import address, enter, next_url

WAYS = {"code", "passkey", "recovery"}


def code_field(**given) -> forms.CharField:
    """A one-time code; browsers and phones offer it by its autocomplete."""
    return forms.CharField(
        label="One-time code",
        max_length=20,
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "inputmode": "numeric", "size": 10}),
        **given,
    )


class SecondForm(Form):
    code = code_field(required=False, help_text="Six digits from your authenticator app.")
    passkey = forms.CharField(required=False, max_length=passkeys.LONGEST, widget=forms.HiddenInput)
    recovery = forms.CharField(
        label="Recovery code",
        required=False,
        max_length=40,
        help_text="One of the codes you kept. Each works once.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none", "size": 24}),
    )

    def clean(self):
        given = super().clean()
        way = self.data.get("way", "code")
        if way == "recovery" and not given.get("recovery"):
            self.add_error("recovery", "Fill in “Recovery code”.")
        elif way == "passkey" and not given.get("passkey"):
            self.add_error(None, "The browser has not asked your passkey. Passkeys need JavaScript.")
        elif way == "code" and not given.get("code"):
            self.add_error("code", "Fill in “One-time code”.")
        return given


def kinds(user: User) -> set[str]:
    return {factor.kind for factor in factors.live(user)}


def ask_passkey(held: list[Factor]) -> tuple[str, str]:
    """(options for the browser as JSON, their challenge); empty without a passkey."""
    keys = [factor for factor in held if factor.kind == Factor.Kind.PASSKEY]
    if not keys:
        return "", ""
    options, challenge = passkeys.request(keys)
    return json.dumps(options), challenge


@never_cache
@sensitive_post_parameters("code", "recovery")
@require_http_methods(["GET", "POST"])
def second(request: HttpRequest) -> HttpResponse:
    found = pending(request)
    if found is None:
        if request.user.is_authenticated:
            return redirect(next_url(request))
        return redirect(f"{reverse('web:sign_in')}?{urlencode({'ended': '1', 'next': next_url(request)})}")
    user, noted = found
    form = SecondForm(request.POST if request.method == "POST" else None)
    status = 422 if form.errors else 200
    if request.method == "POST" and form.is_valid():
        way = request.POST.get("way", "code")
        shown = {way: form.cleaned_data[way]} if way in WAYS else {"code": ""}
        challenge = noted.pop("challenge", "")  # each is answered once
        request.session[PENDING] = noted
        try:
            proof = judge(user, challenge=challenge, address=address(request), first=noted["first"], **shown)
        except TooMany:
            request.session.pop(PENDING, None)
            raise
        except Refused as refused:
            form.add_error(way if way in ("code", "recovery") else None, refused.fact)
            status = refused.status
        else:
            target, kept = kept_from(request)
            enter(request, user, proof, noted["facts"])
            if target:
                return render(request, "web/resume.html", {"target": target, "kept": kept})
            return redirect(next_url(request))
    return show(request, user, form, status=status)


def show(
    request: HttpRequest, user: User, form: SecondForm | None = None, *, status: int = 200
) -> HttpResponse:
    """The page, with a fresh challenge for the passkey noted in the session."""
    form = form or SecondForm()
    options, challenge = ask_passkey(factors.live(user))
    noted = request.session[PENDING]
    noted["challenge"] = challenge
    request.session[PENDING] = noted
    target, kept = kept_from(request)
    if form.is_bound:
        form.data = form.data.copy()
        for name in WAYS:
            form.data[name] = ""
    context = {
        "form": form,
        "person": user,
        "kinds": kinds(user),
        "options": options,
        "codes_left": factors.codes_left(user),
        "way": request.POST.get("way", "") if form.is_bound else "",
        "next": next_url(request),
        "resume": target,
        "kept": [(f"{PREFIX}{name}", value) for name, value in kept],
    }
    return render(request, "web/second.html", context, status=status)


urlpatterns = [
    path("sign-in/second/", second, name="second_factor"),
]
