"""Erasures of words from the trail, and the legal holds that stop them."""

from __future__ import annotations

from typing import Any

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
from apps.access.acts.erasures import LONGEST, MOST, holds_on, kept_by_law
from apps.access.erasure_models import Erasure, Hold
from apps.access.gate import ORGANISATION_SUBJECT, Judge, offers, visible
from apps.access.policy import policy
from apps.accounts.models import User
from apps.core.errors import NotVisible
from apps.trail import erasing
from apps.trail.models import Entry
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form, ReasonField
from apps.web.lists import Column, Table, choice
from apps.web.marks import RECORD_MARKS, render_mark
from apps.web.views.account_requests import PEOPLE, decide, fresh_form


def _state(row: Any) -> str:
    return render_mark(RECORD_MARKS[row.state], row.get_state_display())


ERASURES = Table(
    name="erasures",
    caption="Erasures you may see",
    order="-number",
    empty="No word of the trail was asked to be erased. It is asked for on the page of an entry.",
    columns=[
        Column(
            "number",
            "Erasure",
            sort="pk",
            heading=True,
            value=lambda r: r.ref,
            render=lambda r: format_html('<a href="{}">{}</a>', reverse("web:erasure", args=[r.pk]), r.ref),
        ),
        Column("what", "What", value=lambda r: r.told),
        Column("basis", "Ground", value=lambda r: r.get_basis_display()),
        Column("state", "State", sort="state", value=lambda r: r.get_state_display(), render=_state),
        Column(
            "asked", "Asked for by", sort="requested_by__printed_name", value=lambda r: str(r.requested_by)
        ),
        Column("requested_at", "Asked", sort="requested_at", kind="moment"),
        Column("decided", "Decided by", value=lambda r: str(r.decided_by or "")),
        Column("decided_at", "Decided", sort="decided_at", kind="moment"),
    ],
    filters=[choice("state", "State", Erasure.State.choices, lambda rows, v: rows.filter(state=v))],
)


def _lift(row: Hold) -> str:
    if row.state != Hold.State.PLACED:
        return f"by {row.lifted_by}: {row.lift_reason}"
    return format_html('<a href="{}">Lift</a>', reverse("web:lift_hold", args=[row.pk]))


HOLDS = Table(
    name="holds",
    caption="Legal holds you may see",
    order="-number",
    empty="No legal hold was placed. A compliance officer places one on a person's page.",
    columns=[
        Column("number", "Hold", sort="pk", heading=True, value=lambda r: r.ref),
        Column("person", "On", sort="person__printed_name", value=lambda r: r.person.printed_name),
        Column("state", "State", sort="state", value=lambda r: r.get_state_display(), render=_state),
        Column("reason", "Reason", value=lambda r: r.reason),
        Column("placed", "Placed by", sort="placed_by__printed_name", value=lambda r: str(r.placed_by)),
        Column("placed_at", "Placed", sort="placed_at", kind="moment"),
        Column("lifted_at", "Lifted", sort="lifted_at", kind="moment"),
        Column("end", "Its end", value=lambda r: r.lift_reason, render=_lift),
    ],
    filters=[choice("state", "State", Hold.State.choices, lambda rows, v: rows.filter(state=v))],
)


@page
def erasures(request: HttpRequest) -> HttpResponseBase:
    rows = visible(actor_of(request), Erasure).select_related(*PEOPLE)
    return ERASURES.read(request, rows).respond("erasures/erasures.html")


@page
def holds(request: HttpRequest) -> HttpResponseBase:
    rows = visible(actor_of(request), Hold).select_related("person", "placed_by", "lifted_by")
    return HOLDS.read(request, rows).respond("erasures/holds.html")


def _marked(entry: Entry, places: list[list[Any]]) -> list[dict[str, Any]]:
    """The words that may be erased, each with its pieces: (text, whether it is to be erased)."""
    found = []
    for where, text in erasing.texts(entry).items():
        pieces, at = [], 0
        for _, start, end in sorted(place for place in places if place[0] == where):
            pieces += [(text[at:start], False), (text[max(at, start) : end], True)]
            at = max(at, end)
        found.append({"where": where, "pieces": [*pieces, (text[at:], False)]})
    return found


@page
def erasure(request: HttpRequest, pk: int) -> HttpResponse:
    """What is asked for, on what ground, in which entry; the words themselves for who may read the entry."""
    actor = actor_of(request)
    found = seen_or_404(request, Erasure, *PEOPLE, pk=pk)
    given = {verdict.act: verdict for verdict in offers(actor, found)}
    entry = visible(actor, Entry).filter(pk=found.entry).first()
    unread = entry is None or found.state != Erasure.State.REQUESTED
    context = {
        "erasure": found,
        "entry": entry,
        "words": [] if unread else _marked(entry, found.places),
        "remains": [] if unread else erasing.remains(entry, _words(entry, found.places)),
        "approve": given["access.approve_erasure"],
        "refuse": given["access.refuse_erasure"],
        "withdraw": given["access.withdraw_erasure"],
    }
    return render(request, "erasures/erasure.html", context)


