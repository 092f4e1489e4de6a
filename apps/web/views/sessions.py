"""Sign-in, sign-out, enrolment, and the demo's person switcher."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth import login, logout
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme, urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.access import acts, enrolment, factors, oidc, sessions
from apps.access.actors import Actor
from apps.access.fresh import BEGAN, PROVED
from apps.access.second import Proof
from apps.access.sign_in import authenticate
from apps.accounts.models import User
from apps.core.clock import now
from apps.core.errors import Refused, TooMany
from apps.web.door import attempt, page
from apps.web.forms import Form
from apps.web.resume import PREFIX, kept_from
from apps.web.second import PENDING, SHOWN, begin


class SignInForm(Form):
    username = forms.CharField(
        max_length=80, widget=forms.TextInput(attrs={"autocomplete": "username", "autocapitalize": "none"})
    )
    password = forms.CharField(
        strip=False, widget=forms.PasswordInput(attrs={"autocomplete": "current-password"})
    )


class EnrolForm(Form):
    password = forms.CharField(
        label="New password",
        strip=False,
        help_text="At least 12 characters; a long phrase is best. Only you may know it: it is part of your signature.",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )
    again = forms.CharField(
        label="The same password again",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def clean(self):
        given = super().clean()
        if given.get("password") and given.get("again") and given["password"] != given["again"]:
            self.add_error("again", "The two passwords differ. Enter the same one twice.")
        return given


def address(request: HttpRequest) -> str:
    return request.META.get("REMOTE_ADDR", "")


def next_url(request: HttpRequest) -> str:
    wanted = request.POST.get("next") or request.GET.get("next") or ""
    safe = url_has_allowed_host_and_scheme(
        wanted, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    return wanted if safe else reverse("web:work")


def enter(
    request: HttpRequest, user: User, proof: Proof | None = None, first: dict[str, Any] | None = None
) -> None:
    """Begin a session: the trail first, then the cookie. `first`: what a provider said of the first part."""
    proof = proof or Proof(("password",))
    if request.user.is_authenticated:
        leave(request, "signed in again")
    acts.sign_in(
        Actor.of(user, "web", address=address(request)),
        user.pk,
        factors=list(proof.factors),
        proof={**(first or {}), **proof.facts},
        recovery=proof.recovery,
    )
    request.session.pop(PENDING, None)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session[SHOWN] = list(proof.factors)
    request.session[BEGAN] = int(now().timestamp())
    if "single_sign_on" in (first or {}):
        request.session[PROVED] = first["single_sign_on"]["auth_time"] or 0
    sessions.begin(
        user,
        request.session.session_key,
        address=address(request),
        browser=request.headers.get("User-Agent", ""),
    )


def leave(request: HttpRequest, cause: str) -> None:
    """End the session: the trail first, then the row it is noted in, then the cookie."""
    acts.sign_out(Actor.of(request.user, "web", address=address(request)), request.user.pk, cause=cause)
    sessions.end(sessions.SignedIn.objects.filter(key=request.session.session_key), cause)
    logout(request)


@never_cache
@require_http_methods(["GET", "POST"])
def sign_in(request: HttpRequest) -> HttpResponse:
    form = SignInForm(request.POST if request.method == "POST" else None)
    status = 422 if form.errors else 200
    target, kept = kept_from(request)
    if request.method == "POST" and form.is_valid():
        try:
            user = authenticate(
                form.cleaned_data["username"], form.cleaned_data["password"], address=address(request)
            )
        except Refused as refused:
            if isinstance(refused, TooMany):
                raise
            form.add_refusal(refused)
            status = refused.status
        else:
            if factors.asked_of(user):
                return ask_second(request, user, first="password", facts={}, keep=bool(target))
            enter(request, user)
            if target:
                return render(request, "web/resume.html", {"target": target, "kept": kept})
            return redirect(next_url(request))
    context = {
        "form": form,
        "next": next_url(request),
        "ended": "ended" in request.GET or bool(target),
        "resume": target,
        "kept": [(f"{PREFIX}{name}", value) for name, value in kept],
        "providers": oidc.providers(),
        "next_query": urlencode({"next": next_url(request)}),
    }
    return render(request, "web/sign_in.html", context, status=status)


def ask_second(
    request: HttpRequest, user: User, *, first: str, facts: dict[str, Any], keep: bool = False
) -> HttpResponse:
    """The first part was right: go on with the second. `keep`: an unsent form travels along in the page."""
    from apps.web.views.second import show  # which imports this module

    begin(request, user, first=first, facts=facts)
    if keep:
        return show(request, user)
    return redirect(f"{reverse('web:second_factor')}?{urlencode({'next': next_url(request)})}")


@require_POST
@page
def sign_out(request: HttpRequest) -> HttpResponse:
    leave(request, "signed out")
    return redirect("web:sign_in")


@never_cache
@require_http_methods(["GET", "POST"])
def enrol(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    """The person behind a new account chooses the password. The link works once and for a limited time."""
    response = _enrol(request, uid, token)
    # Django would log the address of an answer above 399, and with it the secret of a link that still works.
    response._has_been_logged = True
    return response


def _enrol(request: HttpRequest, uid: str, token: str) -> HttpResponse:
    link = enrolment.found(uid, token)
    if link is None:
        return render(request, "web/enrol_ended.html", status=404)
    user = link.person
    form = EnrolForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        actor = Actor.of(user, "web", address=address(request))
        chosen = form.cleaned_data["password"]
        if attempt(form, acts.enrol, actor, user.pk, secret=token, password=chosen):
            user.refresh_from_db()
            if factors.asked_of(user):  # the password was reset: the link alone opens nothing
                return ask_second(request, user, first="password", facts={})
            enter(request, user)
            return redirect("web:work")
    return render(
        request, "web/enrol.html", {"form": form, "person": user}, status=422 if form.errors else 200
    )


@require_POST
def switch_person(request: HttpRequest) -> HttpResponse:
    """Demo only: be another demo person without a password. Outside demo settings there is no such page."""
    if not settings.DEMO:
        raise Http404
    user = User.objects.filter(
        username=request.POST.get("username", ""), is_demo=True, is_active=True
    ).first()
    if user is None:
        raise Http404
    if request.user.is_authenticated:
        leave(request, "switched person")
    enter(request, user)
    return redirect("web:work")
