"""Between password and second factor: who is on the way in, and who may do nothing before a second factor is added."""

from __future__ import annotations

import time
from typing import Any

from django.contrib.auth import HASH_SESSION_KEY
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.crypto import constant_time_compare

from apps.access import factors
from apps.accounts.models import User

PENDING = "second"  # key in the session of a browser that has shown the first part
SHOWN = "shown"  # key in the session of who is in: what they showed
LASTS = 600  # seconds between the first part and the second
OPEN = ("/account/security/", "/sign-out/", "/demo/switch/", "/static/")


def begin(request: HttpRequest, user: User, *, first: str, facts: dict[str, Any]) -> None:
    """Note that the first part was right. Nobody is signed in yet; the session gets a new key."""
    request.session.cycle_key()
    request.session[PENDING] = {
        "user": user.pk,
        "hash": user.get_session_auth_hash(),
        "at": int(time.time()),
        "first": first,
        "facts": facts,
    }


def pending(request: HttpRequest) -> tuple[User, dict[str, Any]] | None:
    """(the person on the way in, what is noted of them); None when nobody is, or it took too long."""
    noted = request.session.get(PENDING)
    if not noted or int(time.time()) - noted["at"] > LASTS:
        request.session.pop(PENDING, None)
        return None
    user = User.objects.filter(pk=noted["user"]).first()
    if (
        user is None
        or not user.usable
        or not constant_time_compare(noted["hash"], user.get_session_auth_hash())
    ):
        request.session.pop(PENDING, None)
        return None
    return user, noted


class SecondFactorOwed:
    """Where a second factor is required: who holds a duty that signs and has none can add one, and nothing else."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if factors.required() and not request.path.startswith(OPEN) and self._owes(request):
            if request.path.startswith("/api/"):
                refused = factors.none_to_sign_with()
                refused.what, refused.status = "A second factor is needed first.", 403
                told = refused.document("Not allowed")
                return JsonResponse(told, status=403, content_type="application/problem+json")
            url = reverse("web:security")
            return HttpResponse(status=204, headers={"HX-Redirect": url}) if request.htmx else redirect(url)
        return self.get_response(request)

    def _owes(self, request: HttpRequest) -> bool:
        if not request.user.is_authenticated or HASH_SESSION_KEY not in request.session:
            return False
        return factors.owes(request.user)
