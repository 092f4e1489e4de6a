"""One's own account: data, duties, password, access tokens, time zone."""

from __future__ import annotations

import uuid
from functools import cache
from zoneinfo import available_timezones

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.db.models import Exists, OuterRef
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from apps.access import acts, queries, service_queries, sessions
from apps.access.acts.accounts import TOKEN_DAYS
from apps.access.acts.tokens import by_token
from apps.access.gate import visible
from apps.access.models import Assignment
from apps.access.sign_in import authenticate
from apps.accounts.models import ApiToken, SignedIn
from apps.accounts.services import TokenScope
from apps.core.clock import now
from apps.core.errors import Refused, TooMany
from apps.trail.models import Entry
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.views.sessions import EnrolForm, address

SIGN_INS = 10


class PasswordForm(EnrolForm):
    current = forms.CharField(
        label="Current password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    field_order = ["current", "password", "again"]


class TokenForm(Form):
    name = forms.CharField(max_length=80, help_text="What uses it, for example: ci-lotx.")
    days = forms.IntegerField(
        label="Days until it expires",
        initial=90,
        help_text=f"1 to {TOKEN_DAYS}.",
        widget=forms.TextInput(attrs={"size": 5, "inputmode": "numeric"}),
    )
    password = forms.CharField(
        label="Your password",
        strip=False,
        help_text="A token acts for you: an open screen must not be enough to make one.",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    only_acts = forms.MultipleChoiceField(
        label="For these acts only",
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text="None ticked: all that you may do by token.",
    )
    objects = forms.CharField(
        label="On these objects only",
        required=False,
        max_length=5000,
        help_text="One a line, such as models/lotx or datasets/trial. Empty: all that you see.",
        widget=forms.Textarea(attrs={"rows": 2, "spellcheck": "false"}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["only_acts"].choices = service_queries.act_choices(by_token())


@cache
def _zones() -> list[tuple[str, str]]:
    """Asked of the machine once: each asking opens every file of the database of time zones."""
    return [(name, name) for name in sorted(available_timezones())]


class ZoneForm(Form):
    time_zone = forms.ChoiceField(
        label="Time zone", help_text="Times are shown in UTC first, then in this zone.", choices=()
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["time_zone"].choices = _zones()


def _key() -> dict[str, str]:
    return {"idempotency_key": uuid.uuid4().hex}


def _own_sessions(request: HttpRequest):
    """Those that can still be used, of the reader alone."""
    return sessions.live(request.user).filter(pk__in=visible(actor_of(request), SignedIn).values("pk"))


def _password_is_right(request: HttpRequest, form: Form, field: str) -> bool:
    """The password again, counted and locked like a sign-in; what is wrong with it goes beside the field."""
    try:
        authenticate(request.user.username, form.cleaned_data[field], address=address(request))
    except TooMany:
        raise
    except Refused as refused:
        form.add_error(field, refused.fact)
        return False
    return True


def _show(request: HttpRequest, *, status: int = 200, **given) -> HttpResponse:
    """The page with its three forms; `given` replaces the one that was sent."""
    actor, user = actor_of(request), request.user
    assignments = list(
        visible(actor, Assignment)
        .filter(person=user)
        .select_related("person", "requester", "approver")
        .order_by("scope_kind", "scope_id", "duty")
    )
    names = queries.place_names(actor, assignments)
    sign_ins = visible(actor, Entry).filter(
        actor_uuid=str(user.uuid), act__in=["access.sign_in", "access.sign_out"]
    )
    tokens = list(
        visible(actor, ApiToken)
        .filter(owner=user)
        .select_related("use", "narrowed__service", "narrowed__trust")
        .annotate(is_replaced=Exists(TokenScope.objects.filter(replaces=OuterRef("pk"))))
    )
    words = service_queries.tokens_told(tokens)
    context = {
        "duties": [{"a": a, "place": names[a.scope]} for a in assignments if not queries.is_past(a)],
        "tokens": [
            {"token": t, "live": t.ended_at is None and t.expires_at > now(), "told": words[t.pk]}
            for t in tokens
        ],
        "here": request.session.session_key,
        "sessions": list(_own_sessions(request)),
        "sign_ins": sign_ins.order_by("-id")[:SIGN_INS],
        "idle_minutes": settings.SESSION_IDLE_SECONDS // 60,
        "absolute_hours": settings.SESSION_ABSOLUTE_SECONDS // 3600,
        "password_form": PasswordForm(auto_id="password-%s"),
        "token_form": TokenForm(initial=_key() | {"days": 90}, auto_id="token-%s"),
        "zone_form": ZoneForm(initial=_key() | {"time_zone": user.time_zone}, auto_id="zone-%s"),
        **given,
    }
    context["bad_form"] = next((f for f in given.values() if isinstance(f, Form)), None)
    return render(request, "account/account.html", context, status=status)


@never_cache
@page
def account(request: HttpRequest) -> HttpResponse:
    return _show(request)


@never_cache
@sensitive_post_parameters("current", "password", "again")
@require_POST
@page
def set_password(request: HttpRequest) -> HttpResponse:
    """The current password first: an open screen must not be enough to take an account over."""
    form = PasswordForm(request.POST, auto_id="password-%s")
    if form.is_valid() and _password_is_right(request, form, "current"):
        here = request.session.session_key or ""
        done = attempt(
            form,
            acts.set_password,
            actor_of(request),
            request.user.pk,
            password=form.cleaned_data["password"],
            keep=here,
        )
        if done:
            update_session_auth_hash(request, done)
            sessions.renamed(here, request.session.session_key or "")
            messages.success(
                request, "Your password is changed. Your other sessions and your access tokens have ended."
            )
            return redirect("web:account")
    return _show(request, password_form=form, status=422)


@never_cache
@sensitive_post_parameters("password")
@require_POST
@page
def create_token(request: HttpRequest) -> HttpResponse:
    """The password first. The answer carries the secret, once: it is kept nowhere, so there is no redirect."""
    form = TokenForm(request.POST, auto_id="token-%s")
    if form.is_valid():
        places, unknown = service_queries.places_named(actor_of(request), form.cleaned_data["objects"])
        if unknown:
            said = ", ".join(unknown)[:300]
            form.add_error("objects", f"There is no such object, or you may not see it: {said}.")
    if form.is_valid() and _password_is_right(request, form, "password"):
        given = {name: value for name, value in form.cleaned_data.items() if name != "password"}
        given["objects"] = places
        made = attempt(form, acts.create_token, actor_of(request), **given)
        if made:
            secret = getattr(made, "secret", "")
            if not secret:
                messages.warning(request, "This token was created already and its secret was shown then.")
                return redirect("web:account")
            return render(request, "account/token.html", {"token": made, "secret": secret}, status=201)
    return _show(request, token_form=form, status=422)


@require_http_methods(["GET", "POST"])
@page
def end_token(request: HttpRequest, pk: int) -> HttpResponse:
    token = seen_or_404(request, ApiToken, "owner", pk=pk, owner=request.user)
    if request.method == "POST":
        acts.end_token(actor_of(request), token.pk, idempotency_key=request.POST.get("idempotency_key", ""))
        messages.success(request, f"The token “{token.name}” has ended.")
        return redirect("web:account")
    return render(request, "account/end_token.html", {"token": token})


@require_POST
@page
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own sessions; the one that is used now ends by signing out."""
    session = seen_or_404(request, SignedIn, "user", pk=pk, user=request.user)
    acts.end_session(actor_of(request), session.pk, idempotency_key=request.POST.get("idempotency_key", ""))
    messages.success(request, "The session has ended.")
    return redirect(reverse("web:account") + "#sessions")


@require_POST
@page
def end_other_sessions(request: HttpRequest) -> HttpResponse:
    acts.end_other_sessions(
        actor_of(request),
        request.user.pk,
        keep=request.session.session_key or "",
        idempotency_key=request.POST.get("idempotency_key", ""),
    )
    messages.success(request, "Your other sessions have ended.")
    return redirect(reverse("web:account") + "#sessions")


@require_POST
@page
def set_zone(request: HttpRequest) -> HttpResponse:
    form = ZoneForm(request.POST, auto_id="zone-%s")
    if form.is_valid():
        done = attempt(form, acts.set_preferences, actor_of(request), request.user.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"Times are shown in UTC and in {done.time_zone}.")
            return redirect("web:account")
    return _show(request, zone_form=form, status=422)


urlpatterns = [
    path("account/", account, name="account"),
    path("account/password/", set_password, name="change_password"),
    path("account/tokens/", create_token, name="create_token"),
    path("account/tokens/<int:pk>/end/", end_token, name="end_token"),
    path("account/sessions/<int:pk>/end/", end_session, name="end_session"),
    path("account/sessions/end-others/", end_other_sessions, name="end_other_sessions"),
    path("account/time-zone/", set_zone, name="set_zone"),
]
