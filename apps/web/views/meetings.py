"""Meetings of a review board: planning one at a gate, its page, its minute, its conditions."""

from __future__ import annotations

from datetime import datetime

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.views.decorators.http import require_http_methods, require_POST

from apps.access.gate import may, offers
from apps.access.sharing import shared
from apps.access.signing import standings
from apps.approvals import board_acts as acts
from apps.approvals.board_facts import about, name_of_board
from apps.approvals.board_models import Board, BoardMember, Meeting
from apps.approvals.board_rules import MAX_TEXT, decision_told
from apps.approvals.board_states import DECISION_WORDS, BoardDecision, BoardState
from apps.approvals.loading import minute_of
from apps.approvals.models import Gate
from apps.core import blobs
from apps.core.clock import now
from apps.core.downloads import attachment
from apps.core.errors import NotVisible
from apps.web.buttons import Acts, Button
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, MomentField, ReasonField
from apps.web.links import sign_url, url_of
from apps.web.uploading import UploadForm
from apps.web.views.boards import fresh, functions_told, permitted, shown


class MeetingForm(Form):
    board = forms.TypedChoiceField(coerce=int, choices=())
    held_at = MomentField(label="When", help_text="UTC. Not before the gate was opened.")
    agenda = forms.CharField(
        max_length=MAX_TEXT, widget=forms.Textarea(attrs={"rows": 4}), help_text="What the board is asked."
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        boards = Board.objects.filter(state=BoardState.IN_FORCE)
        self.fields["board"].choices = [("", "Choose a board"), *boards.values_list("pk", "name")]


@require_http_methods(["GET", "POST"])
@page
def meeting_new(request: HttpRequest, pk: int) -> HttpResponse:
    gate = seen_or_404(request, Gate, "version__model", pk=pk)
    permitted(request, "approvals.plan_meeting", gate)
    form = fresh(request, MeetingForm)
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        made = attempt(
            form, acts.plan_meeting, actor_of(request), gate.pk, board_id=given.pop("board"), **given
        )
        if made:
            messages.success(request, f"{made} is planned.")
            return redirect("web:meeting", made.number)
    return shown(
        request, form, f"Put {gate.version.ref} before a review board", url_of(gate), gate.version.ref
    )


def _meeting(request: HttpRequest, number: int) -> Meeting:
    return seen_or_404(
        request,
        Meeting,
        "board",
        "gate__version__model",
        "gate__version__intended_use",
        "chair_signature",
        "member_signature",
        "planned_by",
        "minuted_by",
        "conditions_met_by",
        number=number,
    )


@page
def meeting(request: HttpRequest, number: int) -> HttpResponse:
    """Agenda, attendance with who was recused and why, minute, decision, signatures, and what is next."""
    actor, found = actor_of(request), _meeting(request, number)
    attendance = list(found.attendance.select_related("member__person"))
    votes = {each.member.person_id: each.member for each in attendance if each.votes}
    with shared():
        given = {v.act.partition(".")[2]: v for v in offers(actor, found)}
    here = reverse("web:meeting_minute", args=[found.number])
    buttons = [Button(given["record_meeting"], here, style="primary")]
    seat = votes.get(request.user.pk)
    if seat is not None:  # the others would be told so by the act
        if seat.chair:
            buttons.append(
                Button(
                    given["sign_minute_chair"],
                    sign_url("approvals.sign_minute_chair", found.pk),
                    style="primary",
                )
            )
        else:
            buttons.append(
                Button(
                    given["sign_minute_member"],
                    sign_url("approvals.sign_minute_member", found.pk),
                    style="primary",
                )
            )
        buttons.append(
            Button(given["confirm_conditions"], reverse("web:meeting_conditions", args=[found.number]))
        )
    buttons.append(Button(given["withdraw_meeting"], reverse("web:meeting_withdraw", args=[found.number])))
    doable = Acts(tuple(buttons))
    version = found.gate.version
    context = {
        "meeting": found,
        "board_name": name_of_board(found),
        "version": version,
        "attendance": attendance,
        "changed": bool(found.about) and found.about["digest"] != about(version)["digest"],
        "told": decision_told(found.decision, found.conditions, found.conditions_met_at is not None)
        if found.decision
        else "",
        "required": functions_told(found.quorum.get("functions", found.board.required)),
        "standings": standings(found, found.signatures),
        "acts": doable,
        "reads_file": given["read_minute_file"].allowed,
        "needs_you": doable.anchor,
    }
    return render(request, "boards/meeting.html", context)


def seat_told(seat: BoardMember, since: datetime) -> str:
    """`Ada Example, legal (until 2026-11-19 14:02 UTC)`: from and until, where they lie between `since` and now."""
    begun = max(seat.starts_at, seat.decided_at)
    told = [f"from {begun:%Y-%m-%d %H:%M} UTC"] if begun > since else []
    ends = [moment for moment in (seat.ends_at, seat.person.deactivated_at) if moment and moment <= now()]
    told += [f"until {min(ends):%Y-%m-%d %H:%M} UTC"] if ends else []
    return f"{seat} ({', '.join(told)})" if told else str(seat)


class MinuteForm(UploadForm):
    """What was said and decided, with the signed paper beside it; what was typed or sent stays when it comes back."""

    uploads = {"file": ""}

    held_at = MomentField(required=False, label="Held at")
    attended = forms.TypedMultipleChoiceField(
        coerce=int,
        label="Who attended",
        widget=forms.CheckboxSelectMultiple,
        help_text="Who developed or tested this version attends without a vote; the portal says so.",
    )
    minute = forms.CharField(
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 8}),
        help_text="What was said, asked and answered.",
    )
    decision = forms.ChoiceField(
        choices=[(each.value, DECISION_WORDS[each]) for each in BoardDecision], widget=forms.RadioSelect
    )
    conditions = forms.CharField(
        required=False,
        max_length=MAX_TEXT,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="For an approval under conditions: the gate's line waits until a member confirms them.",
    )
    file = forms.FileField(
        required=False,
        label="Signed minute as a file",
        help_text="Up to 100 MiB, kept by its digest; who sees the meeting may fetch it.",
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)

    def __init__(self, *args, meeting: Meeting, **kwargs):
        super().__init__(*args, **kwargs)
        planned, opened = meeting.held_at, meeting.gate.opened_at
        self.fields["held_at"].help_text = f"UTC. Empty: as planned, on {planned:%Y-%m-%d %H:%M} UTC."
        held = BoardMember.objects.in_force(opened, until=now()).filter(board=meeting.board)
        self.fields["attended"].choices = [
            (seat.pk, seat_told(seat, opened)) for seat in held.select_related("person")
        ]


