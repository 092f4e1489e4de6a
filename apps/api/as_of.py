"""`?as_of=` in the API: resources as they stood, with the moment and what the trail says of them; or a refusal.

The view answers inside `past.at(moment)`; who asks is found and counted in the present. `READS` says of which resources
that is true; all others refuse the parameter, so that none can ignore it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.http.response import HttpResponseBase
from django.urls import Resolver404, resolve

from apps.access import past as looking_back
from apps.api.errors import problem
from apps.core.errors import Refused
from apps.trail import instants, past
from apps.trail.confirmed import Confirmed, confirm
from apps.trail.instants import LIKE, Instant

PARAMETER = "as_of"
# The registers that had a moment before the others wrote it like this; it is understood everywhere.
SPELLINGS = (PARAMETER, "as-of")
RESOURCES = (
    *("gates", "slots", "board", "seat", "meeting", "person", "assignment", "entry", "trail_reviews"),
    *("models", "intended-uses", "versions", "datasets", "dataset-versions", "plans", "runs", "bias_reports"),
    *("explanations", "probe_plans", "probe_reports"),
    *("requirements", "risks", "evidence", "claims"),
    *("deviations", "read-grant", "unmarking", "waiver", "rules", "rule-change", "trust"),
    *("packs", "inspection", "copy", "reset", "correction", "board-change", "erasure", "hold"),
    *("training", "training-matrix", "training-standing", "access-review", "review-sheet"),
)
READS = frozenset(
    {f"api:{name}-{kind}" for name in RESOURCES for kind in ("list", "detail")}
    | {"api:version_gate", "api:version_traceability"}
) - {"api:entry-list"}
OWN = frozenset({"api:access-register-list", "api:access-register-other", "api:data-read-list"})
DESCRIPTION = (
    f"The resource as it stood: {LIKE} (its end in the organisation's zone). The answer then has `as_of`, `verified` "
    "and `checked` (how many records were compared with the trail, and which do not match) besides its own fields."
)


@lru_cache(maxsize=4096)
def name_of(path: str) -> str:
    try:
        return resolve(path).view_name
    except Resolver404:
        return ""


def _refuse(request: HttpRequest) -> None:
    if request.method not in ("GET", "HEAD"):
        raise looking_back.nothing_at_a_moment_past()
    if name_of(request.path_info) not in READS:
        raise Refused(
            "This cannot be answered as it was.",
            fact="At this address something is done or taken away, or only the present is kept.",
            rule=looking_back.RULE,
            who=["anybody who may ask it, as it is now: leave as_of out"],
            status=400,
        )


class AsOf:
    """Innermost, as on the pages."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        if not request.path.startswith("/api/"):
            return self.get_response(request)
        given = [value for spelling in SPELLINGS for value in request.GET.getlist(spelling)]
        name = name_of(request.path_info)
        if not given or not name or (name in OWN and request.method in ("GET", "HEAD")):
            return self.get_response(request)
        try:
            _refuse(request)
            if len(given) > 1:
                raise instants.BadInstant("More than one moment was given.")
            instant = instants.read(given[0])
            if not (request.user.is_authenticated or "Authorization" in request.headers):
                return self.get_response(request)  # nobody: that is said first
            instants.known(instant)
        except Refused as refused:
            told = problem(
                refused.status, refused.what, fact=refused.fact, rule=refused.rule, eligible=refused.who
            )
            return JsonResponse(told.data, status=refused.status, content_type="application/problem+json")
        request.as_of = instant  # type: ignore[attr-defined]  # for the entry of an inspector's look
        with past.at(instant.moment) as here:
            response: Any = self.get_response(request)
        if response.status_code == 200 and isinstance(getattr(response, "data", None), dict):
            response.data = {**response.data, **told_of(instant, confirm(here))}
            response.content = response.rendered_content
        return response


def told_of(instant: Instant, checked: Confirmed) -> dict[str, Any]:
    """What an answer about a moment says of itself."""
    return {
        "as_of": instant.text,
        "verified": checked.verified,
        "checked": {
            "records": checked.records,
            "faults": [fault.as_data() for fault in checked.faults],
        },
    }


def describe(result: dict[str, Any], **_: Any) -> dict[str, Any]:
    """Hook of the OpenAPI description: the parameter, on every resource that has it."""
    parameter = {"in": "query", "name": PARAMETER, "schema": {"type": "string"}, "description": DESCRIPTION}
    for path, operations in result["paths"].items():
        if "get" in operations and name_of(re.sub(r"\{\w+\}", "1", path)) in READS:
            found = operations["get"].setdefault("parameters", [])
            operations["get"]["parameters"] = sorted([*found, parameter], key=lambda each: each["name"])
    return result
