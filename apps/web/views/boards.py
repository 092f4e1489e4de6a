"""Review boards: the register, one board with its seats, asking for a seat and deciding on it."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods

from apps.access.acting import refuse_first
from apps.access.gate import ORGANISATION_SUBJECT, may, offers, visible
from apps.access.sharing import shared
from apps.accounts.models import User
from apps.approvals import board_seat_acts as acts
from apps.approvals.board_models import Board, BoardChange, BoardMember, Meeting
from apps.approvals.board_states import (
    BOARD_WORDS,
    FUNCTION_WORDS,
    MEETING_WORDS,
    BoardState,
    ChangeState,
    Function,
    MeetingState,
)
from apps.approvals.board_terms import terms_of
from apps.core.errors import NotVisible
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.views.plans import link, state_mark

FUNCTIONS = [(each.value, FUNCTION_WORDS[each]) for each in Function]


def functions_told(required: Iterable[str]) -> str:
    return ", ".join(FUNCTION_WORDS[Function(each)].lower() for each in required) or "none in particular"


BOARDS = Table(
    name="boards",
    caption="Review boards",
    order="name",
    empty="No review board yet. A compliance officer or registrar asks for one, and another person approves it.",
    columns=[
        Column("name", "Board", sort="name", heading=True, render=lambda b: link(b, b.name)),
        Column("quorum", "Quorum", sort="quorum", kind="number"),
        Column("state", "State", sort="state", value=lambda b: b.get_state_display(), render=state_mark),
        Column("required", "Functions that must vote", value=lambda b: functions_told(b.required)),
        Column("created_at", "Asked for", sort="created_at", kind="moment"),
        Column("by", "By", value=lambda b: b.created_by.printed_name),
    ],
    filters=[
        choice(
            "state",
            "State",
            [(s.value, BOARD_WORDS[s]) for s in BoardState],
            lambda rows, v: rows.filter(state=v),
        ),
        text("name", "Name", lambda rows, v: rows.filter(name__icontains=v)),
    ],
)
MEETINGS = Table(
    name="meetings",
    caption="Meetings of review boards you may see",
    order="-number",
    empty="No meeting that you may see. An owner, QA approver or compliance officer plans one at a release gate.",
    columns=[
        Column("number", "Meeting", sort="number", heading=True, value=lambda m: m.ref, render=link),
        Column("board", "Board", sort="board__name", value=lambda m: m.board.name),
        Column("version", "Version", value=lambda m: m.gate.version.ref),
        Column("state", "State", sort="state", value=lambda m: m.get_state_display(), render=state_mark),
        Column("decision", "Decision", sort="decision", value=lambda m: m.get_decision_display()),
        Column("held_at", "Held", sort="held_at", kind="moment"),
    ],
    filters=[
        choice(
            "state",
            "State",
            [(s.value, MEETING_WORDS[s]) for s in MeetingState],
            lambda r, v: r.filter(state=v),
        ),
        text("board", "Board", lambda rows, v: rows.filter(board__name__icontains=v)),
        text("model", "Model", lambda rows, v: rows.filter(gate__version__model__slug=v)),
    ],
)


@page
def boards(request: HttpRequest) -> HttpResponseBase:
    actor = actor_of(request)
    context = {"create": may(actor, "approvals.create_board", ORGANISATION_SUBJECT)}
    rows = visible(actor, Board).select_related("created_by")
    return BOARDS.read(request, rows).respond("boards/boards.html", context)


@page
def meetings(request: HttpRequest) -> HttpResponseBase:
    rows = visible(actor_of(request), Meeting).select_related("board", "gate__version__model")
    return MEETINGS.read(request, rows).respond("boards/meetings.html")


def told_terms(terms: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Name, purpose, quorum and functions, in words."""
    return [
        ("Name", terms["name"]),
        ("Purpose", terms["purpose"]),
        ("Quorum", f"{terms['quorum']} members with a vote"),
        ("Must vote", functions_told(terms["required"])),
    ]


def difference(change: BoardChange) -> list[tuple[str, Any, Any]]:
    """(what, as it is, as it would be) of each part that an amendment changes."""
    if not (change.before and change.after):
        return []
    pairs = zip(told_terms(change.before), told_terms(change.after), strict=True)
    return [(name, old, new) for (name, old), (_name, new) in pairs if old != new]


