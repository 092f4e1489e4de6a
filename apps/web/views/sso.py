"""Single sign-on: leave for the identity provider, come back, and the links that an administrator proposes."""

from __future__ import annotations

import secrets
import uuid

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_http_methods

from apps.access import acts, factors, oidc
from apps.access.acting import refuse_first
from apps.access.gate import Judge
from apps.access.policy import policy
from apps.access.second import Proof
from apps.access.sign_in import enter_failure
from apps.access.throttle import hit, key_of, network
from apps.accounts.factors import SignOnLink
from apps.accounts.models import User
from apps.core.errors import NotVisible, Refused, TooMany
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.views.sessions import address, ask_second, enter, next_url

KEPT = "single-sign-on"


def _known(key: str) -> oidc.Provider:
    found = oidc.provider(key)
    if found is None:
        raise NotVisible("There is no such identity provider here.")
    return found


def _back(one: oidc.Provider) -> str:
    return settings.PORTAL_URL.rstrip("/") + reverse("web:sso_return", args=[one.key])


@never_cache
@require_GET
def leave(request: HttpRequest, key: str) -> HttpResponse:
    """Off to the provider; state, nonce and verifier stay in the session of this browser.

    Who is signed in already comes because an act asked for a recent sign-in: the provider is to ask them anew.
    """
    one = _known(key)
    limited(request)
    try:
        afresh = secrets.token_urlsafe(32) if request.user.is_authenticated else ""
        target, kept = oidc.leave(one, _back(one), afresh=afresh)
    except Refused as refused:
        return _refused(request, None, refused)
    request.session[KEPT] = kept | {"next": next_url(request)}
    return HttpResponseRedirect(target)


@never_cache
@require_GET
def come_back(request: HttpRequest, key: str) -> HttpResponse:
    """Back from the provider: whoever its token names, and a confirmed link ties to an account, is let in."""
    one = _known(key)
    limited(request)
    kept = request.session.pop(KEPT, None)  # each answer counts once
    user = None
    try:
        said = oidc.returned(one, kept, {name: str(value) for name, value in request.GET.items()})
        link = (
            SignOnLink.objects.select_related("person")
            .filter(issuer=said.issuer, subject=said.subject, state=SignOnLink.State.CONFIRMED)
            .first()
        )
        if link is None or not link.person.usable:
            user = link.person if link else None
            raise oidc.refused(
                "This account of the identity provider opens no account here. An administrator can propose a link, "
                "which you then confirm.",
                cause=f"{said.issuer} {said.subject}: "
                + ("account not in use" if link else "no confirmed link"),
            )
        user = link.person
    except Refused as refused:
        return _refused(request, user, refused)
    facts = {"single_sign_on": said.facts() | {"provider": one.key, "link": link.ref}}
    request.GET = request.GET.copy()
    request.GET["next"] = kept["next"] if kept else ""
    if said.strong:
        enter(request, user, Proof(("sso", "provider-second-factor")), facts)
    elif factors.asked_of(user):
        return ask_second(request, user, first="sso", facts=facts)
    else:
        enter(request, user, Proof(("sso",)), facts)
    return redirect(next_url(request))


def limited(request: HttpRequest) -> None:
    """Each of these asks a provider: not more often than an address may fail to sign in."""
    asked = hit(key_of("sso", network(address(request))), settings.LOCKOUT_SECONDS)
    if asked.count > settings.ADDRESS_FAILURES:
        raise TooMany(
            "You are not signed in.",
            fact=f"There were too many attempts from this network address. Try again in {asked.left} seconds.",
            who=[f"you, in {asked.left} seconds"],
            retry_after=asked.left,
        )


def _refused(request: HttpRequest, user: User | None, refused: Refused) -> HttpResponse:
    enter_failure(user, "", address(request), f"single sign-on: {refused.cause or refused.fact}")
    return render(request, "web/sso_refused.html", {"refusal": refused}, status=refused.status)


class LinkForm(Form):
    provider = forms.ChoiceField(label="Identity provider", choices=(), widget=forms.RadioSelect)
    subject = forms.CharField(
        label="Account there (subject)",
        max_length=255,
        help_text="What the provider calls the person in its tokens (claim sub). Not their e-mail address.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autocapitalize": "none"}),
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.fields["provider"].choices = [
            (one.key, f"{one.name} ({one.issuer})") for one in oidc.providers()
        ]


@require_http_methods(["GET", "POST"])
@page
def propose(request: HttpRequest, username: str) -> HttpResponse:
    """An administrator says which account of a provider is this person's; they confirm it themselves."""
    actor = actor_of(request)
    person = seen_or_404(request, User, username=username, is_service=False)
    form = LinkForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    sent = request.method == "POST" and form.is_valid()
    if sent and attempt(form, acts.propose_link, actor, person.pk, **form.cleaned_data):
        messages.success(request, f"Proposed. {person.printed_name} confirms it under Security.")
        return redirect("web:person", person.username)
    if request.method == "POST":
        refuse_first(actor, "access.propose_link", person)
    verdict = Judge(person).verdict(actor, policy("access.propose_link"))
    context = {"form": form, "person": person, "verdict": verdict, "providers": oidc.providers()}
    return render(request, "security/propose_link.html", context, status=422 if form.errors else 200)


class EndForm(Form):
    reason = ReasonField(label="Why it ends")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def end_link(request: HttpRequest, pk: int) -> HttpResponse:
    """An administrator ends the single sign-on of a person."""
    actor = actor_of(request)
    link = seen_or_404(request, SignOnLink, "person", pk=pk)
    form = EndForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    if (
        request.method == "POST"
        and form.is_valid()
        and attempt(form, acts.end_link, actor, link.pk, **form.cleaned_data)
    ):
        messages.success(request, f"The single sign-on of {link.person.printed_name} has ended.")
        return redirect("web:person", link.person.username)
    if request.method == "POST":
        refuse_first(actor, "access.end_link", link)
    verdict = Judge(link).verdict(actor, policy("access.end_link"))
    context = {"form": form, "link": link, "provider": oidc.named(link.issuer), "verdict": verdict}
    return render(request, "security/end_link.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("sign-in/with/<slug:key>/", leave, name="sso_leave"),
    path("sign-in/with/<slug:key>/back/", come_back, name="sso_return"),
    path("people/<str:username>/sign-on/", propose, name="propose_link"),
    path("sign-on/<int:pk>/end/", end_link, name="end_link"),
]
