"""What every view shares: who asks, which record, how a refusal is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from apps.access import fresh, previewing
from apps.access.actors import Actor
from apps.access.gate import visible_one
from apps.core.errors import BadInput, Busy, Conflict, Refused, TooMany
from apps.web.forms import ChangeForm
from apps.web.resume import ask_to_sign_in


def actor_of(request: HttpRequest) -> Actor:
    return Actor.of(
        request.user,
        "web",
        address=request.META.get("REMOTE_ADDR", ""),
        signed_in_at=fresh.signed_in_at(request.session),
    )


def seen_or_404(request: HttpRequest, model, *select, **lookup):
    """The one visible record, or NotVisible: a missing and a hidden one are not told apart."""
    return visible_one(actor_of(request), model, *select, **lookup)


def refused_response(request: HttpRequest, refused: Refused) -> HttpResponse:
    """The four parts, as a page or as a fragment for htmx, with the refusal's own status."""
    page = "errors/429.html" if isinstance(refused, TooMany) else "errors/refused.html"
    template = "parts/refusal.html" if request.htmx else page
    headers = {"Retry-After": str(refused.retry_after)} if isinstance(refused, (Busy, TooMany)) else None
    answer = render(request, template, {"refusal": refused}, status=refused.status)
    for name, value in (headers or {}).items():
        answer[name] = value
    return answer


def attempt(form, act: Callable, *args, **kwargs):
    """Call an act from a form. Bad input goes beside the form's fields (returns None); other refusals rise."""
    try:
        return act(*args, **kwargs)
    except BadInput as refused:
        form.add_refusal(refused)
        return None


def attempt_change(form: ChangeForm, act: Callable, *args, **kwargs):
    """Call an act that changes a record: first it only shows what will change (None, with `form.preview`), and it does
    so when what was shown is confirmed and still what would change."""
    if form.confirmed:
        try:
            return attempt(form, act, *args, **kwargs, confirmed=form.confirmed)
        except Conflict as refused:
            if refused.rule != previewing.RULE:
                raise
            form.add_error(None, f"{refused.what} {refused.fact}")
    form.preview = attempt(form, act, *args, **kwargs, preview=True)
    return None


def page(view: Callable) -> Callable:
    """A view for signed-in people. Everything else is deny by default."""

    guarded = login_required(view)

    @wraps(view)
    def wrapped(request: HttpRequest, *args, **kwargs):
        if request.method == "POST" and not request.user.is_authenticated and not request.htmx:
            return ask_to_sign_in(request)  # what was entered is not lost with the session
        return guarded(request, *args, **kwargs)

    return wrapped
