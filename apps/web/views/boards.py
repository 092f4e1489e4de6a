"""Review boards: the register, one board with its seats, founding one, asking for a seat and deciding on it."""

from __future__ import annotations

import uuid

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
from apps.approvals import board_acts as acts
from apps.approvals.board_models import Board, BoardMember, Meeting
from apps.approvals.board_rules import MAX_NAME, MAX_QUORUM, MAX_TEXT
from apps.approvals.board_states import FUNCTION_WORDS, MEETING_WORDS, Function, MeetingState
from apps.core.errors import NotVisible
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.lists import Column, Table, choice, text
from apps.web.views.plans import link, state_mark

FUNCTIONS = [(each.value, FUNCTION_WORDS[each]) for each in Function]


def functions_told(board: Board) -> str:
    return (
        ", ".join(FUNCTION_WORDS[Function(each)].lower() for each in board.required) or "none in particular"
    )


BOARDS = Table(
    name="boards",
    caption="Review boards",
    order="name",
    empty="No review board yet. A compliance officer founds one.",
    columns=[
        Column("name", "Board", sort="name", heading=True, render=lambda b: link(b, b.name)),
        Column("quorum", "Quorum", sort="quorum", kind="number"),
        Column("required", "Functions that must vote", value=functions_told),
        Column("created_at", "Founded", sort="created_at", kind="moment"),
        Column("by", "By", value=lambda b: b.created_by.printed_name),
    ],
    filters=[text("name", "Name", lambda rows, v: rows.filter(name__icontains=v))],
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


@page
def board(request: HttpRequest, pk: int) -> HttpResponse:
    """Quorum, seats with what may be done to each, and the meetings one may see."""
    actor, found = actor_of(request), seen_or_404(request, Board, "created_by", pk=pk)
    with shared():
        seats = []
        rows = found.members.select_related("person", "requester", "approver", "board")
        for seat in sorted(rows, key=lambda s: (not s.chair, s.function, s.person.printed_name)):
            verdicts = {v.act.partition(".")[2]: v for v in offers(actor, seat)}
            verbs = [verb for verb in VERBS if verdicts[f"{verb}_seat"].allowed]
            seats.append({"seat": seat, "verbs": verbs})
        doable = Acts(
            (
                Button(
                    may(actor, "approvals.request_seat", found),
                    reverse("web:seat_new", args=[found.pk]),
                    style="primary",
                ),
            )
        )
    rows = visible(actor, Meeting).filter(board=found).select_related("gate__version__model")
    context = {
        "board": found,
        "seats": seats,
        "acts": doable,
        "required": functions_told(found),
        "meetings": rows.order_by("-number")[:20],
    }
    return render(request, "boards/board.html", context)


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


def fresh(request: HttpRequest, form: type[Form], **kwargs) -> Form:
    """The form as sent, or a new one."""
    sent = (request.POST, request.FILES) if request.method == "POST" else (None,)
    return form(*sent, initial={"idempotency_key": uuid.uuid4().hex}, **kwargs)


def shown(request: HttpRequest, form: Form, heading: str, back: str, back_told: str, **more) -> HttpResponse:
    context = {"form": form, "heading": heading, "back": back, "back_told": back_told, **more}
    return render(request, "boards/form.html", context, status=422 if form.errors else 200)


def permitted(request: HttpRequest, act: str, subject) -> None:
    """Raises what the gate says; an attempt to post is entered in the trail."""
    actor = actor_of(request)
    if request.method == "POST":
        refuse_first(actor, act, subject)
    elif not (verdict := may(actor, act, subject)).allowed:
        raise verdict.refusal()


@require_http_methods(["GET", "POST"])
@page
def board_new(request: HttpRequest) -> HttpResponse:
    permitted(request, "approvals.create_board", ORGANISATION_SUBJECT)
    form = fresh(request, BoardForm)
    if request.method == "POST" and form.is_valid():
        made = attempt(form, acts.create_board, actor_of(request), **form.cleaned_data)
        if made:
            messages.success(request, f"{made} is founded. It has no members yet.")
            return redirect("web:board", made.pk)
    return shown(request, form, "Create review board", reverse("web:boards"), "Review boards")


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
    path("boards/new/", board_new, name="board_new"),
    path("boards/meetings/", meetings, name="meetings"),
    path("boards/<int:pk>/", board, name="board"),
    path("boards/<int:pk>/seats/", seat_new, name="seat_new"),
    path("boards/seats/<int:pk>/<str:verb>/", seat_decide, name="seat_decide"),
]
