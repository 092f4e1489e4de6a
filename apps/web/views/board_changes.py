"""Founding, amending and ending a review board: asking for it, and deciding on what somebody else asked for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access.gate import ORGANISATION_SUBJECT
from apps.approvals import board_change_acts as acts
from apps.approvals.board_models import Board, BoardChange
from apps.approvals.board_rules import MAX_NAME, MAX_QUORUM, MAX_TEXT
from apps.approvals.board_terms import terms_of
from apps.core.errors import NotVisible
from apps.web.door import actor_of, attempt, attempt_change, page, seen_or_404
from apps.web.forms import ChangeForm, Form, ReasonField
from apps.web.views.boards import FUNCTIONS, DecideForm, difference, fresh, permitted, shown, told_terms


class BoardForm(Form):
    name = forms.CharField(max_length=MAX_NAME)
    purpose = forms.CharField(
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="What it decides, and by which procedure.",
    )
    quorum = forms.IntegerField(
        min_value=2, max_value=MAX_QUORUM, initial=3, help_text="Members with a vote who must attend."
    )
    required = forms.MultipleChoiceField(
        required=False,
        choices=FUNCTIONS,
        widget=forms.CheckboxSelectMultiple,
        label="Functions that must be among them",
    )
    reason = ReasonField()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


class AmendForm(ChangeForm, BoardForm):
    """The board's terms, as they should be from then on."""


@require_http_methods(["GET", "POST"])
@page
def board_new(request: HttpRequest) -> HttpResponse:
    permitted(request, "approvals.create_board", ORGANISATION_SUBJECT)
    form = fresh(request, BoardForm)
    if request.method == "POST" and form.is_valid():
        made = attempt(form, acts.create_board, actor_of(request), **form.cleaned_data)
        if made:
            messages.success(
                request, f"{made} is asked for. Somebody else approves it; then it takes members."
            )
            return redirect("web:board", made.pk)
    return shown(request, form, "Ask for a review board", reverse("web:boards"), "Review boards")


@require_http_methods(["GET", "POST"])
@page
def board_amend(request: HttpRequest, pk: int) -> HttpResponse:
    found = seen_or_404(request, Board, pk=pk)
    permitted(request, "approvals.amend_board", found)
    form = fresh(request, AmendForm, terms_of(found).as_data())
    back = reverse("web:board", args=[pk])
    if request.method == "POST" and form.is_valid():
        made = attempt_change(form, acts.amend_board, actor_of(request), pk, **form.cleaned_data)
        if made:
            messages.success(
                request, f"{made.ref} is asked for. It is in force once somebody else approves it."
            )
            return redirect(back)
    return shown(request, form, f"Ask to amend {found}", back, found.name)


@require_http_methods(["GET", "POST"])
@page
def board_end(request: HttpRequest, pk: int) -> HttpResponse:
    found = seen_or_404(request, Board, pk=pk)
    permitted(request, "approvals.end_board", found)
    form = fresh(request, ChangeForm)
    back = reverse("web:board", args=[pk])
    if request.method == "POST" and form.is_valid():
        made = attempt_change(form, acts.end_board, actor_of(request), pk, **form.cleaned_data)
        if made:
            messages.success(
                request, f"{made.ref} is asked for. The board ends once somebody else approves it."
            )
            return redirect(back)
    facts = [*told_terms(terms_of(found).as_data()), ("With it end", "all seats on it")]
    return shown(request, form, f"Ask to end {found}", back, found.name, facts=facts, danger=True)


VERBS = {"approve": acts.approve_board_change, "refuse": acts.refuse_board_change}
DONE = {"approve": "approved", "refuse": "refused"}


def _facts(change: BoardChange) -> list[tuple[str, Any]]:
    """What would come of it, who asked for it and why."""
    if changed := difference(change):
        rows = [(name, f"{new}\n(now: {old})") for name, old, new in changed]
    else:
        rows = told_terms(change.after or change.before)
    return [*rows, ("Asked for by", change.requester.printed_name), ("Because", change.reason)]


@require_http_methods(["GET", "POST"])
@page
def change_decide(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Approve or refuse what somebody else asked for."""
    if verb not in VERBS:
        raise NotVisible()
    change = seen_or_404(request, BoardChange, "board", "requester", pk=pk)
    permitted(request, f"approvals.{verb}_board_change", change)
    form = fresh(request, DecideForm)
    if verb == "approve":
        del form.fields["reason"]
    back = reverse("web:board", args=[change.board_id])
    if request.method == "POST" and form.is_valid():
        done = attempt(form, VERBS[verb], actor_of(request), change.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"{change.ref} is {DONE[verb]}.")
            return redirect(back)
    heading = f"{verb.capitalize()} the {change.get_kind_display().lower()} of {change.board}"
    return shown(
        request, form, heading, back, change.board.name, facts=_facts(change), danger=verb == "refuse"
    )


urlpatterns = [
    path("boards/new/", board_new, name="board_new"),
    path("boards/<int:pk>/amend/", board_amend, name="board_amend"),
    path("boards/<int:pk>/end/", board_end, name="board_end"),
    path("boards/changes/<int:pk>/<str:verb>/", change_decide, name="board_change_decide"),
]
