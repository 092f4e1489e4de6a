"""Security of one's own account: second factors, recovery codes, single sign-on."""

from __future__ import annotations

import json
import uuid

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.access import acts, factors, oidc, passkeys, totp
from apps.access.gate import visible
from apps.accounts import sealing
from apps.accounts.factors import Factor, SignOnLink
from apps.packs.qr import drawn
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.views.account import _password_is_right
from apps.web.views.second import code_field

APP, KEY = "new-totp", "new-passkey"  # what the session keeps between showing and proof
ISSUER = "Countersign"


def password_field(why: str) -> forms.CharField:
    return forms.CharField(
        label="Your password",
        strip=False,
        help_text=why,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )


class NamedForm(Form):
    name = forms.CharField(max_length=80, help_text="So that you know it again, for example: phone.")


class AppForm(NamedForm):
    code = code_field(help_text="The six digits that the app shows now: they prove that it has the secret.")
    password = password_field("An open screen must not be enough to add a factor.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class KeyForm(NamedForm):
    password = password_field("An open screen must not be enough to add a factor.")
    passkey = forms.CharField(required=False, max_length=passkeys.LONGEST, widget=forms.HiddenInput)
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def clean(self):
        given = super().clean()
        if not given.get("passkey"):
            self.add_error(None, "The browser has not made a passkey. Passkeys need JavaScript.")
        return given


class PasswordOnly(Form):
    password = password_field("An open screen must not be enough.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


def _key() -> dict[str, str]:
    return {"idempotency_key": uuid.uuid4().hex}


def _own(request: HttpRequest, model):
    return visible(actor_of(request), model).filter(person=request.user)


@never_cache
@page
def security(request: HttpRequest) -> HttpResponse:
    """What one shows to sign in and to sign, beside the password."""
    held = list(_own(request, Factor).select_related("use"))
    context = {
        "factors": [f for f in held if f.ended_at is None],
        "ended": [f for f in held if f.ended_at is not None],
        "codes_left": factors.codes_left(request.user),
        "owes": factors.owes(request.user),
        "required": factors.required(),
        "links": [
            {"link": link, "provider": oidc.named(link.issuer)}
            for link in _own(request, SignOnLink).select_related("proposed_by")
        ],
        "providers": oidc.providers(),
    }
    return render(request, "security/security.html", context)


@never_cache
@sensitive_post_parameters("password", "code")
@require_http_methods(["GET", "POST"])
@page
def add_app(request: HttpRequest) -> HttpResponse:
    """Shows a new secret, keeps it sealed in the session, and adds the app once a code of it was shown."""
    person = factors.belongs_to(request.user.uuid)
    form = AppForm(request.POST if request.method == "POST" else None, initial=_key())
    sealed = request.session.get(APP, "")
    if request.method == "POST" and form.is_valid() and _password_is_right(request, form, "password"):
        given = form.cleaned_data
        done = attempt(
            form,
            acts.add_totp,
            actor_of(request),
            request.user.pk,
            name=given["name"],
            sealed=sealed,
            code=given["code"],
            idempotency_key=given["idempotency_key"],
        )
        if done:
            request.session.pop(APP, None)
            return _added(request, done)
    try:
        secret = sealing.unseal(sealed, person)
    except sealing.Unreadable:
        secret = totp.new_secret()
        request.session[APP] = sealing.seal(secret, person)
    address = totp.address(secret, account=request.user.username, issuer=ISSUER)
    text = totp.as_text(secret)
    context = {
        "form": _blank(form, "password", "code"),
        "drawing": drawn(address, "QR code for your authenticator app"),
        "secret": " ".join(text[i : i + 4] for i in range(0, len(text), 4)),
        "address": address,
    }
    return render(request, "security/app.html", context, status=422 if form.errors else 200)


def _blank(form: Form, *names: str) -> Form:
    if form.is_bound:
        form.data = form.data.copy()
        for name in names:
            form.data[name] = ""
    return form


def _added(request: HttpRequest, factor: Factor) -> HttpResponse:
    messages.success(
        request, f"“{factor.name}” is added. It is asked for at your next sign-in and signature."
    )
    if not factors.codes_left(request.user):
        messages.warning(request, "Make recovery codes now: they let you in when you have lost your factor.")
    return redirect("web:security")


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def add_key(request: HttpRequest) -> HttpResponse:
    """Add a passkey: the browser makes it, the portal checks that it asked for PIN, finger or face."""
    form = KeyForm(request.POST if request.method == "POST" else None, initial=_key())
    challenge = request.session.pop(KEY, "") if request.method == "POST" else ""
    if request.method == "POST" and form.is_valid() and _password_is_right(request, form, "password"):
        given = form.cleaned_data
        done = attempt(
            form,
            acts.add_passkey,
            actor_of(request),
            request.user.pk,
            name=given["name"],
            answer=given["passkey"],
            challenge=challenge,
            idempotency_key=given["idempotency_key"],
        )
        if done:
            return _added(request, done)
    held = [f for f in factors.live(request.user) if f.kind == Factor.Kind.PASSKEY]
    options, request.session[KEY] = passkeys.creation(request.user, held)
    context = {"form": _blank(form, "password", "passkey"), "options": json.dumps(options)}
    return render(request, "security/key.html", context, status=422 if form.errors else 200)


def _confirmed(request: HttpRequest, act, pk: int) -> tuple[Form, object]:
    """(the form, the act's result once the password was right)."""
    form = PasswordOnly(request.POST if request.method == "POST" else None, initial=_key())
    if request.method == "POST" and form.is_valid() and _password_is_right(request, form, "password"):
        return form, attempt(
            form, act, actor_of(request), pk, idempotency_key=form.cleaned_data["idempotency_key"]
        )
    return form, None


def _ask(request: HttpRequest, form: Form, **said: str) -> HttpResponse:
    context = {"form": _blank(form, "password"), **said}
    return render(request, "security/ask.html", context, status=422 if form.errors else 200)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def end_factor(request: HttpRequest, pk: int) -> HttpResponse:
    factor = seen_or_404(request, Factor, pk=pk, person=request.user)
    form, done = _confirmed(request, acts.end_factor, factor.pk)
    if done:
        messages.success(request, f"“{factor.name}” has ended.")
        return redirect("web:security")
    return _ask(
        request,
        form,
        heading=f"End “{factor.name}”",
        text="It is no longer accepted, here or in a signature. What you signed with it stays as it is.",
        button="End this factor",
        kind="danger",
    )


@require_http_methods(["GET", "POST"])
@page
def name_factor(request: HttpRequest, pk: int) -> HttpResponse:
    factor = seen_or_404(request, Factor, pk=pk, person=request.user)
    form = NamedForm(request.POST if request.method == "POST" else None, initial={"name": factor.name})
    if request.method == "POST" and form.is_valid():
        done = attempt(form, acts.name_factor, actor_of(request), factor.pk, name=form.cleaned_data["name"])
        if done:
            messages.success(request, f"The factor is called “{done.name}” now.")
            return redirect("web:security")
    said = {"heading": f"Rename “{factor.name}”", "text": "", "button": "Save name", "kind": "primary"}
    return render(request, "security/ask.html", {"form": form, **said}, status=422 if form.errors else 200)


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def recovery_codes(request: HttpRequest) -> HttpResponse:
    """New recovery codes. The answer carries them, once: they are kept nowhere, so there is no redirect."""
    form, done = _confirmed(request, acts.make_recovery_codes, request.user.pk)
    if done:
        codes = getattr(done, "codes", [])
        if not codes:
            messages.warning(request, "These codes were made already and were shown then.")
            return redirect("web:security")
        return render(request, "security/codes.html", {"codes": codes}, status=201)
    return _ask(
        request,
        form,
        heading="Make recovery codes",
        text="Ten codes, each of which lets you in once when you have lost your second factor. "
        "Earlier ones end. They are shown once: print them, or keep them in a password manager.",
        button="Make recovery codes",
        kind="primary",
    )


@never_cache
@sensitive_post_parameters("password")
@require_http_methods(["GET", "POST"])
@page
def confirm_link(request: HttpRequest, pk: int) -> HttpResponse:
    """The person says that an account of a provider is theirs."""
    link = seen_or_404(request, SignOnLink, pk=pk, person=request.user)
    form, done = _confirmed(request, acts.confirm_link, link.pk)
    if done:
        messages.success(request, f"You can sign in with {oidc.named(link.issuer)}.")
        return redirect("web:security")
    return _ask(
        request,
        form,
        heading="Confirm single sign-on",
        text=f"Whoever signs in at {oidc.named(link.issuer)} ({link.issuer}) as “{link.subject}” signs in here as you. "
        "Confirm it only if that account is yours alone.",
        button="Confirm: this account is mine",
        kind="primary",
    )


@require_POST
@page
def end_own_link(request: HttpRequest, pk: int) -> HttpResponse:
    link = seen_or_404(request, SignOnLink, pk=pk, person=request.user)
    acts.end_own_link(actor_of(request), link.pk, idempotency_key=request.POST.get("idempotency_key", ""))
    messages.success(request, "The single sign-on has ended.")
    return redirect("web:security")


urlpatterns = [
    path("account/security/", security, name="security"),
    path("account/security/app/", add_app, name="add_app"),
    path("account/security/passkey/", add_key, name="add_passkey"),
    path("account/security/recovery/", recovery_codes, name="recovery_codes"),
    path("account/security/factors/<int:pk>/name/", name_factor, name="name_factor"),
    path("account/security/factors/<int:pk>/end/", end_factor, name="end_factor"),
    path("account/security/sign-on/<int:pk>/confirm/", confirm_link, name="confirm_link"),
    path("account/security/sign-on/<int:pk>/end/", end_own_link, name="end_own_link"),
]
