"""My work: what waits for me, what I cannot do and who can, what waits on others."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path

from apps.access import duties
from apps.access.actors import Actor
from apps.access.gate import visible
from apps.access.looking import inspecting
from apps.access.models import Assignment
from apps.access.review_queries import waiting_for
from apps.access.training_queries import own_warnings
from apps.accounts.factors import Reset
from apps.accounts.models import User
from apps.approvals.queries import work_for
from apps.datasets import readings
from apps.web.door import actor_of, page
from apps.web.views.release import way_to


@page
def work(request: HttpRequest) -> HttpResponse:
    actor = actor_of(request)
    if inspecting(actor.user):
        return redirect("web:inspection_room")  # nothing waits for an inspector
    found = work_for(actor)
    held = {a.duty for a in Assignment.objects.active().filter(person=request.user)}
    requests = (
        visible(actor, Assignment)
        .filter(state=Assignment.State.REQUESTED)
        .exclude(person=request.user)
        .exclude(requester=request.user)
        .select_related("person", "requester")
        .order_by("requested_at")
        if held & {duties.Duty.OWNER, duties.Duty.COMPLIANCE, duties.Duty.ADMINISTRATOR}
        else []
    )
    context = {
        "mine": [{"task": t, "action": way_to(*t.needs)} for t in found.mine],
        "blocked": found.blocked,
        "waiting": found.waiting,
        "shown": found.shown,
        "more": found.more,
        "requests": list(requests[:50]),
        "read_requests": readings.waiting_for(actor) if duties.Duty.STEWARD in held else [],
        "unmarkings": readings.unmarkings_for(actor)
        if held & {duties.Duty.STEWARD, duties.Duty.OWNER, duties.Duty.COMPLIANCE}
        else [],
        "resets": _resets(actor, request.user) if duties.Duty.COMPLIANCE in held else [],
        "review_sheets": waiting_for(actor),
        "trainings": own_warnings(actor.user),
        "held": sorted(duties.WORDS[duties.Duty(d)] for d in held),
        "needs_you": "mine" if found.mine else "",
    }
    return render(request, "web/work.html", context)


def _resets(actor: Actor, user: User) -> list[Reset]:
    """Resets that wait for a compliance officer who has no part in them."""
    rows = visible(actor, Reset).filter(state=Reset.State.REQUESTED).exclude(person=user)
    return list(rows.exclude(requested_by=user).select_related("person", "requested_by").order_by("pk")[:50])


urlpatterns = [path("work/", work, name="work")]
