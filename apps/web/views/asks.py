"""“Ask A. Novak”: from a refusal to somebody who may, and what was asked of one."""

from __future__ import annotations

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.views.decorators.http import require_http_methods

from apps.access import acts
from apps.access.acting import refuse_first
from apps.access.acts.asks import subject_of, who_may
from apps.access.gate import is_visible, may
from apps.access.models import Ask
from apps.core.errors import NotVisible, Refused
from apps.web.door import actor_of, attempt, page, seen_or_404
from apps.web.forms import Form
from apps.web.links import url_of
from apps.web.views.account_requests import fresh_form


class AskForm(Form):
    idempotency_key = forms.CharField(required=False, widget=forms.HiddenInput)
    person = forms.ChoiceField(label="Whom to ask", widget=forms.RadioSelect)


class AnswerForm(Form):
    idempotency_key = forms.CharField(required=False, widget=forms.HiddenInput)
    answer = forms.CharField(
        label="Answer",
        required=False,
        max_length=500,
        help_text="Needed where you decline: a sentence that says why.",
    )


@require_http_methods(["GET", "POST"])
@page
def ask_somebody(request: HttpRequest, act: str, pk: int) -> HttpResponse:
    """Who may do what was refused, and a button to ask one of them."""
    actor = actor_of(request)
    subject = subject_of(act, pk)
    if not is_visible(actor, subject):
        raise NotVisible()
    people, refusal = [], None
    try:
        people = who_may(actor.user, act, subject)
    except Refused as refused:
        refusal = refused
    form = fresh_form(request, AskForm)
    form.fields["person"].choices = [(str(each.pk), each.printed_name) for each in people]
    if request.method == "POST":
        given = form.data.get("person", "")
        numbered = given.isdecimal() and len(given) < 19  # ² is a digit to Python, and no number
        if form.is_valid() or refusal is not None or numbered:
            key = form.data.get("idempotency_key", "")
            asked = int(given) if numbered else 0
            done = attempt(form, acts.ask, actor, act, subject.pk, person_id=asked, idempotency_key=key)
            if done:
                messages.success(
                    request, f"{done.person.printed_name} is asked: by mail and on their page of work."
                )
                return redirect(url_of(subject) or "web:work")
        refuse_first(actor, "access.ask", subject)
    context = {
        "form": form,
        "verdict": may(actor, act, subject),
        "subject": subject,
        "people": people,
        "refusal": refusal,
        "back": url_of(subject),
    }
    return render(request, "people/ask.html", context, status=422 if form.errors else 200)


@require_http_methods(["GET", "POST"])
@page
def ask(request: HttpRequest, pk: int) -> HttpResponse:
    """What was asked, of whom, and its answer."""
    actor = actor_of(request)
    row = seen_or_404(request, Ask, "asker", "person", pk=pk)
    form = fresh_form(request, AnswerForm)
    if request.method == "POST":
        given = {"done": "decline" not in form.data, "answer": form.data.get("answer", "")}
        key = form.data.get("idempotency_key", "")
        if attempt(form, acts.answer_ask, actor, row.pk, idempotency_key=key, **given):
            return redirect("web:work")
    about = row.about()
    seen = about is not None and is_visible(actor, about)
    context = {
        "row": row,
        "form": form,
        "mine": row.person_id == actor.user.pk and row.state == Ask.State.OPEN,
        "label": may(actor, row.act, about).label if seen else "",
        "about": about if seen else None,
        "url": url_of(about) if seen else "",
    }
    return render(request, "people/asked.html", context, status=422 if form.errors else 200)


urlpatterns = [
    path("ask/<str:act>/<int:pk>/", ask_somebody, name="ask_somebody"),
    path("asks/<int:pk>/", ask, name="ask"),
]
