"""Training matrices and signature policies that were in force, and what the next one changed."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.urls import path, reverse
from django.utils.html import format_html

from apps.access import training_versions as reads
from apps.core.clock import iso
from apps.core.errors import NotVisible
from apps.web import registers
from apps.web.door import actor_of, page
from apps.web.lists import Column, Table, choice, on_day, text
from apps.web.marks import RECORD_MARKS, render_mark

WORDS = {"active": "In force", "ended": "Replaced"}


def _state(row: Any) -> str:
    return "ended" if row.until else "active"


def _by(rows: QuerySet[Any], name: str) -> QuerySet[Any]:
    said = name.strip().removeprefix("@")
    return rows.filter(Q(adopted_by__username__iexact=said) | Q(adopted_by__printed_name__icontains=said))


VERSIONS = Table(
    name="training-versions",
    caption="Versions of the training matrix",
    order="-version",
    empty="No training matrix was put into force yet.",
    columns=[
        Column(
            "version",
            "Version",
            sort="version",
            heading=True,
            value=lambda row: f"v{row.version}",
            render=lambda row: format_html(
                '<a href="{}">v{}</a>', reverse("web:training_version", args=[row.version]), row.version
            ),
        ),
        Column(
            "state",
            "State",
            value=lambda row: WORDS[_state(row)],
            render=lambda row: render_mark(RECORD_MARKS[_state(row)], WORDS[_state(row)]),
        ),
        Column("adopted_at", "From", sort="adopted_at", kind="moment"),
        Column("until", "Until", sort="until", kind="moment"),
        Column("by", "By", sort="adopted_by__printed_name", value=lambda row: row.adopted_by.printed_name),
        Column("reason", "Why"),
        Column("digest", "Digest", value=lambda row: row.digest, render=lambda row: row.digest[:19] + "…"),
    ],
    filters=[
        choice(
            "state",
            "State",
            list(WORDS.items()),
            lambda rows, said: rows.filter(until__isnull=said == "active"),
        ),
        text("by", "Put into force by", _by),
        on_day("since", "From, on or after", lambda rows, day: rows.filter(adopted_at__date__gte=day)),
    ],
)


def as_data(row: Any) -> dict[str, Any]:
    """One line of the export as JSON: the version whole."""
    return {
        "version": row.version,
        "digest": row.digest,
        "from": iso(row.adopted_at),
        "until": iso(row.until) if row.until else None,
        "adopted_by": row.adopted_by.username,
        "reason": row.reason,
        "body": row.body,
    }


@page
def versions(request: HttpRequest) -> HttpResponseBase:
    rows = reads.versions(actor_of(request))
    return registers.respond(
        request, VERSIONS, rows, "training/versions.html", lambda found: [as_data(row) for row in found]
    )


@page
def version(request: HttpRequest, number: int) -> HttpResponse:
    """One version whole, and what the one before it and the one after it changed."""
    found = reads.version(actor_of(request), number)
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
