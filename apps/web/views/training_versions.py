"""Earlier training matrices and signature policies, and what the next one changed."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path

from apps.access import training_versions as reads
from apps.core.errors import NotVisible
from apps.web.door import actor_of, page


@page
def versions(request: HttpRequest) -> HttpResponse:
    return render(request, "training/versions.html", {"versions": reads.versions(actor_of(request))})


@page
def version(request: HttpRequest, number: int) -> HttpResponse:
    """One version whole, and what the one before it and the one after it changed."""
    every = reads.versions(actor_of(request))
    found = next((each for each in every if each.row.version == number), None)
    if found is None:
        raise NotVisible()
    context: dict[str, object] = {"found": found}
    if found.following is not None:
        after = found.following.body
        context |= {
            "changes": reads.changes(found.row.body, after),
            "lines": reads.policy_lines(found.policy, str(after.get("policy", ""))),
        }
    return render(request, "training/version.html", context)


urlpatterns = [
    path("training/versions/", versions, name="training_versions"),
    path("training/versions/<int:number>/", version, name="training_version"),
]