def _words(entry: Entry, places: list[list[Any]]) -> list[str]:
    texts = erasing.texts(entry)
    return [texts[where][start:end] for where, start, end in places if where in texts]


class AskForm(Form):
    passages = forms.CharField(
        label="The words, one passage a line",
        max_length=MOST * LONGEST,
        help_text=f"As they stand in the entry, at most {MOST} lines. Every occurrence of them in it is erased.",
        widget=forms.Textarea(attrs={"rows": 3, "autocomplete": "off"}),
    )
    basis = forms.ChoiceField(label="Ground", choices=[("", "Choose"), *Erasure.Basis.choices])
    person = forms.CharField(
        label="Username of whose data they are",
        required=False,
        max_length=80,
        help_text="Where it is somebody with an account; a legal hold on them counts then.",
    )
    reason = ReasonField(
        help_text="It becomes part of the record and cannot be changed: do not repeat the words."
    )
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


@require_http_methods(["GET", "POST"])
@page
def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that words of an entry be erased."""
    actor = actor_of(request)
    entry = visible(actor, Entry).filter(pk=pk).first()
    if entry is None:
        raise NotVisible()
    form = fresh_form(request, AskForm)
    if request.method == "POST" and form.is_valid():
        given = dict(form.cleaned_data)
        name = given.pop("person")
        person = visible(actor, User).filter(username=name).first() if name else None
        if name and person is None:
            form.add_error("person", "Nobody you may see has this username.")
        else:
            lines = given.pop("passages").splitlines()
            whose = person.pk if person else None
            done = attempt(form, acts.request_erasure, actor, pk, passages=lines, person_id=whose, **given)
            if done:
                messages.success(request, f"{done.ref} is asked for. Another compliance officer decides.")
                return redirect("web:erasure", done.pk)
    if request.method == "POST":
        refuse_first(actor, "access.request_erasure", ORGANISATION_SUBJECT)
    context = {
        "form": form,
        "entry": entry,
        "words": _marked(entry, []),
        "kept": kept_by_law(entry),
        "holds": holds_on(entry, None),
        "verdict": Judge(ORGANISATION_SUBJECT).verdict(actor, policy("access.request_erasure")),
    }
    return render(request, "erasures/ask.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Erasure, "erasure", pk, "approve", folder="erasures")


@require_http_methods(["GET", "POST"])
@page
def refuse(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Erasure, "erasure", pk, "refuse", folder="erasures")


@require_http_methods(["GET", "POST"])
@page
def withdraw(request: HttpRequest, pk: int) -> HttpResponse:
    return decide(request, Erasure, "erasure", pk, "withdraw", folder="erasures")


class HoldForm(Form):
    reason = ReasonField(label="Why: the matter, and who asked for it")
    idempotency_key = forms.CharField(widget=forms.HiddenInput, max_length=100)


def _hold(request: HttpRequest, name: str, subject: Any, person: User) -> HttpResponse:
    """The form of one act on a hold, `place_hold` or `lift_hold`."""
    actor, row = actor_of(request), policy(f"access.{name}")
    form = fresh_form(request, HoldForm)
    if request.method == "POST" and form.is_valid():
        done = attempt(form, getattr(acts, name), actor, subject.pk, **form.cleaned_data)
        if done:
            messages.success(request, f"{done.ref} is {done.get_state_display().lower()}.")
            return redirect("web:holds")
    if request.method == "POST":
        refuse_first(actor, row.act, subject)
    verdict = Judge(subject).verdict(actor, row)
    context = {"form": form, "person": person, "row": row, "verdict": verdict}
    return render(request, "erasures/hold.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def place(request: HttpRequest, username: str) -> HttpResponse:
    person = seen_or_404(request, User, username=username, is_service=False)
    return _hold(request, "place_hold", person, person)


@require_http_methods(["GET", "POST"])
@page
def lift(request: HttpRequest, pk: int) -> HttpResponse:
    found = seen_or_404(request, Hold, "person", "lifted_by", pk=pk)
    return _hold(request, "lift_hold", found, found.person)


urlpatterns = [
    path("erasures/", erasures, name="erasures"),
    path("erasures/<int:pk>/", erasure, name="erasure"),
    path("erasures/<int:pk>/approve/", approve, name="approve_erasure"),
    path("erasures/<int:pk>/refuse/", refuse, name="refuse_erasure"),
    path("erasures/<int:pk>/withdraw/", withdraw, name="withdraw_erasure"),
    path("audit/<int:pk>/erase/", ask, name="request_erasure"),
    path("holds/", holds, name="holds"),
    path("holds/<int:pk>/lift/", lift, name="lift_hold"),
    path("people/<str:username>/hold/", place, name="place_hold"),
]