@require_http_methods(["GET", "POST"])
@page
def minute(request: HttpRequest, number: int) -> HttpResponse:
    found = _meeting(request, number)
    permitted(request, "approvals.record_meeting", found)
    form = fresh(request, MinuteForm, meeting=found, person_id=actor_of(request).pk)
    if request.method == "POST" and form.receive(
        lambda _name, file: blobs.put(file, limit=settings.UPLOAD_LIMIT_FILE)
    ):
        given = {name: value for name, value in form.cleaned_data.items() if not name.startswith("file")}
        if (kept := form.kept.get("file")) is not None:
            given |= {"file_name": kept.name, "file_digest": kept.digest}
        done = attempt(form, acts.record_meeting, actor_of(request), found.pk, **given)
        if done:
            messages.success(
                request, f"The minute of {done.ref} is recorded. The chair and a second member sign it."
            )
            return redirect("web:meeting", done.number)
    back = reverse("web:meeting", args=[found.number])
    return shown(request, form, f"Record the minute of {found.ref}", back, str(found))


@require_POST
@page
def minute_file(request: HttpRequest, number: int) -> HttpResponseBase:
    """The file beside the minute; every fetching is entered."""
    return attachment(acts.read_minute_file(actor_of(request), _meeting(request, number).pk))


@page
def outside_minute(request: HttpRequest, pk: int) -> HttpResponse:
    """The minute of a board outside the portal that a gate rests on: what was typed in, and the way to its file."""
    gate = seen_or_404(request, Gate, "version__model", "minute__recorded_by", pk=pk)
    found = minute_of(gate)
    if found is None:
        raise NotVisible()
    fetch = may(actor_of(request), "approvals.read_outside_minute", gate)
    return render(request, "boards/outside_minute.html", {"gate": gate, "minute": found, "fetch": fetch})


@require_POST
@page
def outside_minute_file(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Its file; every fetching is entered."""
    gate = seen_or_404(request, Gate, "version__model", pk=pk)
    return attachment(acts.read_outside_minute(actor_of(request), gate.pk))


class ConditionsForm(Form):
    reason = ReasonField(label="How the conditions were met")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def conditions(request: HttpRequest, number: int) -> HttpResponse:
    found = _meeting(request, number)
    permitted(request, "approvals.confirm_conditions", found)
    form = fresh(request, ConditionsForm)
    back = reverse("web:meeting", args=[found.number])
    if request.method == "POST" and form.is_valid():
        done = attempt(form, acts.confirm_conditions, actor_of(request), found.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"The conditions of {found.ref} are confirmed as met.")
            return redirect(back)
    facts = [("Conditions", found.conditions)]
    return shown(request, form, "Confirm that the conditions are met", back, str(found), facts=facts)


class WithdrawForm(Form):
    reason = ReasonField()
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest, number: int) -> HttpResponse:
    found = _meeting(request, number)
    permitted(request, "approvals.withdraw_meeting", found)
    form = fresh(request, WithdrawForm)
    back = reverse("web:meeting", args=[found.number])
    if request.method == "POST" and form.is_valid():
        done = attempt(form, acts.withdraw_meeting, actor_of(request), found.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"{found.ref} is withdrawn.")
            return redirect(back)
    facts = [("Version", found.gate.version.ref), ("State", found.get_state_display())]
    return shown(request, form, f"Withdraw {found.ref}", back, str(found), facts=facts, danger=True)


urlpatterns = [
    path("gates/<int:pk>/meeting/", meeting_new, name="meeting_new"),
    path("gates/<int:pk>/outside-minute/", outside_minute, name="outside_minute"),
    path("gates/<int:pk>/outside-minute/file/", outside_minute_file, name="outside_minute_file"),
    path("boards/meetings/<int:number>/", meeting, name="meeting"),
    path("boards/meetings/<int:number>/minute/", minute, name="meeting_minute"),
    path("boards/meetings/<int:number>/file/", minute_file, name="meeting_file"),
    path("boards/meetings/<int:number>/conditions/", conditions, name="meeting_conditions"),
    path("boards/meetings/<int:number>/withdraw/", withdraw, name="meeting_withdraw"),
]