@page
def board(request: HttpRequest, pk: int) -> HttpResponse:
    """Quorum, changes, seats with what may be done to each, and the meetings one may see."""
    actor, found = actor_of(request), seen_or_404(request, Board, "created_by", pk=pk)
    with shared():
        seats = []
        rows = found.members.select_related("person", "requester", "approver", "closed_by", "board")
        for seat in sorted(rows, key=lambda s: (not s.chair, s.function, s.person.printed_name)):
            verdicts = {v.act.partition(".")[2]: v for v in offers(actor, seat)}
            verbs = [verb for verb in VERBS if verdicts[f"{verb}_seat"].allowed]
            seats.append({"seat": seat, "verbs": verbs})
        given = {v.act.partition(".")[2]: v for v in offers(actor, found)}
        doable = Acts(
            (
                Button(given["request_seat"], reverse("web:seat_new", args=[pk]), style="primary"),
                Button(given["amend_board"], reverse("web:board_amend", args=[pk])),
                Button(given["end_board"], reverse("web:board_end", args=[pk]), style="danger"),
            )
        )
        changes = []
        for change in found.changes.select_related("requester", "decided_by"):
            change.board = found
            decide = []
            if change.state == ChangeState.REQUESTED:
                able = {v.act.partition(".")[2]: v.allowed for v in offers(actor, change)}
                decide = [verb for verb in ("approve", "refuse") if able[f"{verb}_board_change"]]
            changes.append({"change": change, "difference": difference(change), "verbs": decide})
    rows = visible(actor, Meeting).filter(board=found).select_related("gate__version__model")
    context = {
        "board": found,
        "seats": seats,
        "changes": changes,
        "acts": doable,
        "terms": told_terms(terms_of(found).as_data()),
        "meetings": rows.order_by("-number")[:20],
    }
    return render(request, "boards/board.html", context)


def fresh(request: HttpRequest, form: type[Form], initial: Mapping[str, Any] | None = None, **kwargs) -> Form:
    """The form as sent, or a new one that begins with `initial`."""
    sent = (request.POST, request.FILES) if request.method == "POST" else (None,)
    return form(*sent, initial={**(initial or {}), "idempotency_key": uuid.uuid4().hex}, **kwargs)


def shown(request: HttpRequest, form: Form, heading: str, back: str, back_told: str, **more) -> HttpResponse:
    context = {"form": form, "heading": heading, "back": back, "back_told": back_told, **more}
    return render(
        request, "boards/form.html", context, status=getattr(form, "status", 422 if form.errors else 200)
    )


def permitted(request: HttpRequest, act: str, subject) -> None:
    """Raises what the gate says; an attempt to post is entered in the trail."""
    actor = actor_of(request)
    if request.method == "POST":
        refuse_first(actor, act, subject)
    elif not (verdict := may(actor, act, subject)).allowed:
        raise verdict.refusal()


class SeatForm(Form):
    person = forms.TypedChoiceField(label="Who", coerce=int, choices=())
    function = forms.ChoiceField(choices=[("", "Choose a function"), *FUNCTIONS])
    chair = forms.BooleanField(required=False, label="In the chair")
    starts_at = MomentField(required=False, label="From", help_text="UTC. Empty: from now.")
    ends_at = MomentField(required=False, label="Until", help_text="UTC. Empty: until it is ended.")
    reason = ReasonField()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        people = User.objects.filter(is_active=True, is_service=False).order_by("printed_name")
        self.fields["person"].choices = [("", "Choose a person")] + [
            (p.pk, f"{p.printed_name} (@{p.username})") for p in people
        ]


@require_http_methods(["GET", "POST"])
@page
def seat_new(request: HttpRequest, pk: int) -> HttpResponse:
    found = seen_or_404(request, Board, pk=pk)
    permitted(request, "approvals.request_seat", found)
    form = fresh(request, SeatForm)
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        made = attempt(
            form, acts.request_seat, actor_of(request), found.pk, person_id=given.pop("person"), **given
        )
        if made:
            messages.success(
                request, f"The seat of {made.person.printed_name} is asked for. Somebody else approves it."
            )
            return redirect("web:board", found.pk)
    back = reverse("web:board", args=[found.pk])
    return shown(request, form, f"Ask for a seat on {found}", back, found.name)


VERBS = {"approve": acts.approve_seat, "refuse": acts.refuse_seat, "end": acts.end_seat}
DONE = {"approve": "approved", "refuse": "refused", "end": "ended"}


class DecideForm(Form):
    reason = ReasonField()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def seat_decide(request: HttpRequest, pk: int, verb: str) -> HttpResponse:
    """Approve, refuse or end one seat."""
    if verb not in VERBS:
        raise NotVisible()
    seat = seen_or_404(request, BoardMember, "board", "person", "requester", pk=pk)
    permitted(request, f"approvals.{verb}_seat", seat)
    form = fresh(request, DecideForm)
    if verb == "approve":
        del form.fields["reason"]
    back = reverse("web:board", args=[seat.board_id])
    if request.method == "POST" and form.is_valid():
        done = attempt(form, VERBS[verb], actor_of(request), seat.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"The seat of {seat.person.printed_name} is {DONE[verb]}.")
            return redirect(back)
    heading = f"{verb.capitalize()} the seat of {seat.person.printed_name}"
    facts = [
        ("Board", seat.board.name),
        ("Function", f"{seat.get_function_display()}{', in the chair' if seat.chair else ''}"),
        ("Asked for by", seat.requester.printed_name),
        ("Because", seat.reason),
    ]
    return shown(request, form, heading, back, seat.board.name, facts=facts, danger=verb != "approve")


urlpatterns = [
    path("boards/", boards, name="boards"),
    path("boards/meetings/", meetings, name="meetings"),
    path("boards/<int:pk>/", board, name="board"),
    path("boards/<int:pk>/seats/", seat_new, name="seat_new"),
    path("boards/seats/<int:pk>/<str:verb>/", seat_decide, name="seat_decide"),
]
