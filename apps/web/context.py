"""What the frame of every page needs, beyond what its view gives."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.http import urlencode

from apps.web.as_of import PAGES

# First segment of the path → the area of the top bar it belongs to.
AREAS = {
    "work": "work",
    "models": "models",
    "datasets": "datasets",
    "records": "records",
    "audit": "records",
    "trail-reviews": "records",
    "trail-findings": "records",
    "signatures": "records",
    "deviations": "records",
    "packs": "records",
    "access-register": "records",
    "inspections": "records",
    "inspection": "records",
    "data-access": "records",
    "training": "records",
    "reviews": "records",
}


def demo_people() -> list[dict[str, str]]:
    """The people of the demo for the switcher; empty outside demo settings."""
    if not settings.DEMO:
        return []
    people = get_user_model().objects.filter(is_demo=True, is_active=True, is_service=False)
    return [
        {"username": one.username, "printed_name": one.printed_name, "title": one.title}
        for one in people.order_by("printed_name")
    ]


def looking_back(request: HttpRequest) -> dict[str, Any]:
    """The moment that the page shows, or where another moment of it is chosen."""
    looking = getattr(request, "as_of", None)
    if looking is not None:
        return {"as_of": looking.moment, "now_url": looking.now_url, "looking": looking}
    match = request.resolver_match
    if request.method == "GET" and match is not None and match.view_name in PAGES:
        return {"as_of_url": reverse("web:as_of") + "?" + urlencode({"page": request.path})}
    return {}


def frame(request: HttpRequest) -> dict[str, Any]:
    """Context processor: environment label, version, area, reader's time zone, demo switcher."""
    user = getattr(request, "user", None)
    signed_in = bool(user and user.is_authenticated)
    return {
        "environment_label": settings.ENVIRONMENT_LABEL,
        "product_version": settings.VERSION,
        "demo": settings.DEMO,
        "demo_people": demo_people,  # called by the template, so only pages that show it ask the database
        "area": AREAS.get(request.path.strip("/").partition("/")[0], ""),
        "time_zone": getattr(user, "time_zone", "UTC") if signed_in else "UTC",
        "organisation_zone": settings.ORGANISATION_TIME_ZONE,
        **(looking_back(request) if signed_in else {}),
    }
