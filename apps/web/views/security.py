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
from apps.access.showing import RECOVERED, NotShown, Shown
from apps.accounts import sealing
from apps.accounts.factors import Factor, SignOnLink
from apps.accounts.models import User
from apps.packs.qr import drawn
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.second import SHOWN
from apps.web.views.account import _password_is_right
from apps.web.views.second import ask_passkey, code_field

APP, KEY = "new-totp", "new-passkey"  # what the session keeps between showing and proof
HELD = "held-passkey"  # the challenge for a passkey that the person holds
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


class Showing(Form):
    """What is shown of a factor that the person holds already; the act asks for it and judges it."""

    held_code = code_field(required=False)
    held_passkey = forms.CharField(required=False, max_length=passkeys.LONGEST, widget=forms.HiddenInput)
    status = 422  # of the answer when there are errors

    def __init__(self, *args, kinds: set[str], **kwargs):
        super().__init__(*args, **kwargs)
        code = self.fields["held_code"]
        code.label = "One-time code of a factor you have"
        code.help_text = "From an authenticator app you added before. Each code works once."
        if Factor.Kind.PASSKEY in kinds:
            code.help_text += " Or show your passkey."
        else:
            del self.fields["held_passkey"]
        if Factor.Kind.TOTP not in kinds:
            del self.fields["held_code"]


class AppForm(Showing, NamedForm):
    code = code_field(help_text="The six digits that the app shows now: they prove that it has the secret.")
    password = password_field("An open screen must not be enough to add a factor.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class KeyForm(Showing, NamedForm):
    password = password_field("An open screen must not be enough to add a factor.")
    passkey = forms.CharField(required=False, max_length=passkeys.LONGEST, widget=forms.HiddenInput)
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def clean(self):
        given = super().clean()
        if not given.get("passkey"):
            self.add_error(None, "The browser has not made a passkey. Passkeys need JavaScript.")
        return given


class PasswordOnly(Showing):
    password = password_field("An open screen must not be enough.")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


def _key() -> dict[str, str]:
    return {"idempotency_key": uuid.uuid4().hex}


def _recovered(request: HttpRequest) -> bool:
    return RECOVERED in request.session.get(SHOWN, [])


def _form(request: HttpRequest, kind: type[Showing]) -> Showing:
    kinds = {factor.kind for factor in factors.live(request.user)}
    return kind(request.POST if request.method == "POST" else None, initial=_key(), kinds=kinds)


def _attempt(request: HttpRequest, form: Showing, act, *args, **given):
    """The act with what was shown of a factor; a wrong one is said beside its field."""
    shown = Shown(
        code=form.cleaned_data.get("held_code", ""),
        passkey=form.cleaned_data.get("held_passkey", ""),
        challenge=request.session.pop(HELD, ""),  # each is answered once
        recovered=_recovered(request),
    )
    try:
        return attempt(form, act, actor_of(request), *args, second=shown, **given)
    except NotShown as refused:
        form.add_error("held_code" if shown.code and not shown.passkey else None, refused.fact)
        form.status = refused.status
        return None


def _answer(request: HttpRequest, template: str, form: Showing, **context) -> HttpResponse:
    """The page, with a fresh challenge for a passkey that the person holds."""
    options, request.session[HELD] = ask_passkey(factors.live(request.user))
    context = {
        "form": _blank(form, "password", "held_code", "held_passkey"),
        "held_options": options,
        **context,
    }
    return render(request, template, context, status=form.status if form.errors else 200)


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
@sensitive_post_parameters("password", "code", "held_code")
@require_http_methods(["GET", "POST"])
@page
def add_app(request: HttpRequest) -> HttpResponse:
    """Shows a new secret, keeps it sealed in the session, and adds the app once a code of it was shown."""
    person = factors.belongs_to(request.user.uuid)
    form = _form(request, AppForm)
    sealed = request.session.get(APP, "")
    if request.method == "POST" and form.is_valid() and _password_is_right(request, form, "password"):
        given = form.cleaned_data
        done = _attempt(
            request,
            form,
            acts.add_totp,
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
    return _answer(
        request,
        "security/app.html",
        _blank(form, "code"),
        drawing=drawn(address, "QR code for your authenticator app"),
        secret=" ".join(text[i : i + 4] for i in range(0, len(text), 4)),
        address=address,
        recovered=_recovered(request),
    )


def _blank(form: Showing, *names: str) -> Showing:
    if form.is_bound:
        form.data = form.data.copy()
        for name in names:
            form.data[name] = ""
    return form


def _added(request: HttpRequest, factor: Factor) -> HttpResponse:
    messages.success(
        request, f"“{factor.name}” is added. It is asked for at your next sign-in and signature."
    )
    if _recovered(request) and User.objects.get(pk=request.user.pk).identity_confirmed_at is None:
        messages.warning(request, "You can sign again once another person has confirmed who you are.")
    if not factors.codes_left(request.user):
        messages.warning(request, "Make recovery codes now: they let you in when you have lost your factor.")
    return redirect("web:security")


@never_cache
@sensitive_post_parameters("password", "held_code")
@require_http_methods(["GET", "POST"])
@page
def add_key(request: HttpRequest) -> HttpResponse:
    """Add a passkey: the browser makes it, the portal checks that it asked for PIN, finger or face."""
    form = _form(request, KeyForm)
    challenge = request.session.pop(KEY, "") if request.method == "POST" else ""
    if request.method == "POST" and form.is_valid() and _password_is_right(request, form, "password"):
        given = form.cleaned_data
        done = _attempt(
            request,
            form,
            acts.add_passkey,
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
    form = _blank(form, "passkey")
    told = {"options": json.dumps(options), "recovered": _recovered(request)}
    return _answer(request, "security/key.html", form, **told)


def _confirmed(request: HttpRequest, act, pk: int) -> tuple[Showing, object]:
    """(the form, the act's result once the password and a factor that the person holds were right)."""
    form = _form(request, PasswordOnly)
    if request.method == "POST" and form.is_valid() and _password_is_right(request, form, "password"):
        key = form.cleaned_data["idempotency_key"]
        return form, _attempt(request, form, act, pk, idempotency_key=key)
    return form, None


def _ask(request: HttpRequest, form: Showing, **said: str) -> HttpResponse:
    return _answer(request, "security/ask.html", form, **said)


@never_cache
@sensitive_post_parameters("password", "held_code")
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
@sensitive_post_parameters("password", "held_code")
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
@sensitive_post_parameters("password", "held_code")
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
