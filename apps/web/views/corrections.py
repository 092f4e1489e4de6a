"""Corrections of a printed name or an address: asked for by an administrator, decided by a compliance officer."""

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
from apps.accounts.corrections import Correction
from apps.accounts.models import User
from apps.web.door import actor_of, attempt_change, page, seen_or_404
from apps.web.forms import ChangeForm, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.marks import RECORD_MARKS, render_mark
from apps.web.views.account_requests import PEOPLE, decide, fresh_form

CORRECTIONS = Table(
    name="corrections",
    caption="Corrections you may see",
    order="-number",
    empty="No correction that you may see. An administrator asks for one on a person's page.",
    columns=[
        Column(
            "number",
            "Correction",
            sort="pk",
            heading=True,
            value=lambda r: r.ref,
            render=lambda r: format_html(
                '<a href="{}">{}</a>', reverse("web:correction", args=[r.pk]), r.ref
            ),
        ),
        Column("person", "Of", sort="person__printed_name", value=lambda r: r.person.printed_name),
        Column("what", "What is corrected", value=lambda r: r.told),
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
        choice("state", "State", Correction.State.choices, lambda rows, v: rows.filter(state=v)),
        text("person", "Username", lambda rows, v: rows.filter(person__username__iexact=v)),
    ],
)


@page
def corrections(request: HttpRequest) -> HttpResponseBase:
    rows = visible(actor_of(request), Correction).select_related(*PEOPLE)
    return CORRECTIONS.read(request, rows).respond("people/corrections.html")


@page
def correction(request: HttpRequest, pk: int) -> HttpResponse:
    """What is asked for, by whom and why, and what follows."""
    found = seen_or_404(request, Correction, *PEOPLE, pk=pk)
    given = {verdict.act: verdict for verdict in offers(actor_of(request), found)}
    context = {
        "correction": found,
        "approve": given["access.approve_correction"],
        "refuse": given["access.refuse_correction"],
        "withdraw": given["access.withdraw_correction"],
    }
    return render(request, "people/correction.html", context)


class AskForm(ChangeForm):
    printed_name = forms.CharField(
        label="Printed name",
        required=False,
        max_length=120,
        help_text="As it stands beside signatures from now on. Leave it as it is if it is right.",
    )
    email = forms.CharField(
        label="E-mail address",
        required=False,
        max_length=254,
        help_text="The person’s own: links for passwords go there.",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
    )
    reason = ReasonField(label="Why, and how you know what is right")


@require_http_methods(["GET", "POST"])
@page
def ask(request: HttpRequest, username: str) -> HttpResponse:
    """Ask for another printed name, another address, or both."""
    actor = actor_of(request)
    person = seen_or_404(request, User, username=username, is_service=False)
    form = fresh_form(request, AskForm, printed_name=person.printed_name, email=person.email)
    if request.method == "POST" and form.is_valid():
        done = attempt_change(form, acts.request_correction, actor, person.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"{done.ref} is asked for. A compliance officer decides.")
            return redirect("web:correction", done.pk)
    if request.method == "POST":
        refuse_first(actor, "access.request_correction", person)
    verdict = Judge(person).verdict(actor, policy("access.request_correction"))
    context = {"form": form, "person": person, "verdict": verdict}
    return render(request, "people/correction_ask.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Correction, "correction", pk, "approve")


@require_http_methods(["GET", "POST"])
@page
def refuse(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Correction, "correction", pk, "refuse")


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Correction, "correction", pk, "withdraw")


urlpatterns = [
    path("corrections/", corrections, name="corrections"),
    path("corrections/<int:pk>/", correction, name="correction"),
    path("corrections/<int:pk>/approve/", approve, name="approve_correction"),
    path("corrections/<int:pk>/refuse/", refuse, name="refuse_correction"),
    path("corrections/<int:pk>/withdraw/", withdraw, name="withdraw_correction"),
    path("people/<str:username>/correct/", ask, name="request_correction"),
]
