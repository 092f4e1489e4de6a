"""My work: what waits for me, what I cannot do and who can, what waits on others."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, resolve

from apps.access import duties
from apps.access.looking import inspecting
from apps.access.review_queries import waiting_for
from apps.access.standing_conflicts import everywhere
from apps.access.training_queries import own_warnings
from apps.access.unreviewed import told, unreviewed
from apps.approvals.queries import work_for
from apps.web.door import actor_of, page
from apps.web.views.release import way_to


@page
def work(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    if inspecting(actor.user):
        return redirect("web:inspection_room")  # nothing waits for an inspector
    found = work_for(actor)
    decide = sum(len(each.mine) for each in found.queues)
    mine = [{"task": t, "action": (way := way_to(*t.needs)), "record": record_of(way)} for t in found.mine]
    context = {
        "mine": mine,
        "together": sum(1 for each in mine if each["record"]) > 1,
        "blocked": found.blocked,
        "waiting": found.waiting,
        "shown": found.shown,
        "more": found.more,
        "queues": found.queues,
        "decide": decide,
        "total": len(found.mine) + decide,
        "review_sheets": waiting_for(actor),
        "trainings": own_warnings(actor.user),
        "apart": everywhere() if duties.Duty.COMPLIANCE in found.held else [],
        "unreviewed": told(unreviewed().count()) if duties.Duty.COMPLIANCE in found.held else "",
        "held": sorted(duties.WORDS[duties.Duty(d)] for d in found.held),
        "needs_you": "mine" if found.mine else "",
    }
    return render(request, "web/work.html", context)


def record_of(way) -> str:
    """What the page of several records calls the one that is signed there; empty where nothing is signed."""
    if not way.get("url") or not way["verdict"].signs:
        return ""
    found = resolve(way["url"])
    return f"{found.kwargs['act']}:{found.kwargs['pk']}" if found.view_name == "web:sign" else ""


urlpatterns = [path("work/", work, name="work")]
