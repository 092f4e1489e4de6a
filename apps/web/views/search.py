"""Search: an exact reference jumps; anything else gives what one may see, by kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from apps.access.actors import Actor
from apps.access.gate import visible
from apps.access.models import Assignment
from apps.access.refs import SYNTAX, resolve
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.datasets.models import Dataset, DatasetVersion
from apps.quality.models import Deviation
from apps.registry.models import Model, Version
from apps.web.door import actor_of, page
from apps.web.links import url_of
from apps.web.views.duties import people_page

EACH = 10
LONGEST = 200


@dataclass(frozen=True)
class _Kind:
    """Where words are looked for in one kind of record. `extra`: what stands beside the reference."""

    title: str
    model: type
    where: Callable[[str], Q]
    extra: Callable[[object], str]
    select: tuple[str, ...] = ()


KINDS = (
    _Kind(
        "Models",
        Model,
        lambda q: Q(slug__icontains=q) | Q(name__icontains=q),
        lambda m: m.name,
    ),
    _Kind(
        "Model versions",
        Version,
        lambda q: (
            Q(label__icontains=q)
            | Q(artefact_name__icontains=q)
            | Q(code_commit__istartswith=q)
            | Q(artefact_digest__startswith=_digest(q))
        ),
        lambda v: f"{v.model.name}, {v.get_state_display().lower()}",
        ("model",),
    ),
    _Kind(
        "Datasets",
        Dataset,
        lambda q: Q(slug__icontains=q) | Q(name__icontains=q),
        lambda d: d.name,
    ),
    _Kind(
        "Dataset versions",
        DatasetVersion,
        lambda q: Q(file_name__icontains=q) | Q(file_digest__startswith=_digest(q)),
        lambda v: f"{v.dataset.name}, {v.file_name}",
        ("dataset",),
    ),
    _Kind("Deviations", Deviation, lambda q: Q(title__icontains=q), lambda d: d.title),
    _Kind(
        "People",
        User,
        lambda q: Q(is_service=False) & (Q(printed_name__icontains=q) | Q(username__icontains=q)),
        lambda u: u.printed_name,
    ),
)


def _digest(words: str) -> str:
    """The beginning of a digest, as people copy it from a page: groups, with or without the method."""
    bare = words.replace(" ", "").lower().removeprefix("sha256").removeprefix(":")
    return f"sha256:{bare}"


def page_of(actor, record) -> str:
    """Where a found record is shown; a duty, among the people of its place."""
    return people_page(actor, record) if isinstance(record, Assignment) else url_of(record)


@page
def search(request: HttpRequest) -> HttpResponse:
    with shared():
        return _search(request, actor_of(request))


def _search(request: HttpRequest, actor: Actor) -> HttpResponse:
    asked = " ".join(request.GET.get("q", "").replace("\x00", "").split())[:LONGEST]
    exact = [(r, url) for r in resolve(actor, asked) if (url := page_of(actor, r))]
    if len(exact) == 1:
        return redirect(exact[0][1])
    groups = []
    if exact:
        hits = [{"ref": r.ref, "url": url, "extra": str(r)} for r, url in exact]
        groups.append({"title": f"Called {asked}", "hits": hits, "more": False})
    if len(asked) >= 2:
        for kind in KINDS:
            rows = visible(actor, kind.model).filter(kind.where(asked)).select_related(*kind.select)
            found = list(rows.order_by("pk")[: EACH + 1])
            if found:
                hits = [
                    {"ref": r.ref, "url": page_of(actor, r), "extra": kind.extra(r)} for r in found[:EACH]
                ]
                groups.append({"title": kind.title, "hits": hits, "more": len(found) > EACH})
    context = {
        "asked": asked,
        "groups": groups,
        "found": sum(len(g["hits"]) for g in groups),
        "short": len(asked) == 1 and not exact,
        "syntax": SYNTAX,
        "each": EACH,
    }
    return render(request, "search/search.html", context)


urlpatterns = [path("search/", search, name="search")]
