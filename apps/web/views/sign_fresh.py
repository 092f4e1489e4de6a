"""Signing by who comes by single sign-on: they authenticate at the provider again, for this one statement.

The token's nonce is the challenge of the statement, so that an authentication made for one record signs no other. What
was chosen stays in the session meanwhile; whoever comes back finds the page of the record with it, and signs there.
"""

from __future__ import annotations

import time
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET, require_POST

from apps.access import factors, oidc
from apps.access.acting import ACTS
from apps.access.ceremony import FRESH_FOR, Fresh, Listed, as_text, challenge_of, fresh_from
from apps.access.entering import enter_refusal
from apps.access.gate import may
from apps.access.policy import policy
from apps.access.signing import FRESH_RULE, SignatureInput
from apps.accounts.factors import SignOnLink
from apps.accounts.models import User
from apps.core.errors import NotAllowed, NotVisible, Refused
from apps.web.door import actor_of, page
from apps.web.views.sso import limited

LEFT, KEPT = "signing-left", "signing-fresh"


def providers_of(user: User) -> list[oidc.Provider]:
    """The identity providers at which this person can authenticate again."""
    links = SignOnLink.objects.filter(person=user, state=SignOnLink.State.CONFIRMED)
    issuers = set(links.values_list("issuer", flat=True)) if settings.OIDC_PROVIDERS else set()
    return [one for one in oidc.providers() if one.issuer in issuers]


def kept_for(request: HttpRequest, act: str, pk: int) -> dict[str, Any] | None:
    """What the person chose before they authenticated for this record, while that authentication counts."""
    kept = request.session.get(KEPT)
    if not kept or (kept["act"], kept["pk"]) != (act, pk) or time.time() - kept["at"] > FRESH_FOR:
        return None
    return dict(kept)


def fresh_of(kept: dict[str, Any]) -> Fresh:
    return Fresh(kept["challenge"], kept["at"], kept["facts"])


def used(request: HttpRequest) -> None:
    """The authentication counts no more. After a signature it stays: the same form again is answered the same."""
    request.session.pop(KEPT, None)


def statement(user: User, kept: dict[str, Any]) -> bytes:
    one = Listed(kept["act"], kept["pk"], kept["digest"], kept["decision"])
    return challenge_of(user, [one], kept["nonce"])


def prepare(request: HttpRequest, act: str, subject: Any, given: dict[str, Any], key: str) -> HttpResponse:
    """Keep what was chosen and show the way to the provider `key`. (A form may not lead to another site: CSP.)"""
    one = next((each for each in providers_of(request.user) if each.key == key), None)
    if one is None:
        raise NotVisible("There is no such identity provider here.")
    verdict = may(actor_of(request), act, subject)
    if not verdict.allowed:
        raise verdict.refusal()
    request.session[LEFT] = {
        "act": act,
        "pk": subject.pk,
        "nonce": factors.new_nonce(request.user),
        "key": one.key,
        **{name: given.get(name) or "" for name in ("digest", "decision", "reason", "idempotency_key")},
        "expires_at": given["expires_at"].isoformat() if given.get("expires_at") else "",
    }
    context = {"subject": subject, "row": policy(act), "provider": one, "decision": given["decision"]}
    return render(request, "web/sign_leave.html", context)


@never_cache
@require_GET
@page
def leave(request: HttpRequest) -> HttpResponse:
    """Off to the provider, which is told to ask the person again."""
    left = request.session.get(LEFT)
    one = oidc.provider(left["key"]) if left else None
    if not left or one is None:
        raise NotVisible()
    limited(request)
    back = settings.PORTAL_URL.rstrip("/") + reverse("web:sign_return")
    target, kept = oidc.leave(one, back, afresh=as_text(statement(request.user, left)))
    request.session[LEFT] = left | {"oidc": kept, "left_at": time.time()}
    return HttpResponse(status=302, headers={"Location": target})


@never_cache
@require_GET
@page
def come_back(request: HttpRequest) -> HttpResponse:
    """Back from the provider: what it says is judged, and the page of the record takes it from there."""
    limited(request)
    left = request.session.pop(LEFT, None)  # each answer counts once
    if not left or "oidc" not in left:
        raise NotVisible("This answer does not belong to a signature that was begun in this browser.")
    from apps.web.views.signing import show_refused, subject_of  # which imports this module

    row, subject = subject_of(request, left["act"], left["pk"])
    one = oidc.provider(left["key"])
    try:
        if one is None:
            raise oidc.refused("This identity provider is not set up any more.")
        answer = {name: str(value) for name, value in request.GET.items()}
        said = oidc.returned(one, left["oidc"], answer)
    except Refused as refused:
        told = NotAllowed(
            "Nothing was signed.",
            fact=refused.fact,
            rule=FRESH_RULE,
            who=["you, by authenticating again"],
            cause=refused.cause,
        )
        enter_refusal(actor_of(request), row, told, subject, left["reason"])
        return show_refused(request, row, subject, left, told)
    challenge = as_text(statement(request.user, left))
    fresh = fresh_from(request.user, said, challenge=challenge, left_at=left["left_at"])
    if fresh.fault:
        # Counted as a failed signature, by the act itself: it refuses before it looks at anything.
        given = SignatureInput(left["digest"], "", left["decision"], nonce=left["nonce"], fresh=fresh)
        try:
            ACTS[left["act"]](actor_of(request), left["pk"], reason=left["reason"], signature=given)
        except Refused as refused:
            return show_refused(request, row, subject, left, refused)
    chosen = {name: value for name, value in left.items() if name not in ("oidc", "left_at", "key")}
    request.session[KEPT] = chosen | {"challenge": challenge, "at": fresh.at, "facts": dict(fresh.facts)}
    return redirect("web:sign", left["act"], left["pk"])


@never_cache
@require_POST
@page
def forget(request: HttpRequest) -> HttpResponse:
    """Choose anew: the authentication that was made is not used."""
    kept = request.session.get(KEPT)
    used(request)
    return redirect("web:sign", kept["act"], kept["pk"]) if kept else redirect("web:work")


urlpatterns = [
    path("sign/afresh/", leave, name="sign_leave"),
    path("sign/afresh/back/", come_back, name="sign_return"),
    path("sign/afresh/forget/", forget, name="sign_forget"),
]
