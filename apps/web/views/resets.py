"""Resets of accounts: asked for by an administrator, decided by a compliance officer."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils.html import format_html
from django.views.decorators.http import require_http_methods

from apps.access import acts
from apps.access.acting import refuse_first
from apps.access.gate import Judge, offers, visible
from apps.access.policy import policy
from apps.accounts.factors import Reset
from apps.accounts.models import User
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, render_mark
from apps.web.views.account_requests import PEOPLE, decide, fresh_form

RESETS = Table(
    name="resets",
    caption="Resets you may see",
    order="-number",
    empty="No reset that you may see. An administrator asks for one on a person's page.",
    columns=[
        Column(
            "number",
            "Reset",
            sort="pk",
            heading=True,
            value=lambda r: r.ref,
            render=lambda r: format_html('<a href="{}">{}</a>', reverse("web:reset", args=[r.pk]), r.ref),
        ),
        Column("person", "Of", sort="person__printed_name", value=lambda r: r.person.printed_name),
        Column("what", "What was lost", sort="what", value=lambda r: r.get_what_display()),
        Column(
            "state",
            "State",
            sort="state",
            value=lambda r: r.get_state_display(),
            render=lambda r: render_mark(RECORD_MARKS[r.state], r.get_state_display()),
        ),
        Column(
            "asked", "Asked for by", sort="requested_by__printed_name", value=lambda r: str(r.requested_by)
        ),
        Column("requested_at", "Asked", sort="requested_at", kind="moment"),
        Column("decided", "Decided by", value=lambda r: str(r.decided_by or "")),
        Column("decided_at", "Decided", sort="decided_at", kind="moment"),
    ],
    filters=[
        choice("state", "State", Reset.State.choices, lambda rows, v: rows.filter(state=v)),
        choice("what", "What was lost", Reset.What.choices, lambda rows, v: rows.filter(what=v)),
        text("person", "Username", lambda rows, v: rows.filter(person__username__iexact=v)),
    ],
)


@page
def resets(request: HttpRequest) -> HttpResponseBase:
    rows = visible(actor_of(request), Reset).select_related(*PEOPLE)
    return RESETS.read(request, rows).respond("people/resets.html")


@page
def reset(request: HttpRequest, pk: int) -> HttpResponse:
    """What is asked for, by whom and why, and what follows."""
    found = seen_or_404(request, Reset, *PEOPLE, pk=pk)
    given = {verdict.act: verdict for verdict in offers(actor_of(request), found)}
    context = {
        "reset": found,
        "approve": given["access.approve_reset"],
        "refuse": given["access.refuse_reset"],
        "withdraw": given["access.withdraw_reset"],
    }
    return render(request, "people/reset.html", context)


class ResetForm(Form):
    what = forms.ChoiceField(label="What was lost", choices=Reset.What.choices, widget=forms.RadioSelect)
    reason = ReasonField(label="Why, and how you know that the person asks for it")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def ask(request: HttpRequest, username: str) -> HttpResponse:
    """Ask for a reset of somebody who lost password or second factor."""
    actor = actor_of(request)
    person = seen_or_404(request, User, username=username, is_service=False)
    form = fresh_form(request, ResetForm)
    if request.method == "POST" and form.is_valid():
        done = attempt(form, acts.request_reset, actor, person.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"{done.ref} is asked for. A compliance officer decides.")
            return redirect("web:reset", done.pk)
    if request.method == "POST":
        refuse_first(actor, "access.request_reset", person)
    verdict = Judge(person).verdict(actor, policy("access.request_reset"))
    context = {"form": form, "person": person, "verdict": verdict}
    return render(request, "people/reset_ask.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Reset, "reset", pk, "approve")


@require_http_methods(["GET", "POST"])
@page
def refuse(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Reset, "reset", pk, "refuse")


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Reset, "reset", pk, "withdraw")


urlpatterns = [
    path("resets/", resets, name="resets"),
    path("resets/<int:pk>/", reset, name="reset"),
    path("resets/<int:pk>/approve/", approve, name="approve_reset"),
    path("resets/<int:pk>/refuse/", refuse, name="refuse_reset"),
    path("resets/<int:pk>/withdraw/", withdraw, name="withdraw_reset"),
    path("people/<str:username>/reset/", ask, name="request_reset"),
]
