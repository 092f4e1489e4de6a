"""Session limits, refusals as pages, and headers of the browser door."""

from __future__ import annotations

from contextlib import suppress
from ipaddress import ip_address

from django.conf import settings
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode

from apps.access import sessions
from apps.access.acts import sign_out
from apps.access.fresh import BEGAN
from apps.access.fresh import RULE as FRESH
from apps.core.blobs import BlobDamaged, damaged
from apps.core.clock import now
from apps.core.errors import Refused
from apps.trail import lateness
from apps.web.door import actor_of, refused_response
from apps.web.resume import ask_to_sign_in


class PeerAddress:
    """Sets REMOTE_ADDR to the address of whoever asks, as far as TRUSTED_PROXIES can be believed.

    Each proxy appends the address it was called from, so with n proxies of our own the n-th from the right is true
    and all before it is what a stranger wrote. A header shorter than that did not come through them: not believed.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if settings.TRUSTED_PROXIES > 0:
            told = request.META.get("HTTP_X_FORWARDED_FOR", "").split(",")
            if len(told) >= settings.TRUSTED_PROXIES:
                with suppress(ValueError):
                    request.META["REMOTE_ADDR"] = str(ip_address(told[-settings.TRUSTED_PROXIES].strip()))
        return self.get_response(request)


class SessionLimits:
    """Ends a session that was idle or open for too long (Annex 11 draft 11.7), and one whose account is off.

    A session that does not say when it began was not begun by signing in here: it is ended, not taken for a new one.
    """

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        lateness.known()  # before anything is judged by the clock
        if request.user.is_authenticated:
            moment = int(now().timestamp())
            began = request.session.get(BEGAN)
            seen = request.session.get("seen", moment)
            cause = ""
            if began is None:
                cause = "no beginning"
            elif moment - seen > settings.SESSION_IDLE_SECONDS:
                cause = "idle"
            elif moment - began > settings.SESSION_ABSOLUTE_SECONDS:
                cause = "absolute limit"
            if cause:
                sign_out(actor_of(request), request.user.pk, cause=cause)
                sessions.end(sessions.SignedIn.objects.filter(key=request.session.session_key), cause)
                logout(request)
                return self._ended(request)
            if "seen" not in request.session or (moment - seen >= 30 and not _by_itself(request)):
                if "seen" in request.session:
                    sessions.seen(request.session.session_key)
                request.session["seen"] = moment
        response = self.get_response(request)
        # Where the API found nobody, DRF leaves None as the request's user.
        if request.user and request.user.is_authenticated and "Cache-Control" not in response:
            response["Cache-Control"] = "no-store"
        return response

    def _ended(self, request: HttpRequest) -> HttpResponse:
        if request.method == "POST" and not request.htmx and not request.path.startswith("/api/"):
            return ask_to_sign_in(request)
        back = request.get_full_path() if request.method == "GET" and not request.htmx else ""
        url = reverse("web:sign_in") + "?" + urlencode({"ended": "1", **({"next": back} if back else {})})
        if request.path.startswith("/api/"):
            return JsonResponse(
                _over().document("Not signed in"),
                status=401,
                content_type="application/problem+json",
                headers={"WWW-Authenticate": "Bearer"},
            )
        return to(request, url)


def _by_itself(request: HttpRequest) -> bool:
    """Whether a page asks how far a job is, with nobody there to have asked (static/js/page.js says so).

    A page left open must not keep its session from being idle for as long as a job waits for a worker.
    """
    return bool(request.htmx) and request.method == "GET" and request.headers.get("X-Asked-By") == "page"


def _over() -> Refused:
    return Refused(
        "Your session has ended.",
        fact="It was idle or open for too long, or it does not say when it began. Nothing was sent or signed.",
        rule="session",
        who=["you, once you have signed in again"],
        status=401,
    )


def to(request: HttpRequest, url: str) -> HttpResponse:
    """Send the reader to `url`; htmx follows a header, since it would swap a redirected page into a fragment."""
    if request.htmx:
        return HttpResponse(status=204, headers={"HX-Redirect": url})
    return redirect(url)


def not_a_page() -> Refused:
    """An address that only takes what a form sends was opened as a page."""
    return Refused(
        "There is nothing to show at this address.",
        fact="It only takes what a form sends.",
        who=["you, on the page with the form: go back, or begin at your work"],
        status=405,
    )


class Refusals:
    """A Refused that rises out of a view becomes its page, with its own status."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        if request.htmx and response.status_code == 302 and "/sign-in/" in response.get("Location", ""):
            return HttpResponse(status=204, headers={"HX-Redirect": response["Location"]})
        if response.status_code == 405 and not response.content and not request.path.startswith("/api/"):
            told = refused_response(request, not_a_page())
            told["Allow"] = response["Allow"]
            return told
        return response

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if isinstance(exception, BlobDamaged):
            exception = damaged(exception)
        if isinstance(exception, Refused) and not request.path.startswith("/api/"):
            if exception.rule == FRESH and request.method == "POST" and not request.htmx:
                return ask_to_sign_in(request, exception)
            return refused_response(request, exception)
        return None
