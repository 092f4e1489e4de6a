"""Health: how the portal itself stands, for who watches over it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import never_cache

from apps.access import health as reads
from apps.web.door import actor_of, page
from apps.web.marks import HEALTH_MARKS, render_mark


@never_cache
@page
def health(request: HttpRequest) -> HttpResponse:
    reads.refuse_unless_told(actor_of(request))
    points = reads.points()
    worst = next(s for s in (reads.FAULT, reads.WATCH, reads.WELL) if any(p.state == s for p in points))
    context = {
        "points": [{"point": each, "mark": render_mark(HEALTH_MARKS[each.state])} for each in points],
        "worst": render_mark(HEALTH_MARKS[worst]),
    }
    return render(request, "web/health.html", context)


urlpatterns = [path("health/", health, name="health")]
