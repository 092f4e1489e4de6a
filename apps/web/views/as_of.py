"""Which moment of a page to look at: a field, and the moments of its record."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from apps.access.sharing import shared
from apps.core.errors import NotVisible
from apps.web.as_of import goes
from apps.web.door import actor_of, page
from apps.web.moments import moments_of


@page
def choose(request: HttpRequest) -> HttpResponse:
    """`?page=`: the path of a page of ours that can be shown as of a moment; anything else is not there."""
    wanted = request.GET.get("page", "")
    if not goes(wanted):
        raise NotVisible("There is no such page, or it is not kept as it was.")
    with shared():
        context = {"path": wanted, "moments": moments_of(actor_of(request), wanted)}
    return render(request, "web/as_of.html", context)


urlpatterns = [path("as-of/", choose, name="as_of")]
