"""A session that ended in the middle of a form: what was entered is kept through the sign-in, nothing is sent twice.

Stateless: the entries travel as hidden fields of the sign-in page and then of a page with one button. Passwords and
files are not kept; the form asks for them again.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme, urlencode

from apps.access import oidc
from apps.core.errors import Refused

PREFIX = "kept."
NEVER_KEPT = frozenset(
    {"csrfmiddlewaretoken", "password", "again", "current", "code", "passkey", "nonce", "recovery"}
    | {"held_code", "held_passkey"}
)
MOST = 400


def entries(request: HttpRequest) -> list[tuple[str, str]]:
    """(name, value) of everything entered that may be kept."""
    return [
        (name, value) for name, values in request.POST.lists() if name not in NEVER_KEPT for value in values
    ][:MOST]


def ask_to_sign_in(request: HttpRequest, refused: Refused | None = None) -> HttpResponse:
    """The sign-in page that carries an unsent form along. `refused`: why a session that goes on does not do."""
    from apps.web.views.sessions import SignInForm

    context = {
        "form": SignInForm(),
        "ended": refused is None,
        "refusal": refused,
        "resume": request.get_full_path(),
        "kept": [(f"{PREFIX}{name}", value) for name, value in entries(request)],
        "files": bool(request.FILES),
        # Who has no password comes back to the page by their provider; the form travels through no other site.
        "providers": oidc.providers() if refused else (),
        "next_query": urlencode({"next": request.get_full_path()}),
    }
    return render(request, "web/sign_in.html", context, status=refused.status if refused else 401)


def kept_from(request: HttpRequest) -> tuple[str, list[tuple[str, str]]]:
    """(where to, what was entered) from a sign-in that carries a form; an address of another site counts as none."""
    target = request.POST.get("resume", "")
    safe = url_has_allowed_host_and_scheme(
        target, allowed_hosts={request.get_host()}, require_https=request.is_secure()
    )
    if not target.startswith("/") or not safe:
        return "", []
    kept = [
        (name.removeprefix(PREFIX), value)
        for name, values in request.POST.lists()
        if name.startswith(PREFIX)
        for value in values
    ]
    return target, [pair for pair in kept if pair[0] not in NEVER_KEPT][:MOST]
