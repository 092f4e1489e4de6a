"""`?as-of=` on pages: the page as it was, or a refusal; never the page of now.

A page is rebuilt by its own view inside `past.at(moment)`. `PAGES` says of which views that is true; every other
address refuses, so that a new one cannot ignore the moment.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs

from django.http import HttpRequest, QueryDict
from django.http.response import HttpResponseBase
from django.template.loader import render_to_string
from django.urls import Resolver404, resolve
from django.utils.functional import cached_property

from apps.access import past as looking_back
from apps.access.past import RULE
from apps.access.sharing import shared
from apps.core.errors import Refused
from apps.trail import instants, past
from apps.trail.confirmed import confirm
from apps.trail.instants import Instant
from apps.web.door import actor_of, refused_response
from apps.web.moments import Moment, moments_of
from apps.web.rewinding import PARAMETER, rewind

PAGES = frozenset(
    f"web:{name}"
    for name in (
        *("models", "model", "version", "section", "intended_use", "model_people"),
        *("datasets", "dataset", "dataset_version", "dataset_people"),
        *("plans", "plan", "runs", "run", "bias_reports", "bias_report"),
        *("explanations", "explanation"),
        *("probe_reports", "probe_report", "probe_plan"),
        *("deviations", "deviation", "signatures", "signature"),
        *("duties_given", "duties_past", "training_versions", "training_version"),
        *("people", "person", "waivers", "waiver", "rules", "rules_version", "rules_changes", "rules_change"),
        *("requirements", "requirement", "risks", "risk", "traceability", "claim"),
        *("verification_list", "verification_evidence"),
        *("training", "boards", "board", "meetings", "meeting", "trail_reviews", "trail_review"),
        *("entry", "packs", "pack", "reviews", "review", "review_sheet", "read_grants", "read_grant"),
        *("inspections", "inspection", "records", "resets", "reset", "corrections", "correction"),
        *("erasures", "erasure", "holds"),
    )
)
# Registers that had a moment of their own before: they read it themselves.
OWN = frozenset({"web:access_register", "web:other_access", "web:data_reads"})
# As the API spells it: nobody who asks for a moment is shown the present.
ALSO = "as_of"
CHECKED = "<!-- as of: checked -->"


@lru_cache(maxsize=4096)
def _name(path: str) -> str:
    try:
        return resolve(path).view_name
    except Resolver404:
        return ""


def goes(path: str, query: str = "") -> bool:
    """Whether the page at this address can be shown as of a moment. What is taken away as a file is no page."""
    name = _name(path)
    return name in OWN or (name in PAGES and "format" not in parse_qs(query))


class Looking:
    """What the frame of a page shows of the moment: set on the request as `as_of`."""

    def __init__(self, request: HttpRequest, instant: Instant) -> None:
        self.request, self.instant = request, instant

    @property
    def moment(self) -> datetime:
        return self.instant.moment

    @property
    def now_url(self) -> str:
        query = self.request.GET.copy()
        query.pop(PARAMETER, None)
        return self.request.path + (f"?{query.urlencode()}" if query else "")

    @cached_property
    def moments(self) -> list[Moment]:
        with looking_back.today(), shared():
            return moments_of(actor_of(self.request), self.request.path)


def one_spelling(given: QueryDict) -> QueryDict:
    """The query with every moment under the one name that views and links know."""
    query = given.copy()
    for moment in query.pop(ALSO):
        query.appendlist(PARAMETER, moment)
    query._mutable = False  # type: ignore[attr-defined]
    return query


def cannot(fact: str) -> Refused:
    return Refused(
        "This cannot be shown as it was.",
        fact=fact,
        rule=RULE,
        who=["anybody who may open it, as it is now: leave as-of out of the address"],
        status=400,
    )


def no_past_of(request: HttpRequest) -> Refused | None:
    """Why this request has no answer as of a moment; None where it has one."""
    if request.method not in ("GET", "HEAD"):
        return looking_back.nothing_at_a_moment_past()
    if _name(request.path_info) not in PAGES:
        return cannot("At this address something is done, or only the present is kept.")
    if request.GET.get("format"):
        return cannot("What is taken away tells of now. An inspection pack holds the records as of a moment.")
    if len(request.GET.getlist(PARAMETER)) > 1:
        return cannot("The address names more than one moment.")
    return None


class AsOf:
    """The innermost middleware: whoever looks was found in the present, and what they see is entered there."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        name = _name(request.path_info)
        if ALSO in request.GET and not request.path.startswith("/api/"):
            request.GET = one_spelling(request.GET)  # type: ignore[assignment]
        if PARAMETER not in request.GET or request.path.startswith("/api/") or not name:
            return self.get_response(request)
        if name in OWN and request.method in ("GET", "HEAD"):
            return without_acts(request, self.get_response(request), request.GET[PARAMETER])
        try:
            if (refused := no_past_of(request)) is not None:
                raise refused
            instant = instants.read(request.GET[PARAMETER])
            if not request.user.is_authenticated:
                return self.get_response(request)  # they sign in first, and come back to this address
            instants.known(instant)
        except Refused as refused:
            return refused_response(request, refused)
        request.as_of = Looking(request, instant)  # type: ignore[attr-defined]
        with past.at(instant.moment) as here:
            response = self.get_response(request)
        return self._finished(request, response, here, instant)

    def _finished(
        self, request: HttpRequest, response: Any, here: past.World, instant: Instant
    ) -> HttpResponseBase:
        """What was shown is checked, and nothing on the page can be done."""
        if response.streaming or not response.headers.get("Content-Type", "").startswith("text/html"):
            if response.status_code >= 300:
                return response
            return refused_response(request, cannot("It is a file, not a page."))
        if response.status_code == 200:
            html = response.content.decode(response.charset)
            told = render_to_string("parts/as_of_checked.html", {"checked": confirm(here)})
            response.content = html.replace(CHECKED, told)
        return without_acts(request, response, instant.text)


def without_acts(request: HttpRequest, response: Any, text: str) -> HttpResponseBase:
    """The page with nothing on it that can be done; what is no page is as it is."""
    if text and not response.streaming and response.headers.get("Content-Type", "").startswith("text/html"):
        html = response.content.decode(response.charset)
        response.content = rewind(html, request.path, text, goes)
    return response
