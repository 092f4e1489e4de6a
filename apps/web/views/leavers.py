"""A leaver: what ends, what would stand still and who could take it, before one confirms."""

from __future__ import annotations

import uuid

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from apps.access import acts, queries
from apps.access.acting import refuse_first
from apps.access.gate import Judge
from apps.access.leaving import leaving
from apps.access.leftovers import seen, told_to
from apps.access.models import RulesChange, Waiver
from apps.access.policy import policy
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.approvals.leavers import waiting_told
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField


class DeactivateForm(Form):
    reason = ReasonField(label="Why the account ends")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


def leaving_context(request: HttpRequest, found: User) -> dict:
    """What the leaving ends and blocks; places the reader may not see by their number alone."""
    actor = actor_of(request)
    with shared():
        told = leaving(found)
        places = [*(each.assignment for each in told.held), *told.to_come, *told.requested]
        names = queries.place_names(actor, places)
        waiting = waiting_told(actor, found)
    waivers, hidden_waivers = seen(actor, told.waivers)
    changes = [each for each in told.unsigned if isinstance(each, RulesChange)]
    asked = [each for each in told.unsigned if isinstance(each, Waiver)]
    unsigned = [seen(actor, asked), seen(actor, changes)]
    return {
        "leaving": told,
        "held": [(each, names[each.assignment.scope]) for each in told.held],
        "to_come": [(each, names[each.scope]) for each in told.to_come],
        "left": told_to(actor, found),
        "waivers": waivers,
        "hidden_waivers": hidden_waivers,
        "unsigned": [each for rows, _hidden in unsigned for each in rows],
        "hidden_unsigned": sum(hidden for _rows, hidden in unsigned),
        "waiting": waiting,
        "gates": [(wanted, wanted.others(found)) for wanted in waiting.shown],
    }


@require_http_methods(["GET", "POST"])
@page
def deactivate(request: HttpRequest, username: str) -> HttpResponse:
    """Account off; duties, requests, sessions, tokens and waivers ended, in one act."""
    actor = actor_of(request)
    found = seen_or_404(request, User, username=username, is_service=False)
    form = DeactivateForm(
        request.POST if request.method == "POST" else None, initial={"idempotency_key": uuid.uuid4().hex}
    )
    sent = request.method == "POST" and form.is_valid()
    if sent and attempt(form, acts.deactivate_account, actor, found.pk, **form.cleaned_data):
        messages.success(request, f"The account of {found.printed_name} is deactivated.")
        return redirect("web:person", found.username)
    if request.method == "POST":
        refuse_first(actor, "access.deactivate_account", found)
    verdict = Judge(found).verdict(actor, policy("access.deactivate_account"))
    context = {"form": form, "person": found, "verdict": verdict}
    if verdict.allowed:
        context |= leaving_context(request, found)
    return render(request, "people/deactivate.html", context, status=422 if form.errors else 200)


urlpatterns = [path("people/<str:username>/deactivate/", deactivate, name="deactivate_account")]
